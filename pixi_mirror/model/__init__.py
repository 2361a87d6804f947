"""The nouns, and the functions that admit raw strings as values."""
