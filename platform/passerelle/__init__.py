"""Floor 2, the exchange itself: identities, the journal, the shared record, and the kernel under them."""
