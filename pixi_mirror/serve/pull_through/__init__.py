"""Fetch deferred files when somebody first asks for them."""
