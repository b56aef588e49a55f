"""What every room stands on: errors, clock, context, databases, keys, contents, events. It knows no domain."""
