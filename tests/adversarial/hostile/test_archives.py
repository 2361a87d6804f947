"""Archives that are damaged, cut short, or made to do harm: status 6, and the mirror stays as it was."""

import gzip
import io
import itertools
import json
import os
import random
import tarfile
from dataclasses import replace

import pytest
from harness.examples import first
from harness.looking import contents, served_files

from pixi_mirror.airgap import layout
from pixi_mirror.airgap.manifest import dump_manifest, parse_manifest
from pixi_mirror.archives.tar_writer import TarWriter
from pixi_mirror.demo.packages import build_package
from pixi_mirror.model.values import sha256_of

FLIPS, FULL_FLIPS = 12, 100


class Carried:
    """An archive that brings a second generation to a far side that has the first."""

    def __init__(self, world, *, files=2, payload_size=0):
        self.world, self.far, self.payload_size = world, world.directory / "far", payload_size
        self.update("a")
        self.run("import", *self.export("one"), "-o", self.far)
        self.update("a", *(chr(ord("b") + number) for number in range(files)))
        (self.archive,) = self.export("two")
        self.data = self.archive.read_bytes()
        self.before = served_files(self.far)
        self.bad = world.directory / "bad.tar"

    def run(self, *words, status=0):
        return self.world.run_json(*words, status=status)

    def update(self, *names):
        entries = [self.world.publish(build_package(name=name, payload_size=self.payload_size)) for name in names]
        self.world.lock("workspace", environments={"default": {"linux-64": entries}})
        self.run("--lock", "workspace/pixi.lock")

    def export(self, folder):
        done = self.run("export", "--full", "-o", self.world.directory / folder)
        return [self.world.directory / each["path"] for each in done["archives"]]

    def members(self):
        """The members, each name with its bytes, in order."""
        with tarfile.open(fileobj=io.BytesIO(self.data)) as tar:
            return [(each.name, tar.extractfile(each).read()) for each in tar]

    def ends(self):
        """Where each member begins, and where the last ends."""
        with tarfile.open(fileobj=io.BytesIO(self.data)) as tar:
            found = [each.offset for each in tar]
        return [*found, len(self.data) - 1024]

    def refused(self, data, *, status=6):
        """Import these bytes; nothing may change for clients, and the message is one sentence."""
        self.bad.write_bytes(data)
        outside = {name for name in contents(self.world.directory) if not name.startswith("far/.pixi-mirror")}
        done = self.world.run("import", self.bad, "-o", self.far)
        assert done.status == status, (done.status, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert served_files(self.far) == self.before
        after = {name for name in contents(self.world.directory) if not name.startswith("far/.pixi-mirror")}
        assert after == outside
        private = contents(self.far / ".pixi-mirror").items()
        staged = {name[7:]: held for name, held in private if name.startswith("staged/") and "." not in name}
        assert {name: sha256_of(held) for name, held in staged.items()} == {name: name for name in staged}
        return done.stderr


@pytest.fixture
def carried(world):
    return Carried(world)


def test_cut_at_every_member_and_in_the_middle_it_changes_nothing_and_the_whole_one_completes_it(carried):
    ends = carried.ends()
    middles = [(one + two) // 2 for one, two in itertools.pairwise(ends)]
    for cut in {0, 1, 511, 512, *ends, *middles, len(carried.data) - 512, len(carried.data) - 1}:
        carried.refused(carried.data[:cut])
    assert carried.run("import", carried.archive, "-o", carried.far)["current"] == 2


def flipped(carried, times):
    chance = random.Random(22)
    for _ in range(times):
        data = bytearray(carried.data)
        where = chance.randrange(len(data))
        data[where] ^= 1 << chance.randrange(8)
        if _is_padding(carried, where):
            continue  # it stands for nothing, and no reader of tar looks at it
        carried.refused(bytes(data))
    assert carried.run("import", carried.archive, "-o", carried.far)["current"] == 2


def _is_padding(carried, where):
    with tarfile.open(fileobj=io.BytesIO(carried.data)) as tar:
        return any(
            each.offset_data + each.size <= where < each.offset_data + -(-each.size // 512) * 512
            or each.offset + 148 + 6 <= where < each.offset + 156  # a checksum ends with a zero and a space
            for each in tar
        )


def test_one_bit_that_is_wrong_changes_nothing(carried):
    flipped(carried, FLIPS)


def test_a_dry_run_finds_a_bit_that_is_wrong_in_whatever_file(world):
    carried = Carried(world, files=5, payload_size=700_000)
    with tarfile.open(carried.archive) as tar:
        files = [each for each in tar if each.size > 100_000]
    assert len(files) == 6
    words = ("import", carried.bad, "-o", carried.far, "--dry-run")
    for member in files:
        data = bytearray(carried.data)
        data[member.offset_data + member.size - 1] ^= 1
        carried.bad.write_bytes(data)
        done = carried.world.run(*words)
        assert (done.status, member.name.rpartition("/")[2] in done.stderr) == (6, True), done.stderr
    carried.bad.write_bytes(carried.data[: files[-1].offset_data + 9])
    assert carried.world.run(*words).status == 6
    carried.bad.write_bytes(carried.data)
    assert carried.world.run(*words).status == 0


@pytest.mark.slow
def test_one_bit_that_is_wrong_at_a_hundred_places_changes_nothing(carried):
    flipped(carried, FULL_FLIPS)


@pytest.mark.slow
def test_bytes_after_its_end_are_refused(carried):
    assert "follow the end mark" in carried.refused(carried.data + carried.data)
    carried.refused(carried.data[:-1024] + carried.data)
    carried.refused(carried.data + b"x")


def packed(members):
    """A tar of these members."""
    made = io.BytesIO()
    writer = TarWriter(made.write)
    for name, data in members:
        writer.file(name, len(data), [data])
    writer.finish()
    return made.getvalue()


def _info(name, size=0, **kind):
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in kind.items():
        setattr(info, key, value)
    return info


HOSTILE = {
    "a path that leads out": _info("../../outside", 1),
    "an absolute path": _info("/outside", 1),
    "a name of Windows": _info("..\\outside", 1),
    "a device's name": _info("CON", 1),
    "a drive": _info("C:outside", 1),
    "an index": _info("conda-forge/noarch/repodata.json", 1),
    "the inventory": _info("pixi-mirror.json", 1),
    "a link": _info("link", type=tarfile.SYMTYPE, linkname="/"),
    "a hard link": _info("hard", type=tarfile.LNKTYPE, linkname="oci-layout"),
    "a pipe": _info("pipe", type=tarfile.FIFOTYPE),
    "a device": _info("device", type=tarfile.CHRTYPE),
    "a folder": _info("blobs", type=tarfile.DIRTYPE),
    "a setuid file": _info("tool", 1, mode=0o6777),
    "a blob that nobody wants": _info(f"blobs/sha256/{'0' * 64}", 1),
}


@pytest.mark.parametrize("at", first(1, [0, 2, 6]))
def test_members_that_the_manifest_does_not_list_are_refused(carried, at):
    members = carried.members()
    for info in HOSTILE.values():
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for number, (name, data) in enumerate([*members, (None, b"")]):
                if number == at:
                    tar.addfile(info, io.BytesIO(b"x" * info.size))
                if name is not None:
                    tar.addfile(_info(name, len(data)), io.BytesIO(data))
        carried.refused(made.getvalue())


def test_members_in_another_order_twice_or_left_out_are_refused(carried):
    members = carried.members()
    blobs = [number for number, (name, _) in enumerate(members) if number > 4 and name.startswith("blobs/")]
    one, two = blobs[:2]
    swapped = [*members]
    swapped[one], swapped[two] = swapped[two], swapped[one]
    carried.refused(packed(swapped))
    carried.refused(packed([*members[:two], members[one], *members[two:]]))
    for number in range(len(members)):
        carried.refused(packed(members[:number] + members[number + 1 :]))


def remade(carried, change, *, rows=None):
    """The archive with another manifest, whose digests are all right."""
    members = carried.members()
    manifest = parse_manifest(members[3][1])
    rows = members[4][1] if rows is None else rows
    manifest = replace(manifest, rows=layout.blob_of(rows))
    data = dump_manifest(change(manifest))
    head = layout.head_of(change(manifest), 1, None)
    document = layout.blob_of(head.oci_manifest)
    start = [
        (layout.LAYOUT, layout.LAYOUT_DATA),
        (layout.INDEX, head.oci_index),
        (layout.blob_name(document), head.oci_manifest),
        (layout.blob_name(layout.blob_of(data)), data),
        (layout.blob_name(layout.blob_of(rows)), rows),
    ]
    return packed([*start, *members[5:-1], (layout.END, layout.end_of(change(manifest), 1))])


@pytest.mark.slow
def test_one_that_is_made_again_by_these_means_is_the_same(carried):
    assert remade(carried, lambda manifest: manifest) == carried.data


def test_a_manifest_that_contradicts_what_it_brings_is_refused(carried):
    for change in (
        lambda manifest: replace(manifest, content="0" * 64),
        lambda manifest: replace(manifest, number=7),
        lambda manifest: replace(manifest, indexes="0" * 64),
        lambda manifest: replace(manifest, files=manifest.files + 1, introduced=(*manifest.introduced, 1)),
        lambda manifest: replace(manifest, bytes=manifest.bytes + 1),
        lambda manifest: replace(manifest, volumes=(1, len(manifest.blobs) - 1)),
        lambda manifest: replace(manifest, blobs=manifest.blobs[:-1], volumes=(len(manifest.blobs) - 1,)),
    ):
        carried.refused(remade(carried, change))


@pytest.mark.slow
def test_rows_that_are_not_those_of_the_fingerprint_are_refused(carried):
    rows = gzip.decompress(carried.members()[4][1])
    for other in (
        rows.replace(b'"a"', b'"z"'),
        rows + b'+["file","../../outside","' + b"0" * 64 + b'",1]\n',
        rows + b'+["kept"]\n',
        rows.partition(b"\n")[0] + b"\n",
        b"",
        b"[" * 100_000,
    ):
        assert other != rows
        carried.refused(remade(carried, lambda manifest: manifest, rows=gzip.compress(other, mtime=0)))
    carried.refused(remade(carried, lambda manifest: manifest, rows=b"no gzip"))


def test_bombs_are_refused_before_they_are_unpacked(carried):
    rows = gzip.compress(gzip.decompress(carried.members()[4][1]).partition(b"\n")[0] + b"\n+" + bytes(300 << 20), 1)
    message = carried.refused(remade(carried, lambda manifest: manifest, rows=rows))
    assert "it has more than" in message
    members = carried.members()
    deep = b'{"manifests":' + b"[" * 30_000
    carried.refused(packed([members[0], (layout.INDEX, deep), *members[2:]]))
    huge = json.dumps({"manifests": [{"artifactType": "application/vnd.pixi-mirror.export.v1", "size": 1 << 60}]})
    carried.refused(packed([members[0], (layout.INDEX, huge.encode()), *members[2:]]))
    made = io.BytesIO()
    TarWriter(made.write)._header("oci-layout", 1 << 60, executable=False, kind=b"0")
    carried.refused(made.getvalue())


@pytest.mark.slow
def test_a_medium_that_cannot_be_written_is_read(carried):
    carried.archive.chmod(0o444)
    carried.archive.parent.chmod(0o555)
    before = carried.archive.stat()
    assert carried.run("import", carried.archive, "-o", carried.far)["current"] == 2
    assert carried.archive.stat().st_mtime_ns == before.st_mtime_ns
    carried.archive.parent.chmod(0o755)


@pytest.mark.slow
def test_a_link_a_pipe_and_a_directory_are_no_archives(carried):
    os.mkfifo(carried.world.directory / "pipe.tar")
    carried.bad.symlink_to(carried.archive)
    for name, status in (("pipe.tar", 8), ("bad.tar", 8)):
        done = carried.world.run("import", name, "-o", carried.far)
        assert (done.status, "Traceback" in done.stderr) == (status, False), done.stderr
