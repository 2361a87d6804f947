"""The history on disk: small where little changes, refused where it is damaged, and never ahead of the inventory."""

from dataclasses import replace

import pytest
from harness.inventories import conda, digest, inventory, snapshot

from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.generation_file import dump, parse_head, parse_rows, short
from pixi_mirror.mirror.generation_names import admit_name
from pixi_mirror.mirror.generation_rows import rows_of
from pixi_mirror.mirror.generations import Generations
from pixi_mirror.mirror.inventory_file import parse
from pixi_mirror.mirror.inventory_text import PackageTexts
from pixi_mirror.mirror.inventory_text import dump as dump_inventory
from pixi_mirror.mirror.mint import GenerationContent, mint
from pixi_mirror.model.packages import PackageFile
from pixi_mirror.model.request import Request

FILES, CHANGES, EACH = 300, 20, 1


def mirror_of(numbers):
    packages = [
        conda(f"package-{number}", depends=[f"package-{number - each} >={each}.{number}" for each in range(1, 8)])
        for number in numbers
    ]
    tree = {each.path: PackageFile(sha256=digest(each.name), size=1000 + len(each.name)) for each in packages}
    return inventory(snapshot(*packages), tree=tree)


class History:
    """What `Tree` does with a history, without a tree."""

    def __init__(self, folder):
        self.folder = folder
        self.inventory = inventory(tree={})

    @property
    def generations(self):
        return Generations(self.folder, self.inventory.stamp)

    def record(self, new, *, verb="update"):
        old, texts = self.inventory, PackageTexts()
        before = GenerationContent.of(rows_of(old, texts)) if old.snapshots or old.tree else None
        minted = mint(self.generations, old.stamp, before, GenerationContent.of(rows_of(new, texts)), verb=verb)
        for name, data in minted.files.items():
            (self.folder / name).write_bytes(data)
        self.inventory = replace(new, stamp=minted.stamp)
        return minted


@pytest.fixture
def history(tmp_path):
    return History(tmp_path)


def test_history_costs_in_proportion_to_what_changed(history):
    for change in range(CHANGES):
        start = change * EACH
        history.record(mirror_of(range(start, start + FILES)))
    sizes = [(history.folder / f"{number}.gz").stat().st_size for number in range(1, CHANGES + 1)]
    assert max(sizes[1:]) < sizes[0] / 20
    assert sum(sizes) < len(dump_inventory(history.inventory))
    then = history.generations.inventory(7)
    assert then == mirror_of(range(6 * EACH, 6 * EACH + FILES))
    assert (then.stamp.number, then.stamp.last) == (7, CHANGES)


def test_the_same_content_is_no_generation(history):
    history.record(mirror_of(range(3)))
    minted = history.record(replace(mirror_of(range(3)), stamp=None))
    assert (minted.files, minted.stamp.number) == ({}, 1)


def test_the_stamp_is_read_back_and_is_no_part_of_equality(history):
    history.record(mirror_of(range(3)))
    again = parse(dump_inventory(history.inventory))
    assert again.stamp == history.inventory.stamp
    assert again == replace(again, stamp=None)


def test_what_was_requested_between_two_generations_is_known_once_and_as_it_was_last(history):
    history.record(mirror_of(range(3)))
    for count in (3, 4):
        (subscription,) = mirror_of(range(count)).snapshots
        later = replace(subscription, requests=(Request(environments=None, platforms=("linux-64",)),))
        history.record(replace(mirror_of(range(count)), snapshots=(later,)))
    assert history.generations.numbers() == (1, 2)
    assert sum(row.startswith('["requests",') for row in history.generations.rows(2)) == 1
    assert history.generations.inventory(2).snapshots == (later,)


def test_an_update_under_way_is_no_generation_of_its_own(history):
    history.record(mirror_of(range(3)))
    # Killed after it had recorded what it defers: the stamp is still that of the generation before.
    history.inventory = replace(mirror_of(range(4)), stamp=history.inventory.stamp)
    history.record(mirror_of(range(5)))
    assert history.generations.numbers() == (1, 2)
    added, _removed = parse_rows((history.folder / "2.gz").read_bytes())
    assert sum('"file"' in row for row in added) == 2
    assert history.generations.inventory(2) == mirror_of(range(5))


def test_a_file_that_no_inventory_names_is_unfinished(history):
    history.record(mirror_of(range(3)))
    (history.folder / "2.gz").write_bytes(b"half")
    assert history.generations.numbers() == (1,)
    assert history.generations.unfinished() == ("2.gz",)


def test_a_fingerprint_is_of_the_mirror_the_number_the_past_and_the_content(history, tmp_path_factory):
    history.record(mirror_of(range(3)))
    one = history.generations.generation(1)
    for other in (
        replace(one, mirror="f" * 32), replace(one, number=2), replace(one, parent=digest("x")),
        replace(one, content=digest("y")),
    ):  # fmt: skip
        assert other.fingerprint != one.fingerprint
    assert replace(one, made_at=0, verb="x").fingerprint == one.fingerprint
    assert len(short(one.fingerprint).replace("-", "")) * 4 == 80
    other = History(tmp_path_factory.mktemp("other"))
    other.record(mirror_of(range(3)))
    assert other.generations.generation(1).content == one.content
    assert other.generations.generation(1).fingerprint != one.fingerprint


@pytest.mark.parametrize("harm", ["cut", "bit", "empty", "other", "longer number", "missing"])
def test_a_damaged_file_is_refused_by_name(history, harm):
    for count in (3, 4, 5):
        history.record(mirror_of(range(count)))
    victim = history.folder / "2.gz"
    data = victim.read_bytes()
    first = (history.folder / "1.gz").read_bytes()
    head = parse_head(data)
    harmed = {
        "cut": data[:-12],
        "bit": bytes([*data[:60], data[60] ^ 1, *data[61:]]),
        "empty": b"",
        "other": first,
        "longer number": dump(replace(head, base=5), added=(), removed=()),
    }
    if harm == "missing":
        victim.unlink()
    else:
        victim.write_bytes(harmed[harm])
    with pytest.raises(MachineError, match=r"2\.gz|generation 2"):
        history.generations.inventory(3)


def test_a_row_that_was_changed_is_found_by_the_digest(history):
    for count in (3, 4):
        history.record(mirror_of(range(count)))
    victim = history.folder / "2.gz"
    added, removed = parse_rows(victim.read_bytes())
    victim.write_bytes(dump(parse_head(victim.read_bytes()), added=[*added, '["deferred","x"]'], removed=removed))
    with pytest.raises(MachineError, match="not what its fingerprint says"):
        history.generations.inventory(2)
    assert history.generations.inventory(1) == mirror_of(range(3))


def test_the_generation_after_a_lost_one_has_all_rows(history):
    history.record(mirror_of(range(3)))
    (history.folder / "1.gz").unlink()
    history.record(mirror_of(range(4)))
    assert history.generations.generation(2).base is None
    assert history.generations.inventory(2) == mirror_of(range(4))


@pytest.mark.parametrize("raw", ["", "7", "g7", "current", "../x", ".x", "a/b", "a b", "ä", "a\n", "x" * 65])
def test_what_could_be_taken_for_something_else_is_no_name(raw):
    with pytest.raises(ValueError, match="no name"):
        admit_name(raw)
