"""Locks beside `pixi.lock`: one module a format, each of which gives the values of `lockfile.entries`."""
