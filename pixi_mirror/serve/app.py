"""Decide how a request is answered, down to the last field: from a request to a response, with no network."""

import secrets
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address

from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.model.segments import request_path
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.paths import HEALTH, METRICS
from pixi_mirror.pypi.mapping_index import MAPPING_BY_NAME
from pixi_mirror.pypi.simple import PAGE_HTML, PAGE_JSON
from pixi_mirror.serve.access.control import AccessControl, SignInRefused, Verdict
from pixi_mirror.serve.files import MirrorFiles, OpenFile, WaitForUpstream
from pixi_mirror.serve.negotiation import content_type, forms, is_range_valid, status_of
from pixi_mirror.serve.pages import PageReader, Pages
from pixi_mirror.serve.ranges import Span, spans
from pixi_mirror.serve.request import HttpRequest, RequestTarget, parse_target
from pixi_mirror.serve.request_body import RequestBody
from pixi_mirror.serve.responses import (
    CHALLENGE,
    NO_STORE,
    PLAIN_TEXT,
    Response,
    json_response,
    not_found,
    private,
    text_response,
)
from pixi_mirror.serve.uploads.endpoint import UploadEndpoint
from pixi_mirror.serve.watching import METRICS_TYPE

_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache, max-age=0"
"""conda and libmamba read `max-age` alone; without it they use an index for an hour before they ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What a server shows, and to whom."""

    files: MirrorFiles
    access: AccessControl | None = None
    """None: everybody may read everything."""
    pages: Pages | None = None
    """The pages for people; None: there are none."""
    uploads: UploadEndpoint | None = None
    """What takes uploads; None: nothing does."""
    hosts: Collection[str] | None = None
    """The names, in lower case, by which the server may be addressed besides `localhost` and IP addresses; None: all.

    A page of the web can have its own name resolved to this machine, and would read a mirror that only this machine
    should read (DNS rebinding). Its requests have that name in `Host`.
    """

    def respond(
        self,
        request: HttpRequest,
        wait: WaitForUpstream = lambda: nullcontext(lambda: False),
        body: RequestBody | None = None,
    ) -> Response:
        """Respond to a request.

        Args:
            request: The request.
            wait: Counts the client as waiting for upstream while a file is fetched.
            body: Of the request; it is read only where it is wanted. None: it has none.

        Raises:
            RequestRefused: the page for people is requested under a name that is no host.
            FileUnavailable: a file belongs here and cannot be fetched now.
            OSError: a file is there and cannot be read.
        """
        if self.hosts is not None and not _is_allowed(request.host, self.hosts):
            return text_response(421, b"this server does not answer to that name; see `serve --allow-host`\n", NO_STORE)
        target = parse_target(request.target)
        if body is not None and self.uploads is not None:
            return self.uploads.respond(request, target, body)
        if target is not None and "/".join(target.segments) == HEALTH and not target.is_folder:
            return json_response(self.files.watching.health(self.files.identity))
        if self.access is None:
            return self._show(request, target, wait, None)
        return self._check(request, target, wait, self.access)

    def _check(
        self, request: HttpRequest, target: RequestTarget | None, wait: WaitForUpstream, access: AccessControl
    ) -> Response:
        # This comes before any file is looked at: neither the response nor its time may show what the mirror has.
        token = None if target is None else target.token
        try:
            user = access.sign_in(request.fields.get("authorization"), token, address=request.client)
        except SignInRefused as refused:
            return _not_signed_in(refused.verdict)
        may_read = partial(access.may_read, user)
        reader = PageReader(
            (user.read, user.upload),
            may_read,
            # What is hosted has to be read by name, also by who may read everything else.
            reads_all=may_read("") and may_read(INVENTORY),
            may_upload=lambda name: self.uploads is not None and self.uploads.takes(user, name),
        )
        if target is not None and target.is_page and target.segments:
            # These pages say something to each user, but of what the user may read alone.
            return private(self._find_people_page(request, target, reader) or not_found())
        reads = may_read("" if target is None else "/".join(target.segments))
        if target is not None and target.spelled:
            target, reads = _entitled(target, reads, may_read("/".join(target.spelled)))
        return private(self._show(request, target, wait, reader) if reads else not_found())

    def _show(
        self, request: HttpRequest, target: RequestTarget | None, wait: WaitForUpstream, reader: PageReader | None
    ) -> Response:
        if target is not None and "/".join(target.segments) == METRICS and not target.is_folder:
            return text_response(200, self.files.watching.metrics(), {"Content-Type": METRICS_TYPE, **NO_STORE})
        return self._find(request, target, wait, reader)

    def _find(
        self, request: HttpRequest, target: RequestTarget | None, wait: WaitForUpstream, reader: PageReader | None
    ) -> Response:
        if target is not None and (page := self._find_people_page(request, target, reader)) is not None:
            return page
        if target is not None:
            for path in target.paths:
                if (response := self._find_at(request, target, path, wait)) is not None:
                    return response
        return not_found()

    def _find_people_page(
        self, request: HttpRequest, target: RequestTarget, reader: PageReader | None
    ) -> Response | None:
        """A page for people, of what the reader may read; None: there is none at the path."""
        page = self.pages.respond(target, request.fields, reader) if self.pages is not None else None
        if page is None:
            return None
        return Response(status=page.status, fields=page.fields, body=(page.body,) if page.body else ())

    def _find_at(
        self, request: HttpRequest, target: RequestTarget, path: MirrorPath, wait: WaitForUpstream
    ) -> Response | None:
        """What is at a path of the mirror; None: nothing."""
        if target.is_folder:
            return self._find_page(request, target, path, wait)
        file = self.files.open(path, wait)
        if file is not None:
            return _file_response(request, file, content_type(path))
        pages = (_below(path, name) for name in (PAGE_HTML, PAGE_JSON))
        if any(self.files.has(page) for page in pages if page is not None):
            return _redirect_to_folder(target)
        # pixi cannot lock without this file, so a mirror that has none (of an older version) knows no project.
        return json_response(b"{}") if path == MAPPING_BY_NAME else None

    def _find_page(
        self, request: HttpRequest, target: RequestTarget, path: MirrorPath, wait: WaitForUpstream
    ) -> Response | None:
        """A folder's page, in the most preferred form that is there (PEP 691); None: it has none."""
        for form in forms(request.fields.get("accept"), target.query):
            page = _below(path, form.file_name)
            if page is not None and (file := self.files.open(page, wait)) is not None:
                return _file_response(request, file, form.content_type, {"Vary": "Accept"})
        return None


def _is_allowed(host: str | None, allowed: Collection[str]) -> bool:
    """Whether a client may address the server as `host`; a client of HTTP/1.0 may leave the host out."""
    if not host:
        return True
    name = (host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]).lower()
    if name == "localhost" or name in allowed:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _entitled(target: RequestTarget, reads: bool, reads_spelled: bool) -> tuple[RequestTarget, bool]:  # noqa: FBT001
    """The target with those of its two paths alone that the user may read, and whether that is any."""
    if not reads_spelled:
        return target._replace(spelled=()), reads
    if not reads:
        return target._replace(segments=target.spelled, spelled=()), True
    return target, True


def _not_signed_in(verdict: Verdict) -> Response:
    match verdict:
        case Verdict.TOO_MANY_WRONG:
            wait = {"Retry-After": "6", **NO_STORE}
            return text_response(429, b"too many wrong passwords came from this address for this name\n", wait)
        case Verdict.BUSY:
            wait = {"Retry-After": "1", **NO_STORE}
            return text_response(503, b"too many clients are signing in; come again\n", wait)
    return text_response(401, b"name and password, or a token, are needed\n", CHALLENGE)


def _redirect_to_folder(target: RequestTarget) -> Response:
    # The location is relative to the folder above, so a token or a proxy's path in front of ours stays. Colons and
    # slashes of the name are percent-encoded, so a client never takes it for a scheme or a host.
    query = f"?{target.query}" if target.query else ""
    fields = {"Location": f"{request_path(target.segments[-1])}/{query}", "Cache-Control": "no-cache"}
    return text_response(301, b"the page is in the folder of this name\n", fields)


def _below(folder: MirrorPath, name: str) -> MirrorPath | None:
    """The path of a file in a folder; None: it is too long for a mirror."""
    try:
        return admit_path(f"{folder}/{name}")
    except ValueError:
        return None


def _file_response(
    request: HttpRequest, file: OpenFile, media_type: str, extra: Mapping[str, str] | None = None
) -> Response:
    validators = file.validators
    fields = {
        "ETag": validators.etag,
        "Last-Modified": validators.last_modified,
        "Cache-Control": _REVALIDATE if file.may_change else _IMMUTABLE,
        **(extra or {}),
    }
    status = status_of(request.fields, validators)
    if status == HTTPStatus.NOT_MODIFIED:
        # RFC 9110, 15.4.5; clients of sharded channels take a 304 without its validators for an error.
        return Response(status=304, fields=fields, file=file)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return Response(status=412, fields={}, file=file)
    fields |= {"Content-Type": media_type, "Accept-Ranges": "bytes"}
    ranges = request.fields.get("range")
    # RFC 9110, 14.2: "A server MUST ignore a Range header field received with a request method that" has no ranges.
    if ranges is not None and request.method == "GET" and is_range_valid(request.fields, validators):
        parts = spans(ranges, file.size)
        if parts is not None:
            return _partial_response(parts, file, media_type, fields)
    whole = (Span(0, file.size),) if file.size else ()
    return Response(status=200, fields=fields, body=whole, file=file)


def _partial_response(parts: tuple[Span, ...], file: OpenFile, media_type: str, fields: Mapping[str, str]) -> Response:
    if not parts:
        unsatisfied = {"Content-Range": f"bytes */{file.size}", "Content-Type": PLAIN_TEXT, "Accept-Ranges": "bytes"}
        return Response(status=416, fields=unsatisfied, body=(b"the file has no such bytes\n",), file=file)
    if len(parts) == 1:
        one = {**fields, "Content-Range": _content_range(parts[0], file)}
        return Response(status=206, fields=one, body=parts, file=file)
    boundary = secrets.token_hex(16)  # random, so that no file can have it on purpose
    body: list[bytes | Span] = []
    for part in parts:
        head = f"Content-Type: {media_type}\r\nContent-Range: {_content_range(part, file)}\r\n\r\n"
        body += [f"\r\n--{boundary}\r\n{head}".encode(), part]
    body.append(f"\r\n--{boundary}--\r\n".encode())
    several = {**fields, "Content-Type": f"multipart/byteranges; boundary={boundary}"}
    return Response(status=206, fields=several, body=tuple(body), file=file)


def _content_range(span: Span, file: OpenFile) -> str:
    return f"bytes {span.start}-{span.stop - 1}/{file.size}"
