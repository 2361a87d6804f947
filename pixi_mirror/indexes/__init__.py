"""Write each kind of index from pins, and read it back."""

from pixi_mirror.indexes.conda import CondaIndex
from pixi_mirror.indexes.interface import Beside, Companion, Contents, Index, Made, Makings, Role
from pixi_mirror.indexes.mapping import MappingIndex
from pixi_mirror.indexes.pypi import PypiIndex, index_of

__all__ = ["INDEXES", "Beside", "Companion", "Contents", "Index", "Made", "Makings", "Role", "index_of"]

INDEXES: tuple[Index, ...] = (CondaIndex(), PypiIndex(), MappingIndex())
"""Every kind of index; a new one is a room and a place here."""
