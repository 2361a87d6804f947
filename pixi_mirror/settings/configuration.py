"""Read pixi's configuration files, and the tasks of a manifest. The only module of this folder that reads TOML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pixi_mirror.errors import MachineError
from pixi_mirror.model.network import S3Options
from pixi_mirror.model.values import Json
from pixi_mirror.settings.files import read_text
from pixi_mirror.settings.mirrors import is_endpoint, is_prefix, masked_setting

T = TypeVar("T")

# pixi still takes the spelling of its first versions for these.
_OLD_SPELLINGS = {
    "authentication-override-file": "authentication_override_file",
    "tls-no-verify": "tls_no_verify",
    "default-channels": "default_channels",
}
# rattler_config 0.12 has this key in place of `force-path-style`, which it ignores; pixi 0.77 knows the old one alone.
_STYLES = {"path": True, "virtual-host": False}
"""Values of `addressing-style`, and whether the bucket is in the path of a URL then."""
_ROOTS = ("webpki", "system", "native", "all")
_NOUNS: Mapping[type, str] = {
    bool: "true or false",
    dict: "a table",
    int: "a whole number",
    list: "a list",
    str: "a text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixiConfiguration:
    """pixi's configuration from all of its files. If several have a key, the file of highest precedence counts."""

    sources: tuple[Path, ...] = ()
    """The files read, the highest first."""
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """As written, merged per key; URLs may hold credentials."""
    http_proxy: str | None = field(default=None, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    exempt: tuple[str, ...] = ()
    """Hosts that are reached without a proxy."""
    downloads: int | None = None
    default_channels: tuple[str, ...] = ()
    """Names and URLs, for new workspaces; empty: none are set."""
    indexes: tuple[str, ...] = field(default=(), repr=False)
    """URLs of Python indexes, `index-url` of `[pypi-config]` first; they may hold credentials."""
    unverified_by: Path | None = None
    """The file that turns TLS verification off; None: it stays on."""
    root_certificates: str | None = None
    """`webpki`, `system`, `native` or `all`; None: not set."""
    auth_file: Path | None = None
    s3_options: Mapping[str, S3Options] = field(default_factory=dict)
    """Bucket -> where it is. Of several files that name a bucket, the one of highest precedence says all of it."""
    warnings: tuple[str, ...] = ()
    """Sentences on what the programs of pixi's family do not read alike."""


def read_configuration(paths: Sequence[Path], *, required: Path | None = None) -> PixiConfiguration:
    """Read the configuration files at `paths`; those that do not exist are left out.

    Args:
        paths: the file of lowest precedence first.
        required: one of them that has to exist; None: none has to.

    Raises:
        MachineError: a file cannot be read, is no TOML, or has a value of the wrong type under a key that is used here;
            or `required` does not exist.
    """
    documents = [found for path in reversed(paths) if (found := _document(path)) is not None]
    if required is not None and all(document.path != required for document in documents):
        raise MachineError(
            f"the configuration file {required} does not exist: correct --config-file or PIXI_CONFIG_FILE"
        )
    auth_file = _highest(documents, "authentication-override-file", str)
    buckets = {bucket: found for document in reversed(documents) for bucket, found in document.s3_options().items()}
    return PixiConfiguration(
        sources=tuple(document.path for document in documents),
        mirrors=MappingProxyType({key: to for document in reversed(documents) for key, to in document.mirrors()}),
        http_proxy=_highest(documents, "proxy-config.http", str),
        https_proxy=_highest(documents, "proxy-config.https", str),
        exempt=_exempt(documents),
        downloads=_downloads(documents),
        default_channels=_first_list(documents, "default-channels"),
        indexes=_indexes(documents),
        unverified_by=_unverified_by(documents),
        root_certificates=_root_certificates(documents),
        auth_file=Path(auth_file) if auth_file else None,
        s3_options=MappingProxyType({bucket: options for bucket, (options, _) in buckets.items()}),
        warnings=tuple(warning for _, warning in buckets.values() if warning is not None),
    )


@dataclass(frozen=True, slots=True)
class _ConfigurationFile:
    path: Path
    text: str = field(repr=False)
    table: dict[str, Any] = field(repr=False)

    def value(self, key: str | tuple[str, ...], kind: type[T]) -> T | None:
        """The value under a dotted key, or under words that may hold dots; None: there is none.

        Raises:
            MachineError: it is of another type.
        """
        here: Any = self.table
        walked: list[str] = []
        for word in key.split(".") if type(key) is str else key:
            if type(here) is not dict:
                raise self.fault(".".join(walked), word=walked[-1], expected=_NOUNS[dict], found=here)
            walked.append(word)
            here = here.get(word, here.get(_OLD_SPELLINGS.get(word, word)))
            if here is None:
                return None
        # isinstance would take `true` for a whole number.
        if type(here) is not kind:
            raise self.fault(".".join(walked), word=walked[-1], expected=_NOUNS[kind], found=here)
        return here

    def strings(self, key: str) -> tuple[str, ...] | None:
        found = self.value(key, list)
        if found is None:
            return None
        if not all(type(item) is str for item in found):
            raise self.fault(key, word=key.rpartition(".")[2], expected="a list of texts", found=found)
        return tuple(found)

    def mirrors(self) -> list[tuple[str, tuple[str, ...]]]:
        table = self.value("mirrors", dict) or {}
        for key, targets in table.items():
            if type(targets) is not list or not all(type(target) is str for target in targets):
                expected = "a list of URLs"
                raise self.fault(f'mirrors."{masked_setting(key)}"', word=key, expected=expected, found=targets)
            if not all(map(is_prefix, [key, *targets])):
                expected = "a URL with a list of URLs, all without query and with at most one credential"
                raise self.fault(f'mirrors."{masked_setting(key)}"', word=key, expected=expected, found=targets)
        return [(key, tuple(targets)) for key, targets in table.items()]

    def s3_options(self) -> dict[str, tuple[S3Options, str | None]]:
        """Bucket -> where it is, and a sentence if its two keys for one thing disagree."""
        return {bucket: self._bucket(bucket) for bucket in self.value("s3-options", dict) or {}}

    def _bucket(self, bucket: str) -> tuple[S3Options, str | None]:
        here = ("s3-options", bucket)
        endpoint = self.value((*here, "endpoint-url"), str)
        if endpoint is not None and not is_endpoint(endpoint):
            expected = "an http or https URL without user and query"
            raise self.fault(
                f"s3-options.{bucket}.endpoint-url", word="endpoint-url", expected=expected, found=endpoint
            )
        old, style = self.value((*here, "force-path-style"), bool), self.value((*here, "addressing-style"), str)
        if style is not None and style not in _STYLES:
            expected = "one of " + ", ".join(_STYLES)
            raise self.fault(
                f"s3-options.{bucket}.addressing-style", word="addressing-style", expected=expected, found=style
            )
        forced = old or False if style is None else _STYLES[style]
        warning = None
        if old is not None and style is not None and old != forced:
            warning = (
                f"{self.path}: [s3-options.{bucket}] says addressing-style = {style!r} and force-path-style = "
                f"{str(old).lower()}; addressing-style counts here and in the newest tools of rattler, and older pixi "
                "reads force-path-style alone: let both say the same"
            )
        options = S3Options(endpoint_url=endpoint, region=self.value((*here, "region"), str), force_path_style=forced)
        return options, warning

    def fault(self, key: str, *, word: str, expected: str, found: object) -> MachineError:
        """The error for a value. It names the type and not the value, which may be a secret."""
        line = _line(self.text, word)
        place = "" if line is None else f", line {line}"
        noun = _NOUNS.get(type(found), type(found).__name__)
        return MachineError(
            f"{self.path}{place}: `{key}` should be {expected} and is {noun} that pixi-mirror cannot use: correct it"
        )


def _line(text: str, word: str) -> int | None:
    """The line where `word` is given a value, if there is only one such line."""
    spellings = "|".join(re.escape(spelling) for spelling in {word, _OLD_SPELLINGS.get(word, word)})
    found = [*re.finditer(rf"""^[ \t]*(?:[\w.-]+\.)?["']?(?:{spellings})["']?[ \t]*=""", text, re.MULTILINE)]
    return text.count("\n", 0, found[0].start()) + 1 if len(found) == 1 else None


def _document(path: Path) -> _ConfigurationFile | None:
    text = read_text(path)
    if text is None:
        return None
    import tomllib

    try:
        return _ConfigurationFile(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        # The message has only the place: some errors quote the text, and from Python 3.14 on they carry all of it.
        place = re.search(r"\(at (line \d+, column \d+|end of document)\)\Z", str(error))
    where = f" (at {place[1]})" if place else ""
    raise MachineError(f"{path} is not valid TOML{where}: correct it, `pixi config list` shows what pixi makes of it")


def _highest(documents: Sequence[_ConfigurationFile], key: str, kind: type[T]) -> T | None:
    """The value of the first file that has one; the values of the others are checked, too."""
    found = [value for document in documents if (value := document.value(key, kind)) is not None]
    return found[0] if found else None


def _exempt(documents: Sequence[_ConfigurationFile]) -> tuple[str, ...]:
    # As in pixi: the first file with a [proxy-config] decides which hosts are exempt, also if it names none.
    lists = [
        document.strings("proxy-config.non-proxy-hosts") or ()
        for document in documents
        if document.value("proxy-config", dict)
    ]
    return lists[0] if lists else ()


def _first_list(documents: Sequence[_ConfigurationFile], key: str) -> tuple[str, ...]:
    """The list of the first file that has one with anything in it; empty: none has. All are checked."""
    return next(iter([found for document in documents if (found := document.strings(key))]), ())


def _indexes(documents: Sequence[_ConfigurationFile]) -> tuple[str, ...]:
    first = _highest(documents, "pypi-config.index-url", str)
    return (*(() if first is None else (first,)), *_first_list(documents, "pypi-config.extra-index-urls"))


def _downloads(documents: Sequence[_ConfigurationFile]) -> int | None:
    for document in documents:
        found = document.value("concurrency.downloads", int)
        if found is not None and found < 1:
            expected = "a whole number of at least 1"
            raise document.fault("concurrency.downloads", word="downloads", expected=expected, found=found)
    return _highest(documents, "concurrency.downloads", int)


def _unverified_by(documents: Sequence[_ConfigurationFile]) -> Path | None:
    values = [
        (off, document.path) for document in documents if (off := document.value("tls-no-verify", bool)) is not None
    ]
    return values[0][1] if values and values[0][0] else None


def _root_certificates(documents: Sequence[_ConfigurationFile]) -> str | None:
    for document in documents:
        found = document.value("tls-root-certs", str)
        if found is not None and found not in _ROOTS:
            expected = "one of " + ", ".join(_ROOTS)
            raise document.fault("tls-root-certs", word="tls-root-certs", expected=expected, found=found)
    return _highest(documents, "tls-root-certs", str)


def find_manifest_with_task(workspace: Path, task: str) -> Path | None:
    """Find the manifest of a workspace that defines a task for its default environment; None: none does.

    A manifest that cannot be read counts as none: pixi says what is wrong with it.
    """
    import tomllib

    for name, keys in (("pixi.toml", ()), ("pyproject.toml", ("tool", "pixi"))):
        try:
            table: Json = tomllib.loads(read_text(workspace / name) or "")
        except (MachineError, ValueError, RecursionError):
            continue
        for key in (*keys, "tasks"):
            table = table.get(key, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict) and task in table:
            return (workspace / name).absolute()
    return None
