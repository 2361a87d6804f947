"""Decide what the conditions in a request come to; pure (RFC 9110, 13)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Validators(NamedTuple):
    """By what a client recognises the bytes it has."""

    etag: str
    """Strong, with its quotation marks."""
    modified_s: int
    """When the bytes were last modified, in seconds since 1970: what `Last-Modified` says."""
    settled_s: int
    """Since when the file has stood here as it is: later than `modified_s` where an older one was put back."""

    @property
    def last_modified(self) -> str:
        """As HTTP has it."""
        return http_date(self.modified_s)


def http_date(seconds: float) -> str:
    """A time as HTTP has it."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def status_of(fields: Mapping[str, str], validators: Validators) -> int:
    """200, 304 or 412, in the order of RFC 9110, 13.2.2."""
    if (tags := fields.get("if-match")) is not None:
        if not _names(tags, validators.etag, weakly=False):
            return 412
    elif (since := _seconds(fields.get("if-unmodified-since"))) is not None and validators.modified_s > since:
        return 412
    if (tags := fields.get("if-none-match")) is not None:
        return 304 if _names(tags, validators.etag, weakly=True) else 200
    since = _seconds(fields.get("if-modified-since"))
    return 304 if since is not None and _is_unmodified(since, validators) else 200


def _is_unmodified(since: int, validators: Validators) -> bool:
    # An older file that was put back is another one for whoever has the newer: a date alone would call it unmodified.
    return since == validators.modified_s or since >= max(validators.modified_s, validators.settled_s)


def ranges_count(fields: Mapping[str, str], validators: Validators) -> bool:
    """Whether `Range` is to be heeded: RFC 9110, 13.1.5 compares strongly, dates exactly."""
    condition = fields.get("if-range")
    if condition is None:
        return True
    if condition.endswith('"'):
        return condition == validators.etag
    return _seconds(condition) == validators.modified_s


def _names(tags: str, etag: str, *, weakly: bool) -> bool:
    if tags.strip() == "*":
        return True
    return any(found[1] == etag and (weakly or found[0] == etag) for found in _TAG.finditer(tags))


def _seconds(date: str | None) -> int | None:
    """The time that a date spells; None: it is none, and RFC 9110, 13.1.3 has it ignored."""
    if date is None:
        return None
    try:
        found = parsedate_to_datetime(date)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
