"""Read the names of packages as users of conda and of pip write them; pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pixi_mirror.conda.matchspec import MatchSpec, split_brackets
from pixi_mirror.conda.matchspec_spelling import normal_spec
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import mask_secrets
from pixi_mirror.pypi.requirements import RequirementParts, read_requirement

_BUILD = re.compile(r"[A-Za-z0-9_.+*^$\\()|-]+")
_FILE = re.compile(r"[\\/]|\.(?:conda|whl|tar\.bz2|zip|ya?ml|toml|txt)\Z")
_EXAMPLES = "as python, python=3.12, 'numpy>=2' or conda-forge::numpy"
_SPEC_FIELDS = frozenset({"channel"})
"""What may stand in brackets besides version and build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSpec:
    """A conda package that a workspace is to have."""

    name: str
    version: str | None = None
    """As a manifest has it: `3.12.*`, `>=2,<3`; None: any."""
    build: str | None = None
    channel: str | None = None
    """A name or a URL; None: any channel of the workspace."""

    def match_spec(self, channel: str | None = None) -> str:
        """The match spec for a solver, with the URL under which the solver knows the channel, if there is one."""
        words = [self.name, *([self.version or "*"] if self.version or self.build else []), *filter(None, [self.build])]
        return ("" if channel is None else f"{channel}::") + " ".join(words)


def read_package(word: str) -> PackageSpec:
    """The conda package that a word names.

    Raises:
        UsageError: it names none.
    """
    # A file comes first: it would else be refused for its slash, which helps nobody.
    if "::" not in word and _FILE.search(word.partition("[")[0]):
        raise UsageError(
            f"{mask_secrets(word)!r} is a file or a URL, and `init` takes names of packages, {_EXAMPLES}; --from takes "
            "a file that lists packages."
        )
    try:
        spec = MatchSpec.parse(word)
        plain, fields = split_brackets(normal_spec(word))
        name, version, build = (*plain.split(" ", 2), "", "")[:3]
        if spec.name.startswith("__"):
            raise ValueError(f"{spec.name} stands for a property of a machine")  # noqa: TRY301 - handled as the others
        if spec.condition is not None or not _SPEC_FIELDS.issuperset(fields):
            raise ValueError("it has more than name, version, build and channel")  # noqa: TRY301
        if build and not _BUILD.fullmatch(build):
            raise ValueError(f"{build!r} is no build; a comma joins two conditions of a version")  # noqa: TRY301
    except ValueError as error:
        reason = str(error).rpartition(" is no match spec: ")[2]
        extras = " Extras are of PyPI packages: --pypi." if re.fullmatch(r"[\w.-]+\[[\w, .-]+\].*", word) else ""
        raise UsageError(
            f"{word!r} is no package as conda writes one: {reason}. Write it {_EXAMPLES}.{extras}"
        ) from None
    return PackageSpec(
        name=name.lower(),
        version=version if version not in ("", "*") else None,
        build=build or None,
        channel=spec.channel,
    )


def read_pypi_package(word: str) -> RequirementParts:
    """The PyPI package that a word names.

    Raises:
        UsageError: it names none, or a URL.
    """
    try:
        found = read_requirement(word)
    except ValueError as error:
        raise UsageError(
            f"{mask_secrets(word)!r} is no package of PyPI with versions: {error}. Write it as rich, 'rich>=13' or "
            "'rich[jupyter]>=13'."
        ) from None
    if found.url is not None:
        raise UsageError(
            f"{mask_secrets(word)!r} names a URL, which `init` does not take: add it to [pypi-dependencies] of "
            "pixi.toml afterwards."
        )
    return found


def refuse_twice(names: Iterable[str]) -> None:
    """Refuse a package that is named twice: which of the two versions is meant nobody can tell.

    Raises:
        UsageError: one is.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{name} is named twice: put its conditions into one, as '{name}>=1,<2'.")
        seen.add(name)


def toml_spec(spec: PackageSpec) -> str | Mapping[str, str]:
    """What stands for a package in a manifest: a version alone, or a table."""
    if spec.build is None and spec.channel is None:
        return spec.version or "*"
    table = {"version": spec.version or "*", "build": spec.build, "channel": spec.channel}
    return {key: value for key, value in table.items() if value is not None}


def toml_requirement(requirement: RequirementParts) -> str | Mapping[str, str | list[str]]:
    """What stands for a PyPI package in a manifest."""
    version = requirement.specifier or "*"
    return {"version": version, "extras": list(requirement.extras)} if requirement.extras else version
