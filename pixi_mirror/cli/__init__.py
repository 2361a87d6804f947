"""Arguments in, rendering, exit status out; it alone prints, exits and reads the environment."""

from pixi_mirror.cli.program import main

__all__ = ["main"]
