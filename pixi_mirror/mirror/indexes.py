"""Write each kind of index from pins, and read it back."""

from pixi_mirror.conda.index import CondaIndex
from pixi_mirror.model.indexes import Beside, Companion, Contents, Index, Made, Makings, Role
from pixi_mirror.pypi.index import PypiIndex, index_of
from pixi_mirror.pypi.mapping_index import MappingIndex

__all__ = ["INDEXES", "Beside", "Companion", "Contents", "Index", "Made", "Makings", "Role", "index_of"]

INDEXES: tuple[Index, ...] = (CondaIndex(), PypiIndex(), MappingIndex())
"""Every kind of index; a new one is a room and a place here."""
