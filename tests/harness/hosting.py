"""PackageUpload into the mirror of a world, in this process, as a server or `host put` would."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.directly import Directly
from harness.world import World

from pixi_mirror.context import Context
from pixi_mirror.demo.distributions import BuiltDistribution
from pixi_mirror.demo.packages import BuiltPackage
from pixi_mirror.disk.files import write_whole
from pixi_mirror.hosting.manage import add_hosted_name
from pixi_mirror.hosting.receive import receive_file, receive_upload
from pixi_mirror.hosting.upload import PackageUpload, UploadOutcome
from pixi_mirror.model.packages import HostedKinds
from pixi_mirror.model.values import sha256_of


@dataclass(frozen=True, slots=True)
class Host:
    """One hosted name, `team` as a rule, of the mirror of a world."""

    world: World
    name: str = "team"

    @property
    def mirror(self) -> Path:
        return self.world.mirror

    @property
    def context(self) -> Context:
        return self.directly.context

    @property
    def directly(self) -> Directly:
        return Directly(world=self.world)

    def add(self, *, conda: bool = True, pypi: bool = True) -> None:
        add_hosted_name(self.mirror, self.name, HostedKinds(conda=conda, pypi=pypi), user="ada", context=self.context)

    def send(self, built: BuiltPackage | BuiltDistribution, **changed: object) -> UploadOutcome:
        return self.send_bytes(built.data, filename=built.file_name, **changed)

    def send_bytes(self, data: bytes, **changed: object) -> UploadOutcome:
        with receive_file(self.mirror) as incoming:
            write_whole(incoming.file, data)
            upload = PackageUpload(
                **{
                    "name": self.name,
                    "subdir": None,
                    "path": incoming.path,
                    "size": len(data),
                    "sha256": sha256_of(data),
                    "digests": {"md5": hashlib.md5(data).hexdigest()},
                    "user": "ada",
                    "address": "127.0.0.1",
                    **changed,
                }
            )
            return receive_upload(self.mirror, upload, self.context)

    def served(self, path: str) -> bytes:
        return (self.mirror / path).read_bytes()
