"""The configuration that each client needs to use a served mirror, and how it goes into the client's own file."""
