"""Show a mirror over HTTP, read-only."""
