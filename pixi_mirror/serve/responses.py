"""What a response is, and the short ones: a text, a problem, a refusal; pure."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from pixi_mirror.serve.files import OpenFile
from pixi_mirror.serve.ranges import Span
from pixi_mirror.serve.request import RequestRefused

NO_STORE = {"Cache-Control": "no-store"}
PLAIN_TEXT = "text/plain; charset=utf-8"
_REALM = 'realm="pixi-mirror"'
CHALLENGE = {"WWW-Authenticate": f'Basic {_REALM}, charset="UTF-8", Bearer {_REALM}', **NO_STORE}
"""RFC 9110, 11.6.1; Basic first, because many clients look at the first scheme alone."""
_UNPRINTABLE = re.compile(r"[^ -~]")
_LONGEST_REASON = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response without the fields that every one has."""

    status: int
    fields: Mapping[str, str]
    body: Sequence[bytes | Span] = ()
    """Parts in their order; a span is a part of the open file. HEAD gets no body."""
    file: OpenFile | None = field(default=None)
    """Whoever has the response closes it; None: the response has no file."""
    reason: str = ""
    """The phrase behind the status, which some clients alone show; empty: the usual one."""

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(part.length if isinstance(part, Span) else len(part) for part in self.body)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            os.close(self.file.descriptor)


def text_response(status: int, body: bytes, fields: Mapping[str, str] | None = None) -> Response:
    """A response with a short text."""
    return Response(status=status, fields={"Content-Type": PLAIN_TEXT, **(fields or {})}, body=(body,))


def json_response(body: bytes) -> Response:
    """A response with JSON that may be another one in a moment."""
    return text_response(200, body, {"Content-Type": "application/json", **NO_STORE})


def problem_response(status: int, reason: str, detail: str = "", fields: Mapping[str, str] | None = None) -> Response:
    """A refusal for uploaders: of them, twine, hatch and pdm show the phrase alone, and uv the problem (RFC 9457).

    Args:
        status: Above 399.
        reason: A few words.
        detail: A sentence that says what to do; empty: the reason is all.
        fields: Further ones.
    """
    problem = {"type": "about:blank", "title": reason, "status": status, "detail": detail or f"{reason}."}
    return Response(
        status=status,
        fields={"Content-Type": "application/problem+json", **NO_STORE, **(fields or {})},
        body=(f"{json.dumps(problem)}\n".encode(),),
        reason=_UNPRINTABLE.sub("?", reason)[:_LONGEST_REASON],
    )


def refusal_response(refused: RequestRefused) -> Response:
    """The response to a request that is refused."""
    extra = {"Allow": "GET, HEAD"} if refused.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
    return text_response(refused.status, f"{refused.reason}\n".encode(), extra)


def not_found() -> Response:
    """404 for everything that cannot be had: clients of conda and PyPI would end a search at 403."""
    return text_response(404, b"not in this mirror\n", {"Cache-Control": "no-cache"})


def private(response: Response) -> Response:
    """RFC 9111, 5.2.2.7: "a shared cache MUST NOT store" it, because another user may not read the same."""
    control = response.fields.get("Cache-Control")
    if control is None:
        return response
    return replace(
        response, fields={**response.fields, "Cache-Control": f"private, {control.removeprefix('public, ')}"}
    )
