"""One module a verb: its options, the call, and what is printed of the result."""
