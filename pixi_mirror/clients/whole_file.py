"""What clients have in common whose configuration is a file of its own, made for the mirror alone."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pixi_mirror.clients.offer import Offer


class WholeFileClient:
    """A client that nothing but such a file configures: no setting of the user's stands against it."""

    def remove(self, text: str, bases: Collection[str]) -> str:  # noqa: ARG002 - none of its lines is known without marks
        """The text as it is."""
        return text

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def variables(self) -> tuple[str, ...]:
        """None."""
        return ()

    def users_file(self, environ: Mapping[str, str]) -> None:  # noqa: ARG002
        """There is none."""
        return

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:  # noqa: ARG002
        """None besides that file."""
        return ()
