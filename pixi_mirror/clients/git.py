"""git: which repositories are taken from the mirror, as `url.MIRROR.insteadOf` lines of a `.gitconfig`."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pixi_mirror.clients.files import home, users_config_folder
from pixi_mirror.clients.marked_lines import drop_lines, insert_lines, lines_of
from pixi_mirror.clients.offer import Offer, leads_to

_INSTEAD = re.compile(r"\s*insteadof\s*=\s*\"?([^\"\s]+)", re.IGNORECASE)
_SECTION = re.compile(r'\s*\[url\s+"([^"]+)"\]', re.IGNORECASE)


class GitClient:
    """git, which pixi, uv and pip run for sources that are pinned to a commit."""

    def configuration(self, offer: Offer) -> str:
        """A whole `.gitconfig`."""
        return "\n".join([*_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        if not offer.repositories:
            return ("the mirror holds no git repository, so git has nothing to take from it.",)
        return tuple(map(_note_of_user, offer.with_user))

    def merge(self, text: str | None, offer: Offer) -> str:
        """The lines at the end; git reads every section that has them."""
        return insert_lines(text, _lines(offer), at=None, replacing=())

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The sections `[url "..."]` below a base."""
        gone: set[int] = set()
        is_ours = False
        for number, line in enumerate(lines_of(text)):
            if line.lstrip().startswith("["):
                found = _SECTION.match(line)
                is_ours = found is not None and leads_to(found[1].rstrip("/"), bases)
            if is_ours and line.strip():
                gone.add(number)
        return drop_lines(text, gone)

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:  # noqa: ARG002
        """Lines `insteadOf` that are as long as ours, or longer: git takes the longest that fits."""
        ours = {spelled for upstream in offer.repositories for spelled in _spellings(upstream)}
        base, notes = "", []
        for line in lines_of(text):
            if line.lstrip().startswith("["):
                found = _SECTION.match(line)
                base = found[1] if found else ""
            spelled = _INSTEAD.match(line)
            if base and spelled and any(spelled[1].startswith(our) for our in ours) and not leads_to(base, [offer.url]):
                notes.append(
                    f'[url "{base}"] insteadOf = {spelled[1]} leads elsewhere, and git takes the longest that fits.'
                )
        return tuple(notes)

    def variables(self) -> tuple[str, ...]:
        """None."""
        return ()

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:  # noqa: ARG002
        """That of the system and those of the user."""
        return (Path("/etc/gitconfig"), users_config_folder(environ) / "git" / "config", self.users_file(environ))

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - a workspace has none of its own
        """The user's own file: pixi, uv and pip fetch in repositories of their caches, which read no other."""
        return self.users_file(environ)

    def users_file(self, environ: Mapping[str, str]) -> Path:
        """`$GIT_CONFIG_GLOBAL`, else `.gitconfig` in the user's home."""
        if named := environ.get("GIT_CONFIG_GLOBAL"):
            return Path(named)
        return home(environ) / ".gitconfig"


def _lines(offer: Offer) -> list[str]:
    lines = []
    for upstream, here in offer.repositories.items():
        lines.append(f'[url "{here}"]')
        lines += [f"\tinsteadOf = {spelling}" for spelling in _spellings(upstream)]
    return lines


def _note_of_user(upstream: str) -> str:
    parts = urlsplit(upstream)
    spelled = f"{parts.scheme}://USER@{parts.netloc}{parts.path}"
    return (
        f"a lock has a user in the URL of {upstream}, which is stored nowhere. git compares the beginning of a URL as "
        f"it is, so {spelled} is not led to the mirror. Leave the user out of the manifest and lock again, and give it "
        "to git by a credential helper or ~/.netrc; or add a line `insteadOf` with that spelling by hand, in a file "
        "that only you can read."
    )


def _spellings(upstream: str) -> tuple[str, ...]:
    """How the URL of a repository is written; one of ssh is recorded without its user, who is `git` with most hosts."""
    parts = urlsplit(upstream)
    if parts.scheme != "ssh":
        return (upstream,)
    places = [("ssh://", f"{parts.netloc}{parts.path}")]
    if not parts.port:
        places.append(("", f"{parts.netloc}:{parts.path.lstrip('/')}"))
    return tuple(f"{scheme}{user}{place}" for user in ("git@", "") for scheme, place in places)
