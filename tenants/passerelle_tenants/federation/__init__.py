"""Between networks: what travels, how it is sealed, sent again until it was applied, and taken in once.

    domain ──outbox──▶ addressing ──▶ federation_out ──▶ bundles ──▶ envelope ──▶ carrier (Celery, in ops)
    carrier ──▶ envelope ──▶ federation_in ──▶ traveller.apply (a domain) ──▶ acknowledgement ──▶ carrier

A row of `federation_out` says that one network must hear of the newest state of one object. It is owed until the
other acknowledged that state, whatever happens to the broker between the two (docs/decisions/0130).
"""
