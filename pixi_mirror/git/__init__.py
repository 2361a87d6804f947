"""Sources pinned to a git commit: where they are, how they are fetched, and the bare repository that shows them."""
