"""Write each kind of index from pins, and read it back."""

from pixi_mirror.indexes.conda import CondaIndex
from pixi_mirror.indexes.interface import Index, Made

__all__ = ["INDEXES", "Index", "Made"]

INDEXES: tuple[Index, ...] = (CondaIndex(),)
"""Every kind of index; a new one is a room and a place here."""
