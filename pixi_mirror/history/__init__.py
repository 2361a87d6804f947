"""The generations of a mirror, for people: list, compare and name them, and go back to one."""
