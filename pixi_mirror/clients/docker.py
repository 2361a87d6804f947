"""Docker: a Dockerfile that installs one environment from the mirror, and nothing from anywhere else."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.clients.files import pixi_workspace
from pixi_mirror.clients.marked_lines import insert_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.pixi import PixiClient
from pixi_mirror.clients.whole_file import WholeFileClient
from pixi_mirror.errors import WorkspaceError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TEXT = """\
# Two stages: the first installs the environment {environment} from the mirror at {url}, the second has only what runs.
# Images from elsewhere: docker build --build-arg PIXI_IMAGE=... --build-arg FINAL_IMAGE=...
ARG PIXI_IMAGE=ghcr.io/prefix-dev/pixi:latest
ARG FINAL_IMAGE=debian:stable-slim

FROM ${{PIXI_IMAGE}} AS build
WORKDIR /app
# One of the two manifests is there; both patterns may match nothing.
COPY pixi.tom[l] pyproject.tom[l] pixi.lock ./
RUN mkdir -p .pixi && printf '%s\\n' \\
{mirrors} \\
    > .pixi/config.toml
RUN pixi install --frozen --environment {environment}
RUN {{ echo '#!/bin/bash' \\
    && pixi shell-hook --frozen --shell bash --environment {environment} \\
    && echo 'exec "$@"'; }} > /app/entrypoint.sh \\
    && chmod 0755 /app/entrypoint.sh

FROM ${{FINAL_IMAGE}} AS final
WORKDIR /app
# At the same path: the files of an environment name the place where they were installed.
COPY --from=build /app/.pixi/envs/{environment} /app/.pixi/envs/{environment}
COPY --from=build /app/entrypoint.sh /app/entrypoint.sh
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["bash"]
"""


class DockerClient(WholeFileClient):
    """An image with an environment and without pixi."""

    def configuration(self, offer: Offer) -> str:
        """A whole Dockerfile."""
        # They are arguments of printf, because older builders and linters do not know here-documents.
        mirrors = " \\\n".join(f"    {shlex.quote(line)}" for line in PixiClient().configuration(offer).splitlines())
        return _TEXT.format(environment=_environment(offer), url=offer.url, mirrors=mirrors)

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the file cannot say."""
        loopback = (
            "The build asks 127.0.0.1 for the mirror: let it use this machine's network (docker build --network=host)."
        )
        return (loopback,) if offer.is_loopback else ()

    def merge(self, text: str | None, offer: Offer) -> str:
        """A new Dockerfile; nothing can be put into one that is there."""
        if text is not None:
            raise ValueError("a Dockerfile cannot be added to: copy what you need from the one that is printed")
        return insert_lines(None, self.configuration(offer).splitlines(), at=None, replacing=())

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - it is the workspace's
        """`Dockerfile` of the workspace around a directory."""
        return pixi_workspace(directory) / "Dockerfile"


def _environment(offer: Offer) -> str:
    if not _NAME.fullmatch(offer.environment):
        raise WorkspaceError(f"{offer.environment!r} is no name of an environment that can stand in a Dockerfile.")
    return offer.environment
