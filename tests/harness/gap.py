"""A near side, a far side, and a medium that is carried between them."""

import json
import tarfile

from harness.looking import repodata, served_files

from pixi_mirror.demo.packages import build_package

LOCK = "workspace/pixi.lock"
SIZE = 20_000


class Gap:
    """A near side, a far side, and a medium that is carried between them."""

    def __init__(self, world):
        self.world = world
        self.near, self.far, self.usb = world.mirror, world.directory / "far", world.directory / "usb"

    def update(self, *names):
        """Lock the near side to packages, and mirror them; the number of the generation."""
        packages = [build_package(name=name, payload_size=SIZE) for name in names]
        entries = [self.world.publish(package) for package in packages]
        self.world.lock("workspace", environments={"default": {"linux-64": entries}})
        self.run("--lock", LOCK)
        return self.run("log")["current"]

    def run(self, *words, status=0):
        return self.world.run_json(*words, status=status)

    def export(self, *words, status=0):
        """Export to the medium; the archives."""
        done = self.run("export", "-o", self.usb, *words, status=status)
        return [self.world.directory / each["path"] for each in done["archives"]]

    def bring(self, *archives, status=0, more=()):
        return self.run("import", *archives, "-o", self.far, *more, status=status)

    def receipt(self):
        path = self.world.directory / "receipt.json"
        path.write_text(self.world.run("receipt", self.far).stdout)
        return path

    def listed(self, mirror=None):
        folder = (mirror or self.far) / self.world.authority_path / "conda-forge/noarch"
        return {name.rsplit("-", 2)[0] for name in repodata(folder)}

    def require_same(self):
        """Fail unless clients see the same on both sides."""
        near, far = served_files(self.near), served_files(self.far)
        assert {path: near[path] for path in near if "/" in path} == {path: far[path] for path in far if "/" in path}

    def fingerprints(self, mirror):
        return {each["number"]: each["fingerprint"] for each in self.run("log", "-o", mirror)["generations"]}


def manifest(archive):
    """What an archive says of itself."""
    with tarfile.open(archive) as tar:
        return json.loads(tar.extractfile(tar.getnames()[3]).read())


def payload(archive):
    """The sha256 of every file that an archive brings."""
    return {blob[0] for blob in manifest(archive)["blobs"]}
