"""What a pack is made of, where its files come from, and how it is written; it alone writes packs."""

from pixi_mirror.packing.choosing import Chosen, Rules, chosen
from pixi_mirror.packing.contents import Part, Style, contents, place_of
from pixi_mirror.packing.injecting import injected, names_of, refuse_doubles, refuse_misfits
from pixi_mirror.packing.naming import STDOUT, Form, Target, output_names
from pixi_mirror.packing.obtaining import OldCache, Ready, from_mirror, from_store
from pixi_mirror.packing.outputs import (
    Written,
    refuse_occupied,
    refuse_wrong,
    write_file,
    write_folder,
    write_stream,
)
from pixi_mirror.packing.pouring import Fill, pour
from pixi_mirror.packing.unpackers import self_extracting, unpacker_package

__all__ = [
    "STDOUT",
    "Chosen",
    "Fill",
    "Form",
    "OldCache",
    "Part",
    "Ready",
    "Rules",
    "Style",
    "Target",
    "Written",
    "chosen",
    "contents",
    "from_mirror",
    "from_store",
    "injected",
    "names_of",
    "output_names",
    "place_of",
    "pour",
    "refuse_doubles",
    "refuse_misfits",
    "refuse_occupied",
    "refuse_wrong",
    "self_extracting",
    "unpacker_package",
    "write_file",
    "write_folder",
    "write_stream",
]
