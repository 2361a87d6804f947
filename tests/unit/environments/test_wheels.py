"""Wheels are installed for the place where the environment will be used, and none writes where it should not."""

import base64
import csv
import hashlib
import io
import os
import zipfile
from dataclasses import replace

import pytest

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.environments.distributions import Python, distributions, remove
from pixi_mirror.environments.wheels import Site, Wheel, install_wheels
from pixi_mirror.errors import MachineError, WrongBytesError

pytest.importorskip("installer", reason="the extra `unpack` is not installed")

PYTHON = Python(series="3.12", site_packages="lib/python3.12/site-packages")


@pytest.fixture
def site(tmp_path):
    (tmp_path / "new").mkdir()
    return Site(at=tmp_path / "new", prefix=tmp_path / "final" / "env", subdir="linux-64", python=PYTHON)


@pytest.fixture
def install(site, tmp_path):
    """Install built wheels, or bytes under the name of one."""

    def installed(*wheels, site=site, is_verified=True, jobs=2):
        given = []
        for wheel in wheels:
            path = tmp_path / wheel.file_name
            path.write_bytes(wheel.data)
            name, version, *_ = wheel.file_name.split("-")
            given.append(Wheel(path=path, name=name, version=version, sha256=wheel.sha256, is_verified=is_verified))
        install_wheels(given, site, jobs=jobs)

    return installed


class Raw:
    """A wheel of any members whatever, with a RECORD that lists them."""

    def __init__(self, members, file_name="raw-1.0-py3-none-any.whl", *, links=()):
        buffer, record = io.BytesIO(), io.StringIO()
        members = {
            "raw-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: raw\nVersion: 1.0\n",
            "raw-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            **members,
        }
        rows = csv.writer(record, lineterminator="\n")
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in members.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = (0o120777 if name in links else 0o100644) << 16
                archive.writestr(entry, data)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
                rows.writerow([name, f"sha256={digest}", len(data)])
            archive.writestr("raw-1.0.dist-info/RECORD", record.getvalue() + "raw-1.0.dist-info/RECORD,,\n")
        self.file_name, self.data = file_name, buffer.getvalue()
        self.sha256 = hashlib.sha256(self.data).hexdigest()


def files(site):
    return sorted(each.relative_to(site.at).as_posix() for each in site.at.rglob("*") if not each.is_dir())


def packages(site):
    return site.at / PYTHON.site_packages


def test_a_place_that_no_command_can_name_is_no_fault_of_the_wheel(site, install):
    nowhere = replace(site, prefix=site.prefix / os.fsdecode(b"\xff"))
    commands = build_wheel(name="hello", version="1.0", entry_points={"console_scripts": {"hello": "hello:main"}})
    with pytest.raises(MachineError, match="Choose another directory with -o"):
        install(commands, site=nowhere)


def test_a_wheel_is_installed_with_its_command_for_the_final_place(site, install):
    install(build_wheel(name="Hello.World", version="1.0", entry_points={"console_scripts": {"hello": "hello:main"}}))
    script = site.at / "bin/hello"
    assert script.read_text().startswith(f"#!{site.prefix}/bin/python\n")
    assert os.access(script, os.X_OK)
    (found,) = distributions(site.at, PYTHON)
    assert (found.name, found.version, found.is_ours) == ("hello-world", "1.0", True)


def test_what_is_installed_is_removed_by_its_own_record(site, install):
    install(build_wheel(name="hello", version="1.0", entry_points={"console_scripts": {"hello": "hello:main"}}))
    (found,) = distributions(site.at, PYTHON)
    remove(found, prefix=site.at, python=PYTHON)
    assert files(site) == []


def test_the_parts_of_data_go_where_they_belong_and_scripts_name_the_final_python(site, install):
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
    assert (site.at / "bin/run").read_bytes() == f"#!{site.prefix}/bin/python\nprint()\n".encode()
    assert (site.at / "share/raw.txt").read_bytes() == b"data"
    assert (site.at / "include/python3.12/raw/raw.h").read_bytes() == b"header"
    assert (packages(site) / "raw_native.so").read_bytes() == b"elf"


def test_a_wheel_for_windows_gets_a_launcher_there(site, install):
    python = Python(series="3.12", site_packages="Lib/site-packages")
    windows = Site(at=site.at, prefix=site.prefix, subdir="win-64", python=python)
    install(build_wheel(name="hello", version="1.0", entry_points={"console_scripts": {"hello": "m:f"}}), site=windows)
    assert (site.at / "Scripts/hello.exe").read_bytes().startswith(b"MZ")
    assert f"{site.prefix}/python.exe".encode() in (site.at / "Scripts/hello.exe").read_bytes()


def test_of_a_file_that_two_wheels_bring_the_later_ones_stays(site, install):
    first = build_wheel(name="first", version="1.0", files={"shared/__init__.py": b"first", "one.py": b"1"})
    second = build_wheel(name="second", version="1.0", files={"shared/__init__.py": b"second", "two.py": b"2"})
    install(first, second)
    assert (packages(site) / "shared/__init__.py").read_bytes() == b"second"
    install(second, first)
    assert (packages(site) / "shared/__init__.py").read_bytes() == b"first"


def test_a_file_that_is_linked_from_elsewhere_is_not_written_through(site, install, tmp_path):
    packages(site).mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("old")
    os.link(tmp_path / "elsewhere", packages(site) / "hello.py")
    install(build_wheel(name="hello", version="1.0", files={"hello.py": b"new"}))
    assert (packages(site) / "hello.py").read_text() == "new"
    assert (tmp_path / "elsewhere").read_text() == "old"


@pytest.mark.parametrize(
    "name",
    ["../out.py", "/etc/out.py", "a/../../out.py", "a\\b.py", "C:out.py", "./a.py", "a//b.py"],
)
def test_a_member_outside_is_refused_before_anything_is_installed(site, install, name):
    with pytest.raises(WrongBytesError, match="would lie outside"):
        install(build_wheel(name="good", version="1.0"), Raw({name: b"x"}))
    assert files(site) == []


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/../../evil", "a\\b"])
def test_a_command_outside_is_refused_before_anything_is_installed(site, install, name):
    with pytest.raises(WrongBytesError, match="no name of a file"):
        install(Raw({"raw-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{name} = a:b\n".encode()}))
    assert files(site) == []


def test_a_link_in_a_wheel_is_refused(site, install):
    with pytest.raises(WrongBytesError, match="is a link"):
        install(Raw({"way_out": b"/etc"}, links=["way_out"]))
    assert files(site) == []


def test_data_of_an_unknown_kind_is_refused(site, install):
    with pytest.raises(WrongBytesError, match=r"not contained in a valid \.data"):
        install(Raw({"raw-1.0.data/surprise/a": b"x"}))


@pytest.mark.parametrize("position", [0, 60, 400, -30, -5])
def test_a_damaged_wheel_is_refused(site, install, position):
    wheel = Raw({"raw.py": b"x" * 300})
    data = bytearray(wheel.data)
    data[position] ^= 0xFF
    wheel.data = bytes(data)
    with pytest.raises(WrongBytesError, match=r"the wheel raw-1\.0-py3-none-any\.whl cannot be installed"):
        install(wheel, is_verified=False)


def test_a_wheel_that_nobody_vouches_for_has_to_be_what_its_record_says(site, install):
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
    assert files(site) == []


def test_compiled_files_of_a_wheel_are_left_out(site, install):
    install(Raw({"raw.py": b"x = 1\n", "__pycache__/raw.cpython-312.pyc": b"evil"}))
    assert not (packages(site) / "__pycache__").exists()


def test_a_folder_that_cannot_be_written_is_said_to_be_so(site, install):
    packages(site).parent.mkdir(parents=True)
    packages(site).write_text("a file where a folder belongs")
    with pytest.raises(MachineError, match="cannot install a wheel into"):
        install(build_wheel(name="hello", version="1.0"))
