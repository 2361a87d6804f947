"""Fetch deferred files at their first request."""
