"""`pixi upload` and `rattler-build upload`: the variables that they read, as a file for CI or a shell."""

from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.clients.marked_lines import insert_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.uploading import UploadClient
from pixi_mirror.errors import UsageError


class PixiUploadClient(UploadClient):
    """pixi, `pixi upload prefix FILE`, which is also a way of rattler-build."""

    kind = "conda"

    def configuration(self, offer: Offer) -> str:
        """A file of variables, as `docker --env-file`, GitHub's `$GITHUB_ENV` and GitLab's dotenv reports have them."""
        return "\n".join([*self._lines(offer), ""])

    def _lines(self, offer: Offer) -> list[str]:
        first, *others = self.targets(offer)
        return [
            "# For `pixi upload prefix FILE` and `rattler-build upload prefix FILE`. The token is PREFIX_API_KEY: have",
            f"# your CI set it from a secret, or keep it: pixi auth login {offer.url} --token TOKEN",
            f"PREFIX_SERVER_URL={offer.url}",
            f"PREFIX_CHANNEL={first.name}",
            *(f"# PREFIX_CHANNEL={each.name}" for each in others),
        ]

    def merge(self, text: str | None, offer: Offer) -> str:
        """The lines at the end: the last one of a name counts."""
        return insert_lines(text, self._lines(offer), at=None, replacing=())

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002
        """There is no place that is the right one everywhere.

        Raises:
            UsageError: always.
        """
        raise UsageError("pixi reads no such file by itself: name the new file with --file, for your CI to read.")
