"""The acceptance story of the air gap, told with whatever packages: three revisions of a lock, and a lost volume.

`tests/program` tells it with small packages, `tests/real_tools` with some that run, in a network namespace.
"""

import hashlib
import json
import shutil
import urllib.request
from collections.abc import Callable

from harness.gap import LOCK, Gap, payload
from harness.looking import archives, contents, served_files, sha256
from harness.serving import served


def tell(
    gap: Gap,
    lock: Callable[[int], object],
    *,
    volume_size: str,
    offline: Callable[[], object] = lambda: None,
) -> None:
    """Tell it.

    Args:
        gap: near side, far side and medium.
        lock: locks revision 1, 2 or 3 and mirrors it on the near side; the second brings two packages, the third one.
        volume_size: splits the second export into two volumes.
        offline: uses the far side when it has the third generation.
    """
    world = gap.world

    def clients():
        return served_files(gap.far)

    lock(1)
    gap.bring(*gap.export("--to", "site-b"))
    has_first = set(json.loads(gap.receipt().read_text())["files"])
    gap.run("ack", gap.receipt())
    shutil.copytree(gap.near, world.directory / "cautious")

    lock(2)
    lost, second = gap.export("--to", "site-b", "--assume-received", "--volume-size", volume_size)
    lost.unlink()
    lock(3)
    third = gap.export("--to", "site-b", "--assume-received")
    everything = {sha256(gap.near / path) for path in archives(gap.near)}
    assert len(everything - has_first) == 3

    first, names = clients(), gap.listed()
    medium = contents(gap.usb)
    gap.bring(second, status=10)
    message = gap.bring(*third, status=10)["error"]["message"]
    assert "came with g2" in message
    assert clients() == first

    receipt = gap.receipt()
    has = set(json.loads(receipt.read_text())["files"])
    assert gap.run("status", gap.far)["incomplete"][-1]["files"] == len(everything - has) == 1
    (rest,) = gap.export("--have", receipt)
    assert payload(rest) == everything - has
    assert gap.bring(rest)["current"] == 3
    assert gap.fingerprints(gap.far)[3] == gap.fingerprints(gap.near)[3]
    gap.require_same()

    # By what was acknowledged instead of what was sent, losing the second costs nothing.
    cautious = world.directory / "cautious"
    world.run_json("--lock", LOCK, "-o", cautious)
    done = world.run_json("export", cautious, "--to", "site-b", "-o", world.directory / "usb2")
    assert (done["base"], done["files"]) == (1, 3)

    with served(gap.far, env=world.environment) as url:
        _require_listed(url, f"{world.authority_path}/conda-forge/noarch", gap.listed(gap.near))
    offline()

    gap.run("pin", "3", "release", "-o", gap.far)
    gap.run("rollback", "1", "-o", gap.far)
    assert gap.listed() == names
    assert gap.bring(second, status=4)["current"] is None
    gap.run("prune", gap.far, "--apply", "--grace", "0", "--force")
    assert gap.run("rollback", "release", "-o", gap.far)["current"] == 3
    gap.require_same()
    assert {name: data for name, data in contents(gap.usb).items() if name in medium} == medium


def _require_listed(url: str, folder: str, names: set[str]) -> None:
    """Fail unless a client gets every package that an index lists, with its sha256, and these are the names."""
    index = json.loads(urllib.request.urlopen(f"{url}/{folder}/repodata.json").read())
    records = {**index["packages"], **index["packages.conda"]}
    for name, record in records.items():
        data = urllib.request.urlopen(f"{url}/{folder}/{name}").read()
        assert hashlib.sha256(data).hexdigest() == record["sha256"], name
    assert {name.rsplit("-", 2)[0] for name in records} == names
