"""From a validated operation to one SQL statement for each of its roots, whose octets are the answer.

Strawberry stays the schema and the reference: what is not declared for SQL falls back to it, and a property test
holds that both answer alike, octet by octet (docs/decisions/0103).

    selections      what an operation asks of a type, fragments and directives resolved
    nulls           the variables whose null fails a field
    shapes          how a value is written as JSON by PostgreSQL
    building        a selection over declared fields becomes one text expression
    late            what Python writes into the octets afterwards: a sentence, a name out of the directory
    rendering       how a Python value is written: problems, late values
    roots           what a read root declares, and the declared ones
    plans           an operation's statements, made once
    running         a plan's answer to one request
"""
