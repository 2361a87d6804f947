"""Fetch the bytes behind a URL: retries, time-outs, resume, credentials and mirrors."""
