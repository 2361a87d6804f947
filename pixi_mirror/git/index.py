"""The bare repository that shows the pinned commits of a mirror to git, over files alone (git-http-backend's dumb way).

One pack holds the whole history of one commit and is named after it: `objects/pack/pack-COMMIT.pack`. All other files
of the repository are made from the pins. Clients read `info/refs`, or ask for a commit straight away; then they read
`objects/info/packs`, the index of a pack and the pack. So packs come first and the lists of them last.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pixi_mirror.errors import MachineError, ProgramError
from pixi_mirror.git.package import repository_path, source_of
from pixi_mirror.git.source import merge_references
from pixi_mirror.model.indexes import Contents, IndexFile
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath, admit_path, sha256_of

_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
_CONFIG_SHA256 = (
    b"[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n"
)


class GitIndex:
    """The files of bare repositories beside their packs; it is an `Index`."""

    def files(self, contents: Contents) -> Mapping[MirrorPath, IndexFile]:
        """Every such file, those that others name first."""
        made: dict[MirrorPath, IndexFile] = {}
        for place, packages in _by_repository(contents.packages).items():
            made |= _files_of(place, packages, contents)
        return made

    def problem(
        self, path: MirrorPath, data: bytes, contents: Contents, *, read: Callable[[MirrorPath], bytes | None]
    ) -> str | None:
        """What is wrong with one of them: its bytes follow from the pins, so other bytes are wrong."""
        del read
        packages = _by_repository(contents.packages)
        made = {
            name: file
            for place in packages
            if path.startswith(f"{place}/")
            for name, file in _files_of(place, packages[place], contents).items()
        }
        if path not in made or made[path].recipe == sha256_of(data):
            return None
        return "it does not say what the pins of its repository say"


def check_repositories(
    packages: Iterable[Package], where: Callable[[MirrorPath], Path], *, is_whole: Callable[[str], bool]
) -> Mapping[MirrorPath, str]:
    """What git itself says of repositories: it hashes all objects of a commit, and all that they lead to.

    Args:
        packages: those of a mirror, of every kind.
        where: gives the path on disk of a file of the mirror.
        is_whole: whether all files below the path of a repository are as they are recorded. Git is asked of no other.

    Returns:
        The packs of wrong repositories, with what git says. Without git nobody can tell, and nothing is wrong.
    """
    found: dict[MirrorPath, str] = {}
    for place, some in _by_repository(packages).items():
        if not is_whole(place):
            continue
        from pixi_mirror.git.program import check_repository  # a mirror without repositories runs no git

        with suppress(ProgramError):
            if problem := check_repository(where(admit_path(place))):
                found |= {package.path: problem for package in some}
    return found


def _by_repository(packages: Iterable[Package]) -> Mapping[str, Sequence[Package]]:
    found: dict[str, list[Package]] = {}
    for package in packages:
        if package.kind == "git":
            found.setdefault(repository_path(package), []).append(package)
    return dict(sorted(found.items()))


def _files_of(place: str, packages: Sequence[Package], contents: Contents) -> Mapping[MirrorPath, IndexFile]:
    files = {admit_path(f"{place}/{name}"): IndexFile.of(data) for name, data in repository_files(packages).items()}
    return {**_pack_indexes(packages, contents), **files}


CHANGING_FILES = ("config", "objects/info/packs", "packed-refs", "HEAD", "info/refs")
"""What of a bare repository is written anew when another commit of it is pinned."""


def repository_files(packages: Iterable[Package]) -> Mapping[str, bytes]:
    """The text files of one bare repository, by their path in it; the one that clients read first comes last."""
    packages = sorted(packages, key=lambda each: each.path)
    references = merge_references(map(source_of, packages))
    lines = [f"{commit}\t{name}\n" for name, commit in references.items()]
    names = [package.path.rpartition("/")[2] for package in packages]
    pinned = {name: f"{commit}\n".encode() for name, commit in references.items() if name.endswith(commit)}
    return {
        # A repository without the folder `refs` is none to git, and a mirror has no empty folders.
        **pinned,
        "config": _CONFIG_SHA256 if _is_sha256(packages[-1]) else _CONFIG,
        "objects/info/packs": "".join(f"P {name}\n" for name in names).encode() + b"\n",
        "packed-refs": "".join(
            f"{commit} {name}\n" for name, commit in references.items() if name not in pinned
        ).encode(),
        "HEAD": f"ref: refs/heads/pixi-mirror/{packages[-1].version}\n".encode(),
        "info/refs": "".join(lines).encode(),
    }


def pack_index(package: Package, pack: Path) -> bytes:
    """The bytes of git's index of the pack of a pin.

    Raises:
        MachineError: the pack is not there, or it is damaged.
        ProgramError: git is not there.
    """
    from pixi_mirror.git.program import index_pack
    from pixi_mirror.process import scratch_directory

    if not pack.is_file():
        raise MachineError(f"{pack} is not there, so git can make no index of it: run `pixi-mirror verify --repair`.")
    with scratch_directory() as folder:
        return index_pack(pack, folder, is_sha256=_is_sha256(package))


def _pack_indexes(packages: Iterable[Package], contents: Contents) -> Mapping[MirrorPath, IndexFile]:
    made = {}
    for package in packages:
        listing = contents.listings.get(package.path)
        if listing is not None and listing.metadata is not None:
            path = admit_path(package.path.removesuffix(".pack") + ".idx")
            content = partial(pack_index, package, contents.where(package.path))
            made[path] = IndexFile(listing.metadata, content, is_part=True)
    return made


def _is_sha256(package: Package) -> bool:
    """Whether the objects of its repository are named by sha256, as very few are."""
    return len(package.version) > len(hashlib.sha1(usedforsecurity=False).hexdigest())
