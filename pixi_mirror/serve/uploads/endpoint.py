"""Decide whether an upload may be, before its body is read; then receive it, and answer as uploaders understand it.

What they make of answers decides these: a 5xx where a 4xx is meant has twine send the whole file five times; the same
bytes again are 200, since some send again what was stored; the phrase behind the status is all that twine, hatch and
pdm show.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path

from pixi_mirror.conda.names import SUFFIXES
from pixi_mirror.disk.held_files import HeldFile
from pixi_mirror.errors import BusyError, DiskFullError, PixiMirrorError
from pixi_mirror.hosting.upload import PackageUpload, UploadOutcome, UploadRefused
from pixi_mirror.pypi.names import possible_projects
from pixi_mirror.pypi.simple import SIMPLE
from pixi_mirror.serve.access.control import AccessControl, SignInRefused, Verdict
from pixi_mirror.serve.access.users import User
from pixi_mirror.serve.request import HttpRequest, RequestRefused, RequestTarget
from pixi_mirror.serve.request_body import RequestBody
from pixi_mirror.serve.responses import CHALLENGE, Response, private, problem_response, text_response
from pixi_mirror.serve.uploads.forms import FileSink, ReceivedForm, receive_body
from pixi_mirror.serve.uploads.routes import UploadRoute, upload_route

LARGEST = 16 << 30
"""Bytes of a file, if nobody says another number."""
_SPARE = 16 << 20
"""Bytes that stay free on the disk: indexes have to be written, too."""
_NO_ROOM = "the mirror's disk has no room for the file"
_CLIENT_LEFT = 499
"""In the log, as nginx has it; nobody receives it."""
_RETRY_AFTER = {"Retry-After": "5"}
_BROWSER_FIELDS = ("origin", "sec-fetch-site")


class UploadEndpoint:
    """Takes the uploads to the hosted names of a mirror; many threads may use it."""

    def __init__(
        self,
        names: Callable[[], Collection[str]],
        access: AccessControl,
        *,
        receive: Callable[[PackageUpload], UploadOutcome],
        receive_file: Callable[[], AbstractContextManager[HeldFile]],
        free: Callable[[], int],
        warn: Callable[[str], None],
        largest: int = LARGEST,
    ) -> None:
        """Receive nothing yet.

        Args:
            names: Gives the hosted names to which there may be uploads now.
            access: Who may upload.
            receive: Verifies, places and lists an upload.
            receive_file: Makes a file on the mirror's disk, which is removed at the end if nobody has taken it.
            free: Gives the free bytes of that disk.
            warn: Called with a sentence for who runs the server.
            largest: Bytes that a file may have.
        """
        self._names = names
        self._access = access
        self._receive = receive
        self._receive_file = receive_file
        self._free = free
        self._warn = warn
        self._largest = largest

    def respond(self, request: HttpRequest, target: RequestTarget | None, body: RequestBody) -> Response:
        """Respond to a request with a body, which may be left unread."""
        try:
            response = self._respond(request, target, body, self._user(request, target))
        except SignInRefused as refused:
            response = _not_signed_in(refused.verdict)
        except RequestRefused as refused:
            response = problem_response(refused.status, refused.reason)
        except UploadRefused as refused:
            response = problem_response(refused.status, refused.reason, refused.detail)
        except BusyError as error:
            response = problem_response(503, "the mirror is busy", str(error), _RETRY_AFTER)
        except DiskFullError:
            response = problem_response(413, _NO_ROOM)
        except PixiMirrorError as error:
            self._warn(f"an upload by {request.client} could not be stored: {error}")
            response = problem_response(500, "the file could not be stored", "Whoever runs this server knows why.")
        return private(response)

    def takes(self, user: User, name: str) -> bool:
        """Whether a user may upload anything to a name."""
        return name in self._names() and self._access.may_upload(user, name, in_part=True)

    def _user(self, request: HttpRequest, target: RequestTarget | None) -> User:
        # A page of the web can have a browser send a form with the password that the browser knows. No uploader is one.
        if any(name in request.fields for name in _BROWSER_FIELDS):
            raise UploadRefused(403, "no uploads by browsers", "Uploads are taken from programs, not from pages.")
        token = request.fields.get("x-api-key") or (None if target is None else target.token)
        return self._access.sign_in(request.fields.get("authorization"), token, address=request.client)

    def _respond(self, request: HttpRequest, target: RequestTarget | None, body: RequestBody, user: User) -> Response:
        route = None if target is None else upload_route(request.method, target)
        if target is None or route is None:
            detail = "Uploads go to /NAME/legacy/ or /NAME/SUBDIR/FILE, where NAME is hosted here."
            return problem_response(405, "no uploads here", detail, {"Allow": "GET, HEAD"})
        if route.name not in self._names() or not self._access.knows(user, route.name):
            detail = f"There is nothing named {route.name!r} here to which {user.name} may upload."
            return problem_response(404, "not in this mirror", detail)
        self._refuse_without_right(user, route, None)
        self._refuse_long(body)
        with self._receive_file() as incoming:
            sink = FileSink(incoming, largest=self._largest, room=lambda: self._free() - _SPARE)
            try:
                form = receive_body(request, target.query, route, body, sink)
            except OSError as error:
                raise RequestRefused(_CLIENT_LEFT, "the client has left") from error
            if form.action != "file_upload":
                raise RequestRefused(400, "the only action here is file_upload")
            self._refuse_file(user, route, form.file_name or "")
            return self._store(request, route=route, form=form, file=incoming.path, sink=sink, user=user)

    def _refuse_long(self, body: RequestBody) -> None:
        length = body.framing.length or 0
        if length > self._largest:
            raise RequestRefused(413, f"files have at most {self._largest} bytes here")
        if length > self._free() - _SPARE:
            raise RequestRefused(413, _NO_ROOM)

    def _refuse_without_right(self, user: User, route: UploadRoute, file_name: str | None) -> None:
        """Refuse an upload that the user has no right to; before the name of the file is known, any right will do."""
        if route.way != "legacy":
            place = f"{route.name}/{route.subdir}" if route.subdir else route.name
            allowed = self._access.may_upload(user, place)
        elif file_name is None:
            allowed = self._access.may_upload(user, f"{route.name}/{SIMPLE}", in_part=True)
        else:
            projects = possible_projects(file_name)
            if not projects:
                raise UploadRefused(400, "not a package", f"{file_name[:200]!r} is no name of a wheel or an sdist.")
            allowed = all(self._access.may_upload(user, f"{route.name}/{SIMPLE}/{each}") for each in projects)
        if not allowed:
            what = f"{route.name} or this part of it" if file_name is None else file_name
            raise UploadRefused(
                403, "no right to upload", f"{user.name} may read here and not upload {what}: see `users add --upload`."
            )

    def _refuse_file(self, user: User, route: UploadRoute, file_name: str) -> None:
        # An old sdist may be a .tar.bz2, which no index takes any more: such a file is a conda package.
        if file_name.endswith(SUFFIXES) == (route.way == "legacy"):
            detail = "Wheels and sdists go to /NAME/legacy/, conda packages to /NAME/SUBDIR/FILE."
            raise UploadRefused(400, "the wrong kind of file", detail)
        self._refuse_without_right(user, route, file_name)

    def _store(
        self, request: HttpRequest, *, route: UploadRoute, form: ReceivedForm, file: Path, sink: FileSink, user: User
    ) -> Response:
        outcome = self._receive(
            PackageUpload(
                name=route.name,
                filename=form.file_name or "",
                subdir=route.subdir,
                path=file,
                size=sink.size,
                sha256=sink.sha256,
                digests=form.digests,
                attestations=form.attestations,
                user=user.name,
                address=request.client,
            )
        )
        verb = "stored" if outcome.is_new else "this very file was here"
        return text_response(200, f"{verb}: {outcome.path} sha256:{outcome.sha256}\n".encode())


def _not_signed_in(verdict: Verdict) -> Response:
    match verdict:
        case Verdict.TOO_MANY_WRONG:
            detail = "Too many wrong passwords came from this address for this name."
            return problem_response(429, "too many wrong passwords", detail, {"Retry-After": "6"})
        case Verdict.BUSY:
            return problem_response(503, "too many clients are signing in", "Come again.", {"Retry-After": "1"})
    detail = "Where the password is a token, the name is __token__; see `users list` for its expiry."
    return problem_response(401, "name and password, or a token, are needed", detail, CHALLENGE)
