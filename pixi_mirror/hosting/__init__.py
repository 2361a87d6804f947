"""Channels and indexes of the mirror's own: uploads received, verified, placed and listed; yanked and deleted."""
