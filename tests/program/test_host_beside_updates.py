"""Uploads and updates do not wait for each other, and names of one's own are not taken for public ones."""

import json
import re
import threading

import pytest
from harness import oracle
from harness.upstream import ok
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

TOOL = build_package(name="own-tool", subdir="linux-64")


@pytest.fixture
def hosting(world):
    assert world.run("host", "add", "team").status == 0
    (world.directory / TOOL.file_name).write_bytes(TOOL.data)
    return world


def test_an_upload_is_answered_while_an_update_fetches_and_both_succeed(hosting, world):
    """The upstream's answer is held until the upload has been answered."""
    lock = world.workspace()
    fetching, uploaded = threading.Event(), threading.Event()

    def held(reply):
        fetching.set()
        assert uploaded.wait(100)
        ok()(reply)

    asked = next(path for path in (world.root).rglob(small_packages()["base"].file_name))
    world.upstream.script("/" + asked.relative_to(world.root).as_posix(), held)
    ends = []
    update = threading.Thread(target=lambda: ends.append(world.run("--lock", lock)))
    update.start()
    try:
        assert fetching.wait(100)
        put = world.run("host", "put", TOOL.file_name, "--to", "team")
        assert put.status == 0, put.stderr
        records = json.loads((world.mirror / "team/linux-64/repodata.json").read_bytes())["packages.conda"]
        assert TOOL.file_name in records
        busy = world.run("prune")
        assert busy.status in (0, 1)  # it only looks
        assert world.run("forget", "--lock", lock).status == 75
    finally:
        uploaded.set()
        update.join()
    assert ends[0].status == 0, ends[0].stderr
    assert oracle.problems(world.mirror) == []
    assert world.run("verify").status == 0
    assert TOOL.file_name in json.loads((world.mirror / "team/linux-64/repodata.json").read_bytes())["packages.conda"]


def test_a_rollback_leaves_what_is_hosted_as_it_is(hosting, world):
    lock = world.workspace()
    assert world.run("--lock", lock).status == 0
    before = world.run_json("log")["current"]
    assert world.run("host", "put", TOOL.file_name, "--to", "team").status == 0
    assert world.run("rollback", str(before)).status == 0
    assert TOOL.file_name in json.loads((world.mirror / "team/linux-64/repodata.json").read_bytes())["packages.conda"]
    assert world.run("verify").status == 0


def test_a_hosted_file_that_is_gone_is_named_with_what_to_do_and_put_again_it_is_back(hosting, world):
    assert world.run("host", "put", TOOL.file_name, "--to", "team").status == 0
    (world.mirror / f"team/linux-64/{TOOL.file_name}").unlink()
    done = world.run("verify", "--repair")
    assert done.status != 0
    assert "host put" in done.stdout + done.stderr
    assert world.run("host", "put", TOOL.file_name, "--to", "team").status == 0
    assert world.run("verify").status == 0


def test_an_export_carries_what_is_hosted(hosting, world):
    wheel = build_wheel(name="demo", version="1.0")
    (world.directory / wheel.file_name).write_bytes(wheel.data)
    assert world.run("host", "put", TOOL.file_name, wheel.file_name, "--to", "team").status == 0
    assert world.run("export", "--full", "-o", "usb").status == 0
    assert world.run("import", "usb", "-o", "far").status == 0
    (name,) = world.run_json("host", "list", "far")["hosted"]
    assert (name["name"], name["files"]) == ("team", 2)
    assert oracle.problems(world.directory / "far") == []
    assert world.run("host", "put", TOOL.file_name, "--to", "team", "-o", "far").status == 4


def test_a_published_mirror_has_what_is_hosted(hosting, world):
    assert world.run("host", "put", TOOL.file_name, "--to", "team").status == 0
    assert world.run("publish", "site").status == 0
    assert oracle.problems(world.directory / "site") == []
    assert (world.directory / f"site/team/linux-64/{TOOL.file_name}").read_bytes() == TOOL.data


def test_hosted_channels_come_first_in_a_configuration_and_no_key_leads_to_them(hosting, world):
    assert world.run("--lock", world.workspace()).status == 0
    conda = world.run("config", "--for", "conda", "--url", "http://mirror.example").stdout
    channels = conda[conda.index("channels:") :]
    first = re.search(r"http://mirror\.example/[\w./-]+", channels)
    assert first[0] == "http://mirror.example/team"
    assert "hosted:" not in world.run("config", "--for", "pixi", "--url", "http://mirror.example").stdout
