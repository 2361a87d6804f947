"""What the words of other programs are called here."""

import os
from collections.abc import Collection, Iterable

from pixi_mirror.lockfile.source import MANIFEST_NAMES
from pixi_mirror.suggest import perhaps

_MAKES = "`pixi-mirror init DIR NAME...` makes a workspace of package names and mirrors it"
_HOLDS = "`pixi-mirror status` says what the mirror holds and which locks it follows"
_BRINGS = "`pixi-mirror` alone refreshes the mirror, and `pixi-mirror --lock pixi.lock` makes one or adds to it"
_REMOVES = "`pixi-mirror forget` stops following a lock, and `pixi-mirror prune` removes what no lock wants any more"
_PACKS = "`pixi-mirror pack` puts one environment into one file"
_EXPORTS = "`pixi-mirror export` writes the mirror into archives to carry, `pixi-mirror import` takes them in"
_SERVES = "`pixi-mirror serve` shows the mirror over HTTP"
_TELLS = "`pixi-mirror config` prints what a client needs to use the mirror"
_OTHER_WORDS = {
    **dict.fromkeys(("list", "search", "dir"), "`pixi-mirror ls` lists the packages that the mirror holds"),
    **dict.fromkeys(("tree", "depends", "whoneeds", "explain"), "`pixi-mirror why PACKAGE` says who wants a package"),
    **dict.fromkeys(("info", "show"), _HOLDS),
    **dict.fromkeys(("sync", "mirror", "fetch", "download", "pull", "add", "refresh", "upgrade", "lock"), _BRINGS),
    **dict.fromkeys(("create", "new", "begin"), _MAKES),
    **dict.fromkeys(("remove", "rm", "delete", "uninstall", "clean", "gc", "unsubscribe"), _REMOVES),
    **dict.fromkeys(("archive", "bundle", "package"), _PACKS),
    "extract": "`pixi-mirror unpack` makes the environment that a pack holds",
    **dict.fromkeys(("transfer", "ship", "backup", "dump"), _EXPORTS),
    **dict.fromkeys(("load", "receive"), "`pixi-mirror import` takes in what `pixi-mirror export` has written"),
    **dict.fromkeys(("server", "http", "start", "run"), _SERVES),
    **dict.fromkeys(("configure", "setup", "use", "install"), _TELLS),
    **dict.fromkeys(("check", "fsck", "repair", "audit"), "`pixi-mirror verify` hashes every file; --repair mends"),
    **dict.fromkeys(("login", "auth", "user"), "`pixi-mirror users` keeps the file of those who may read a mirror"),
    **dict.fromkeys(("history", "generations", "snapshots"), "`pixi-mirror log` lists what the mirror offered before"),
    **dict.fromkeys(
        ("undo", "revert", "reset", "restore", "checkout"),
        "`pixi-mirror rollback` has the mirror offer what it offered before",
    ),
    **dict.fromkeys(("compare", "changes"), "`pixi-mirror diff` says what differs between two generations"),
    **dict.fromkeys(("tag", "keep"), "`pixi-mirror pin` gives a generation a name, so that prune keeps its files"),
    "version": "`pixi-mirror --version` says it",
}


def verb_advice(word: str, verbs: Iterable[str]) -> str:
    """What to say after `there is no verb`: the words begin with a punctuation mark."""
    if advice := misplaced_file(word) or _OTHER_WORDS.get(word.lower()):
        return f": {advice}"
    return perhaps(word, verbs)


def misplaced_file(word: str, *, program: str = "pixi-mirror", options: Collection[str] = ("-o", "-m")) -> str | None:
    """How to name a file or a directory that stands where it means nothing; None: the word seems to be neither.

    `options` are those of the program or verb that got it.
    """
    name = os.path.basename(word.rstrip("/\\"))
    if name.endswith(".lock"):
        return f"a lock is named with --lock, as in `pixi-mirror --lock {word}`"
    if name in MANIFEST_NAMES:
        return f"a workspace is named with -m, as in `pixi-mirror -m {word}`; pixi is asked about it"
    if os.path.isdir(word):
        workspace = ", and -m a workspace's" if "-m" in options else ""
        mirror = f"; -o names a mirror's, as in `{program} -o {word}`" if "-o" in options else ""
        return f"it is a directory{mirror}{workspace}"
    return None
