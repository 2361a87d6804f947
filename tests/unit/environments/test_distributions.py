"""Which Python packages an environment has, and that removing one removes it and nothing else."""

import pytest

from pixi_mirror.environments.distributions import Python, distributions, python_of, remove

PYTHON = Python(series="3.12", site_packages="lib/python3.12/site-packages")


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "env" / PYTHON.site_packages
    folder.mkdir(parents=True)
    return folder


def distribution(site, name, *, version="1.0", installer="uv", record=(), **documents):
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "INSTALLER").write_text(f"{installer}\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in (*record, f"{info.name}/INSTALLER")))
    for each, text in documents.items():
        (info / f"{each}.json").write_text(text)
    for path in record:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        if not (site / path).exists():
            (site / path).write_text("x")


def only(site):
    (found,) = distributions(site.parents[2], PYTHON)
    return found


@pytest.mark.parametrize(
    ("version", "told", "subdir", "expected"),
    [
        ("3.12.1", None, "linux-64", "lib/python3.12/site-packages"),
        ("3.12.1", None, "win-64", "Lib/site-packages"),
        ("3.13.2", "lib/python3.13t/site-packages", "osx-arm64", "lib/python3.13t/site-packages"),
    ],
)
def test_python_tells_where_its_packages_are(version, told, subdir, expected):
    assert python_of(version, told, subdir=subdir).site_packages == expected


@pytest.mark.parametrize("told", ["/etc", "../../etc", "lib/../../etc", "C:\\Windows", "lib//x", "lib/./x"])
def test_python_cannot_have_its_packages_outside_of_the_environment(told):
    with pytest.raises(ValueError, match="no folder inside an environment"):
        python_of("3.12.1", told, subdir="linux-64")


@pytest.mark.parametrize(("installer", "ours"), [("uv", True), ("uv-pixi", True), ("pip", False), ("conda", False)])
def test_a_package_is_ours_by_who_installed_it(site, installer, ours):
    distribution(site, "Some_Thing", installer=installer)
    found = only(site)
    assert (found.name, found.version, found.is_ours) == ("some-thing", "1.0", ours)


def test_what_somebody_develops_in_place_is_theirs(site):
    distribution(site, "mine", direct_url='{"url": "file:///home/me/mine", "dir_info": {"editable": true}}')
    assert not only(site).is_ours


def test_what_was_noted_of_the_wheel_is_told(site):
    distribution(site, "noted", **{"pixi-mirror": '{"sha256": "abc"}'})
    assert only(site).sha256 == "abc"


def test_an_environment_without_such_a_folder_has_no_packages(tmp_path):
    assert distributions(tmp_path, PYTHON) == ()


def test_removing_takes_files_scripts_compiled_files_and_empty_folders(site):
    prefix = site.parents[2]
    distribution(site, "gone", record=["gone/__init__.py", "gone/deep/a.txt", "../../../bin/gone", "single.py"])
    (site / "gone/__pycache__").mkdir()
    (site / "gone/__pycache__/__init__.cpython-312.pyc").write_text("x")
    (prefix / "bin/other").write_text("x")
    (site / "stays.py").write_text("x")
    remove(only(site), prefix=prefix, python=PYTHON)
    assert sorted(each.relative_to(prefix).as_posix() for each in prefix.rglob("*") if each.is_file()) == [
        "bin/other",
        "lib/python3.12/site-packages/stays.py",
    ]
    assert not (site / "gone").exists()


def test_the_folder_of_all_packages_stays_though_it_is_empty(site):
    distribution(site, "last")
    remove(only(site), prefix=site.parents[2], python=PYTHON)
    assert list(site.iterdir()) == []


def test_nothing_outside_of_the_environment_is_removed(site, tmp_path):
    prefix = site.parents[2]
    outside = tmp_path / "outside"
    outside.mkdir()
    (site / "way_out").symlink_to(outside)
    (tmp_path / "secret").write_text("x")
    (outside / "secret").write_text("x")
    record = ["../../../../secret", "way_out/secret", str(outside / "secret")]
    distribution(site, "hostile", record=record)
    remove(only(site), prefix=prefix, python=PYTHON)
    assert (tmp_path / "secret").exists()
    assert (outside / "secret").exists()
    assert not (site / "hostile-1.0.dist-info").exists()
