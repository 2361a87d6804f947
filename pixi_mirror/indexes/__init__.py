"""Write each kind of index from pins, and read it back."""

from pixi_mirror.indexes.conda import CondaIndex
from pixi_mirror.indexes.interface import Beside, Companion, Index, Made, Makings, Role

__all__ = ["INDEXES", "Beside", "Companion", "Index", "Made", "Makings", "Role"]

INDEXES: tuple[Index, ...] = (CondaIndex(),)
"""Every kind of index; a new one is a room and a place here."""
