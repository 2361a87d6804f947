"""twine: an index server for each hosted index, in a `.pypirc`; flit and others read the same file."""

import configparser
from collections.abc import Collection, Mapping
from pathlib import Path

from pixi_mirror.clients.files import home
from pixi_mirror.clients.marked_lines import drop_lines, insert_lines, lines_of
from pixi_mirror.clients.offer import Offer, leads_to
from pixi_mirror.clients.uploading import TOKEN_USER, UploadClient

_SERVERS = "distutils"


class TwineClient(UploadClient):
    """twine, `twine upload -r NAME`."""

    def configuration(self, offer: Offer) -> str:
        """A whole `.pypirc`."""
        return "\n".join([*self._lines(offer), ""])

    def _lines(self, offer: Offer) -> list[str]:
        targets = self.targets(offer)
        lines = [
            "# The password is the token. It does not belong here: `keyring set REPOSITORY __token__` keeps it, with",
            "# REPOSITORY as below, or the variable TWINE_PASSWORD has it.",
            f"[{_SERVERS}]",
            "index-servers =",
            *(f"    {each.name}" for each in targets),
        ]
        for each in targets:
            lines += ["", f"[{each.name}]", f"repository = {each.url}/legacy/", f"username = {TOKEN_USER}"]
        return lines

    def merge(self, text: str | None, offer: Offer) -> str:
        """The sections at the end.

        Raises:
            ValueError: the file has sections of these names already.
        """
        before = _parse(text or "")
        ours = [_SERVERS, *(each.name for each in self.targets(offer))]
        if taken := [name for name in ours if before.has_section(name)]:
            raise ValueError(
                f"it has a section [{taken[0]}] already, of which there can be one: add by hand what "
                "`pixi-mirror config --for twine` prints"
            )
        return insert_lines(text, self._lines(offer), at=None, replacing=())

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The sections whose repository is below a base."""
        found = _parse(text)
        ours = {name for name in found.sections() if leads_to(found.get(name, "repository", fallback=None), bases)}
        gone: set[int] = set()
        section = ""
        for number, line in enumerate(lines_of(text)):
            if line.startswith("["):
                section = line.strip().strip("[]")
            if section in ours and line.strip():
                gone.add(number)
        return drop_lines(text, gone)

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - a workspace has none
        """`.pypirc` in the user's home."""
        return home(environ) / ".pypirc"


def _parse(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error as error:
        raise ValueError(str(error).splitlines()[0]) from None
    return parser
