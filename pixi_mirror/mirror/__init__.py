"""One mirror: its records, the plan, the one safe order of changes, and the verbs that work on it."""
