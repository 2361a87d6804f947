"""Publish a mirror: make a directory or an object store hold exactly what the mirror holds."""
