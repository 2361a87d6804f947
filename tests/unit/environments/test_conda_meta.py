"""The record of a package in `conda-meta` is the JSON that pixi writes, line by line, and reads back as it was."""

import json
from pathlib import Path

import pytest

from pixi_mirror.environments.conda_archive import CondaArchive
from pixi_mirror.environments.conda_meta import installed_conda, write_record
from pixi_mirror.environments.stored_file import StoredFile

RECORD = {
    "name": "Known",
    "version": "1",
    "build": "0",
    "build_number": 0,
    "depends": [],
    "constrains": ["a >=1", 'b "quoted"'],
    "extra_depends": {"all": ["c", {"deep": [1, None]}]},
    "license": None,
    "sha256": "5" * 64,
    "é": "\u2028 and \\n",
}
ROWS = [
    {"_path": "share/é", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 3},
    {"_path": 'bin/a "tool"\\', "path_type": "softlink", "no_link": True, "size_in_bytes": 0, "nothing": None},
    {"_path": "bin/\udcff", "path_type": "hardlink", "file_mode": "text", "prefix_placeholder": "/old\n/place"},
]


@pytest.mark.parametrize("count", range(4))
def test_it_is_spelled_as_the_standard_library_spells_it(tmp_path: Path, count: int) -> None:
    (tmp_path / "conda-meta").mkdir()
    archive = CondaArchive(StoredFile(Path(), 0, 0), "known-1-0.conda", "linux-64", RECORD, "https://x.example/k", None)
    write_record(tmp_path / "conda-meta", archive, ROWS[:count])
    written = (tmp_path / "conda-meta/known-1-0.json").read_bytes()
    document = json.loads(written)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    assert written == text.encode("utf-8", "backslashreplace")
    assert {key: document[key] for key in RECORD if RECORD[key] is not None}.items() <= document.items()
    assert "license" not in document
    assert sorted(document["files"]) == sorted(row["_path"] for row in ROWS[:count])
    assert [row["_path"] for row in document["paths_data"]["paths"]] == document["files"]
    assert all(row in document["paths_data"]["paths"] for row in ROWS[:count])
    assert installed_conda(tmp_path)["known"].files == tuple(document["files"])
