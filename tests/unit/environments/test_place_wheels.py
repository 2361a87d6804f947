"""Wheels are installed for the place where the environment will be used, and none writes where it should not."""

import base64
import csv
import hashlib
import io
import os
import stat
import zipfile

import pytest

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.environments.installed_wheels import installed_wheels
from pixi_mirror.environments.links import LinkMap
from pixi_mirror.environments.place_wheels import place_wheel, plan_wheels
from pixi_mirror.environments.prefix import Prefix, python_of
from pixi_mirror.environments.stored_file import StoredFile
from pixi_mirror.environments.wheel_archive import PackedWheel
from pixi_mirror.errors import MachineError, WrongBytesError

PYTHON = python_of("3.12.1", None, subdir="linux-64")


@pytest.fixture
def prefix(tmp_path):
    (tmp_path / "new").mkdir()
    return Prefix(here=tmp_path / "new", path=str(tmp_path / "final/env"), subdir="linux-64", python=PYTHON)


@pytest.fixture
def install(prefix, tmp_path):
    """Install built wheels, or bytes under the name of one."""

    def installed(*wheels, prefix=prefix, is_verified=True, links=None, launcher=None):
        given = []
        for wheel in wheels:
            path = tmp_path / wheel.file_name
            path.write_bytes(wheel.data)
            name, version, *_ = wheel.file_name.split("-")
            given.append(
                PackedWheel(
                    stored=StoredFile(path, 0, len(wheel.data)),
                    file_name=wheel.file_name,
                    name=name.replace("_", "-"),
                    version=version,
                    sha256=wheel.sha256,
                    is_verified=is_verified,
                )
            )
        for planned in plan_wheels(given, prefix, links or LinkMap(), launcher):
            place_wheel(planned, prefix, lambda: None)

    return installed


class Raw:
    """A wheel of any members whatever, with a RECORD that lists them."""

    def __init__(self, members, file_name="raw-1.0-py3-none-any.whl", *, links=(), programs=(), record=None):
        buffer, truth = io.BytesIO(), io.StringIO()
        members = {
            "raw-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: raw\nVersion: 1.0\n",
            "raw-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            **members,
        }
        rows = csv.writer(truth, lineterminator="\n")
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in members.items():
                entry = zipfile.ZipInfo(name)
                mode = 0o120777 if name in links else 0o100755 if name in programs else 0o100644
                entry.external_attr = mode << 16
                archive.writestr(entry, data)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
                rows.writerow([name, f"sha256={digest}", len(data)])
            archive.writestr("raw-1.0.dist-info/RECORD", truth.getvalue() if record is None else record)
        self.file_name, self.data = file_name, buffer.getvalue()
        self.sha256 = hashlib.sha256(self.data).hexdigest()


def files(prefix):
    return sorted(each.relative_to(prefix.here).as_posix() for each in prefix.here.rglob("*") if not each.is_dir())


def packages(prefix):
    return prefix.here / PYTHON.site_packages


def test_a_place_that_is_no_utf_8_is_written_as_its_bytes(prefix, install):
    strange = prefix._replace(path=prefix.path + os.fsdecode(b"\xff"))
    install(build_wheel(name="hi", version="1.0", entry_points={"console_scripts": {"hi": "hi:main"}}), prefix=strange)
    assert (prefix.here / "bin/hi").read_bytes().startswith(b"#!" + os.fsencode(strange.path) + b"/bin/python\n")


def test_a_wheel_is_installed_with_its_command_for_the_final_place(prefix, install):
    install(build_wheel(name="Hello.World", version="1.0", entry_points={"console_scripts": {"hello": "hello:main"}}))
    script = prefix.here / "bin/hello"
    assert script.read_text().startswith(f"#!{prefix.path}/bin/python\n")
    assert os.access(script, os.X_OK)
    (found,) = installed_wheels(prefix.here, PYTHON)
    assert (found.name, found.version, found.is_ours) == ("hello-world", "1.0", True)


def test_record_lists_all_that_was_installed_with_what_it_comes_to(prefix, install):
    install(build_wheel(name="hello", version="1.0", entry_points={"console_scripts": {"hello": "hello:main"}}))
    (found,) = installed_wheels(prefix.here, PYTHON)
    assert sorted(found.files) == files(prefix)
    rows = list(csv.reader((prefix.here / found.folder / "RECORD").read_text().splitlines()))
    assert [row for row in rows if not row[1]] == [["hello-1.0.dist-info/RECORD", "", ""]]
    for path, digest, size in rows:
        data = (packages(prefix) / path).read_bytes()
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert not digest or (digest, int(size)) == (f"sha256={expected}", len(data))


def test_modes_are_those_of_the_archive_and_commands_can_be_run_whatever_it_says(prefix, install):
    install(Raw({"raw.py": b"", "raw-1.0.data/scripts/run.sh": b"#!/bin/sh\n", "tool.so": b""}, programs=["tool.so"]))
    modes = {path: stat.S_IMODE((prefix.here / path).stat().st_mode) for path in files(prefix)}
    assert modes.pop("bin/run.sh") == modes.pop("lib/python3.12/site-packages/tool.so") == 0o755
    assert set(modes.values()) == {0o644}


def test_the_parts_of_data_go_where_they_belong_and_scripts_name_the_final_python(prefix, install):
    data = "raw-1.0.data"
    install(
        Raw(
            {
                f"{data}/scripts/run": b"#!python\nprint()\n",
                f"{data}/data/share/raw.txt": b"data",
                f"{data}/headers/raw.h": b"header",
                f"{data}/platlib/raw_native.so": b"elf",
            }
        )
    )
    assert (prefix.here / "bin/run").read_bytes() == f"#!{prefix.path}/bin/python\nprint()\n".encode()
    assert (prefix.here / "share/raw.txt").read_bytes() == b"data"
    assert (prefix.here / "include/python3.12/raw/raw.h").read_bytes() == b"header"
    assert (packages(prefix) / "raw_native.so").read_bytes() == b"elf"


@pytest.mark.parametrize("launcher", [None, b"MZ"])
def test_a_wheel_for_windows_gets_a_command_there(prefix, install, launcher):
    windows = prefix._replace(subdir="win-64", python=python_of("3.12.1", None, subdir="win-64"))
    hello = build_wheel(name="hello", version="1.0", entry_points={"console_scripts": {"hello": "m:f"}})
    install(hello, prefix=windows, launcher=launcher)
    commands = sorted(os.listdir(prefix.here / "Scripts"))
    assert commands == ["hello-script.py", "hello.exe"] if launcher else ["hello-script.py", "hello.bat"]
    assert (prefix.here / "Lib/site-packages/hello.py").is_file()


def test_of_a_file_that_two_wheels_bring_the_later_ones_stays(prefix, install):
    first = build_wheel(name="first", version="1.0", files={"shared/__init__.py": b"first", "one.py": b"1"})
    second = build_wheel(name="second", version="1.0", files={"shared/__init__.py": b"second", "two.py": b"2"})
    install(first, second)
    assert (packages(prefix) / "shared/__init__.py").read_bytes() == b"second"
    (packages(prefix) / "two.py").unlink()
    install(second, first)
    assert (packages(prefix) / "shared/__init__.py").read_bytes() == b"first"


def test_a_file_that_is_linked_from_elsewhere_is_not_written_through(prefix, install, tmp_path):
    packages(prefix).mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("old")
    os.link(tmp_path / "elsewhere", packages(prefix) / "hello.py")
    install(build_wheel(name="hello", version="1.0", files={"hello.py": b"new"}))
    assert (packages(prefix) / "hello.py").read_text() == "new"
    assert (tmp_path / "elsewhere").read_text() == "old"


@pytest.mark.parametrize(
    "name",
    ["../out.py", "/etc/out.py", "a/../../out.py", "a\\b.py", "C:out.py", "./a.py", "a//b.py"],
)
def test_a_member_outside_is_refused_before_anything_is_installed(prefix, install, name):
    with pytest.raises(WrongBytesError, match=r"would lie outside|no plain name|not every system"):
        install(build_wheel(name="good", version="1.0"), Raw({name: b"x"}))
    assert files(prefix) == []


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/../../evil", "a\\b"])
def test_a_command_outside_is_refused_before_anything_is_installed(prefix, install, name):
    with pytest.raises(WrongBytesError, match=r"is not `name = module|not every system"):
        install(Raw({"raw-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{name} = a:b\n".encode()}))
    assert files(prefix) == []


def test_a_link_in_a_wheel_is_refused(prefix, install):
    with pytest.raises(WrongBytesError, match="is a link"):
        install(Raw({"way_out": b"/etc"}, links=["way_out"]))
    assert files(prefix) == []


def test_data_of_an_unknown_kind_is_refused(prefix, install):
    with pytest.raises(WrongBytesError, match="does not say where that belongs"):
        install(Raw({"raw-1.0.data/surprise/a": b"x"}))


@pytest.mark.parametrize("position", [0, 60, 400, -30, -5])
def test_a_damaged_wheel_is_refused(prefix, install, position):
    wheel = Raw({"raw.py": b"x" * 300})
    data = bytearray(wheel.data)
    data[position] ^= 0xFF
    wheel.data = bytes(data)
    with pytest.raises(WrongBytesError, match=r"the wheel raw-1\.0-py3-none-any\.whl cannot be installed"):
        install(wheel, is_verified=False)


def test_a_wheel_that_nobody_vouches_for_has_to_be_what_its_record_says(prefix, install):
    wheel = Raw({"raw.py": b"print(1)\n"})
    wrong = Raw({"raw.py": b"print(2)\n"})
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        record = archive.read("raw-1.0.dist-info/RECORD")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wrong.data)) as archive, zipfile.ZipFile(buffer, "w") as mixed:
        for name in archive.namelist():
            mixed.writestr(name, record if name.endswith("RECORD") else archive.read(name))
    wrong.data = buffer.getvalue()
    with pytest.raises(WrongBytesError, match="is not what its RECORD says"):
        install(wrong, is_verified=False)


def test_compiled_files_of_a_wheel_are_left_out(prefix, install):
    install(Raw({"raw.py": b"x = 1\n", "__pycache__/raw.cpython-312.pyc": b"evil"}))
    assert not (packages(prefix) / "__pycache__").exists()


def test_a_folder_that_cannot_be_written_is_said_to_be_so(prefix, install):
    packages(prefix).parent.mkdir(parents=True)
    packages(prefix).write_text("a file where a folder belongs")
    with pytest.raises(MachineError, match=r"hello-1\.0-py3-none-any\.whl cannot be installed: where it has"):
        install(build_wheel(name="hello", version="1.0"))


def test_a_file_goes_where_the_links_of_conda_packages_lead(prefix, install):
    (prefix.here / "real").mkdir()
    (prefix.here / "share").symlink_to("real")
    links = LinkMap()
    links.add("share", "real")
    install(Raw({"raw-1.0.data/data/share/x": b"x"}), links=links)
    assert (prefix.here / "real/x").read_bytes() == b"x"


def test_a_file_is_not_written_through_a_link_that_leads_outside(prefix, install, tmp_path):
    (prefix.here / "share").symlink_to(tmp_path)
    links = LinkMap()
    links.add("share", str(tmp_path))
    with pytest.raises(WrongBytesError, match="leads out of the environment"):
        install(Raw({"raw-1.0.data/data/share/x": b"x"}), links=links)
    with pytest.raises(MachineError, match="cannot be installed"):
        install(Raw({"raw-1.0.data/data/share/x": b"x"}))  # even if nobody knows of the link
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("path", ["conda-meta/history", "conda-meta/raw-1.0-0.json"])
def test_the_records_of_conda_packages_are_not_written_by_wheels(prefix, install, path):
    with pytest.raises(WrongBytesError, match="records of conda packages"):
        install(Raw({f"raw-1.0.data/data/{path}": b"x"}))


def test_a_file_of_one_wheel_and_a_folder_of_another_do_not_fit(prefix, install):
    other = build_wheel(name="other", version="1.0", files={"raw.py/x": b""})
    with pytest.raises(MachineError, match="is a file in one and a folder in the other"):
        install(Raw({"raw.py": b""}), other)


@pytest.mark.parametrize(
    "record", ["", "raw.py,,\n", "raw.py,md5=AAAA,1\n", "raw.py,sha256=AAAA,1\n", "raw\\\\x.py,sha256=AAAA,1\n"]
)
def test_a_wheel_that_is_proven_is_installed_whatever_its_record_says(prefix, install, record):
    wheel = Raw({"raw.py": b"x = 1\n"}, record=record)
    install(wheel)
    assert (packages(prefix) / "raw.py").read_bytes() == b"x = 1\n"
