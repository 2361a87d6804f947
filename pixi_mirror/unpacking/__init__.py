"""Read a pack of any age, verify every file before anything is made of it, and compare it with an environment."""

from pixi_mirror.unpacking.comparing import Difference, difference, python_in
from pixi_mirror.unpacking.laying import lay_out
from pixi_mirror.unpacking.reading import Pack, read

__all__ = ["Difference", "Pack", "difference", "lay_out", "python_in", "read"]
