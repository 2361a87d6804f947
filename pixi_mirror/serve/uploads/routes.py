"""Read from method and path where an upload goes, and in which way it comes; pure.

| request | who sends it |
| --- | --- |
| `POST /NAME/legacy`, with or without a slash at the end | twine, uv, flit, hatch, poetry, pdm |
| `PUT /NAME/SUBDIR/FILE` | curl; pixi and rattler-build, for Artifactory |
| `POST /api/v1/upload/NAME` | pixi and rattler-build, for prefix.dev |
| `POST /api/channels/NAME/upload/FILE` | pixi and rattler-build, for Quetz |

`rattler-build publish` leaves the whole path of a channel's URL away, so the last two stand at the root; below `/NAME`
they are the same, for who gives the URL of the channel to `upload`.
"""

from typing import Literal, NamedTuple, TypeAlias

from pixi_mirror.conda.names import is_subdir
from pixi_mirror.serve.request import RequestTarget

Way: TypeAlias = Literal["legacy", "prefix", "file"]
"""A form of PyPI's legacy API, a form of prefix.dev, or the file as the whole body."""
_LEGACY, _PREFIX, _QUETZ = "legacy", ("api", "v1", "upload"), ("api", "channels")
_UPLOAD = "upload"


class UploadRoute(NamedTuple):
    """Where an upload goes."""

    name: str
    """Of the hosted channel or index, which need not exist."""
    way: Way
    file_name: str | None = None
    """None: the form has it."""
    subdir: str | None = None
    """Of a conda package; None: it is not said."""


def upload_route(method: str, target: RequestTarget) -> UploadRoute | None:
    """The route of a request with a body; None: nothing can be uploaded there."""
    segments = target.segments
    match method, segments:
        case "POST", (name, last) if last == _LEGACY:
            return UploadRoute(name, "legacy")
        case "PUT", (name, subdir, file_name) if is_subdir(subdir) and not target.is_folder:
            return UploadRoute(name, "file", file_name, subdir)
        case "POST", _ if not target.is_folder:
            return _of_other_servers(segments)
    return None


def _of_other_servers(segments: tuple[str, ...]) -> UploadRoute | None:
    if segments[:1] != ("api",):
        above, segments = segments[:1], segments[1:]
    else:
        above = ()
    route = None
    match segments:
        case (*start, name) if tuple(start) == _PREFIX:
            route = UploadRoute(name, "prefix")
        case (*start, name, upload, file_name) if tuple(start) == _QUETZ and upload == _UPLOAD:
            route = UploadRoute(name, "file", file_name)
    # Below a name there is that channel alone.
    return route if route is not None and above in ((), (route.name,)) else None
