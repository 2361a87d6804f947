"""The main job on a small workspace that it makes itself, against a server on loopback."""
