"""One environment in one file, in pixi-pack's format: write it, read it, unpack it."""
