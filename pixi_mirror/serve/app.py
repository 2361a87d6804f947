"""Decide how a request is answered, down to the last field; what it decides on is a mirror's shelf."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from pixi_mirror.model.values import MirrorPath, admit_path, canonical
from pixi_mirror.paths import HEALTH
from pixi_mirror.pypi.simple import PAGE_HTML, PAGE_JSON
from pixi_mirror.serve.access.control import AccessControl, Verdict
from pixi_mirror.serve.conditions import ranges_count, status_of
from pixi_mirror.serve.files import MirrorFiles, OpenFile
from pixi_mirror.serve.homepage import HomePage
from pixi_mirror.serve.negotiation import content_type, forms, is_index
from pixi_mirror.serve.ranges import Span, spans
from pixi_mirror.serve.request import HttpRequest, RequestRefused
from pixi_mirror.serve.targets import RequestTarget, parse_target

_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache, max-age=0"
"""conda and libmamba read `max-age` alone, and without it they keep an index for an hour."""
_PLAIN = "text/plain; charset=utf-8"
_NEVER_KEPT = {"Cache-Control": "no-store"}
_REALM = 'realm="pixi-mirror"'
_CHALLENGE = {"WWW-Authenticate": f'Basic {_REALM}, charset="UTF-8", Bearer {_REALM}', **_NEVER_KEPT}
"""RFC 9110, 11.6.1; Basic first, for many a client looks at the first alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response but for what every one has."""

    status: int
    fields: Mapping[str, str]
    body: Sequence[bytes | Span] = ()
    """Parts in their order; a span is one of the opened file. Not sent to HEAD."""
    opened: OpenFile | None = field(default=None)
    """Whoever has the answer closes it; None: the answer has no file."""

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(part.length if isinstance(part, Span) else len(part) for part in self.body)

    def close(self) -> None:
        """Let go of the file."""
        if self.opened is not None:
            os.close(self.opened.descriptor)


def respond(
    request: HttpRequest, shelf: MirrorFiles, gate: AccessControl | None = None, front: HomePage | None = None
) -> Response:
    """How a request is answered; without a gate, everybody may read everything, without a front there is no page.

    Raises:
        Refused: the page is asked for under a name that is none.
        Unobtainable: a file belongs here and could not be brought.
        OSError: a file is there and cannot be read.
    """
    target = parse_target(request.target)
    if target is not None and "/".join(target.segments) == HEALTH and not target.is_folder:
        told = canonical({"status": "ok", "mirror": shelf.identity})
        return text_response(200, told, {"Content-Type": "application/json", "Cache-Control": "no-store"})
    if gate is None:
        return _found(request, target, shelf, front)
    # Before any file is looked at: neither answer nor time may tell whoever has no right what there is.
    where = "" if target is None else "/".join(target.segments)
    match gate(request.fields.get("authorization"), None if target is None else target.token, where):
        case Verdict.MAY_READ:
            return _private(_found(request, target, shelf, front))
        case Verdict.NOT_ENTITLED:
            return _private(_missing())
        case Verdict.UNKNOWN:
            return text_response(401, b"name and password, or a token, are needed\n", _CHALLENGE)
        case Verdict.BUSY:
            return text_response(503, b"too many are signing in; come again\n", {"Retry-After": "1", **_NEVER_KEPT})


def _private(answer: Response) -> Response:
    """RFC 9111, 5.2.2.7: "a shared cache MUST NOT store" it; what one may read another may not."""
    kept = answer.fields.get("Cache-Control")
    if kept is None:
        return answer
    return replace(answer, fields={**answer.fields, "Cache-Control": f"private, {kept.removeprefix('public, ')}"})


def _found(request: HttpRequest, target: RequestTarget | None, shelf: MirrorFiles, front: HomePage | None) -> Response:
    if front is not None and target is not None and target.is_folder and not target.segments:
        shown = front.shown(request.fields)
        return Response(status=shown.status, fields=shown.fields, body=(shown.body,) if shown.body else ())
    path = None if target is None else target.path
    if target is None or path is None:
        return _missing()
    if target.is_folder:
        return _page(request, target, path, shelf)
    opened = shelf.opened(path)
    if opened is not None:
        return _shown(request, opened, content_type(path))
    pages = (_below(path, name) for name in (PAGE_HTML, PAGE_JSON))
    if any(shelf.has(page) for page in pages if page is not None):
        return _redirected(target)
    return _missing()


def refusal_response(refused: RequestRefused) -> Response:
    """The answer to a request that is refused."""
    extra = {"Allow": "GET, HEAD"} if refused.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
    return text_response(refused.status, f"{refused.reason}\n".encode(), extra)


def text_response(status: int, body: bytes, fields: Mapping[str, str] | None = None) -> Response:
    """An answer in a few words."""
    return Response(status=status, fields={"Content-Type": _PLAIN, **(fields or {})}, body=(body,))


def _missing() -> Response:
    """404 for whatever cannot be had: for clients of conda and PyPI alike 403 would end a search."""
    return text_response(404, b"not in this mirror\n", {"Cache-Control": "no-cache"})


def _redirected(target: RequestTarget) -> Response:
    # Relative to the folder above, so that neither a token nor a proxy's path in front of ours is lost. A name that a
    # mirror admits has no colon and no slash: it is never taken for a scheme or a host.
    query = f"?{target.query}" if target.query else ""
    fields = {"Location": f"{target.segments[-1]}/{query}", "Cache-Control": "no-cache"}
    return text_response(301, b"the page is in the folder of this name\n", fields)


def _page(request: HttpRequest, target: RequestTarget, path: MirrorPath, shelf: MirrorFiles) -> Response:
    """A folder's page in the form that is wanted most and is there (PEP 691)."""
    for form in forms(request.fields.get("accept"), target.query):
        page = _below(path, form.file_name)
        if page is not None and (opened := shelf.opened(page)) is not None:
            return _shown(request, opened, form.content_type, {"Vary": "Accept"})
    return _missing()


def _below(folder: MirrorPath, name: str) -> MirrorPath | None:
    """The path of a file in a folder; None: it is too long for a mirror."""
    try:
        return admit_path(f"{folder}/{name}")
    except ValueError:
        return None


def _shown(request: HttpRequest, opened: OpenFile, media: str, extra: Mapping[str, str] | None = None) -> Response:
    validators = opened.validators
    fields = {
        "ETag": validators.etag,
        "Last-Modified": validators.last_modified,
        "Cache-Control": _ASK_AGAIN if is_index(opened.path) else _FOREVER,
        **(extra or {}),
    }
    status = status_of(request.fields, validators)
    if status == HTTPStatus.NOT_MODIFIED:
        # RFC 9110, 15.4.5; without its validators clients of sharded channels take a 304 for an error.
        return Response(status=304, fields=fields, opened=opened)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return Response(status=412, fields={}, opened=opened)
    fields |= {"Content-Type": media, "Accept-Ranges": "bytes"}
    wanted = request.fields.get("range")
    # RFC 9110, 14.2: "A server MUST ignore a Range header field received with a request method that" has no ranges.
    if wanted is not None and request.method == "GET" and ranges_count(request.fields, validators):
        parts = spans(wanted, opened.size)
        if parts is not None:
            return _parted(parts, opened, media, fields)
    whole = (Span(0, opened.size),) if opened.size else ()
    return Response(status=200, fields=fields, body=whole, opened=opened)


def _parted(parts: tuple[Span, ...], opened: OpenFile, media: str, fields: Mapping[str, str]) -> Response:
    if not parts:
        unsatisfied = {"Content-Range": f"bytes */{opened.size}", "Content-Type": _PLAIN, "Accept-Ranges": "bytes"}
        return Response(status=416, fields=unsatisfied, body=(b"the file has no such bytes\n",), opened=opened)
    if len(parts) == 1:
        one = {**fields, "Content-Range": _content_range(parts[0], opened)}
        return Response(status=206, fields=one, body=parts, opened=opened)
    boundary = secrets.token_hex(16)  # nobody can have put it into a file
    body: list[bytes | Span] = []
    for part in parts:
        about = f"Content-Type: {media}\r\nContent-Range: {_content_range(part, opened)}\r\n\r\n"
        body += [f"\r\n--{boundary}\r\n{about}".encode(), part]
    body.append(f"\r\n--{boundary}--\r\n".encode())
    several = {**fields, "Content-Type": f"multipart/byteranges; boundary={boundary}"}
    return Response(status=206, fields=several, body=tuple(body), opened=opened)


def _content_range(span: Span, opened: OpenFile) -> str:
    return f"bytes {span.start}-{span.stop - 1}/{opened.size}"
