"""Read what an attestation says: bundles of Sigstore, and the in-toto statement that one of them signs; pure.

The signature says who has signed a statement. Whether it is about the file at hand is decided here: by the name and the
sha256 of its only subject, and for conda by the channel that it was published to (CEP 27).
"""

import json
from typing import NamedTuple

from pixi_mirror.model.values import Json

CONDA_PREDICATE = "https://schemas.conda.org/attestations-publish-1.schema.json"
"""CEP 27: somebody has published a package to a channel."""
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_MOST = 64
"""Bundles of one file."""


class SignedStatement(NamedTuple):
    """What was signed."""

    predicate: str
    channel: str | None
    """URL of the channel that the package was published to; None: it does not say."""


def read_bundles(data: bytes) -> list[str]:
    """The bundles of an attestation file, each as the JSON that it is.

    Args:
        data: of the file: a list of bundles (CEP 50), or a bundle alone.

    Raises:
        ValueError: it is neither.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("the attestations are no JSON") from None
    bundles = found if isinstance(found, list) else [found]
    if not bundles or len(bundles) > _MOST or not all(isinstance(each, dict) for each in bundles):
        raise ValueError("the attestations are no list of bundles of Sigstore")
    return [json.dumps(each) for each in bundles]


def read_statement(payload_type: str, payload: bytes, *, file_name: str, sha256: str) -> SignedStatement:
    """The statement of a payload whose signature is right, if it is about a file.

    Args:
        payload_type: as it was signed.
        payload: as it was signed.
        file_name: of the package.
        sha256: of the bytes that are here.

    Raises:
        ValueError: it is no statement, or about another file; the text says what it is about.
    """
    if payload_type != _PAYLOAD_TYPE:
        raise ValueError(f"what was signed is {payload_type[:60]!r}, and no statement of in-toto")
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        raise ValueError("the statement that was signed is no JSON") from None
    if not isinstance(found, dict) or found.get("_type") != _STATEMENT:
        raise ValueError("what was signed is no statement of in-toto, version 1")
    _require_subject(found.get("subject"), file_name=file_name, sha256=sha256)
    predicate, content = found.get("predicateType"), found.get("predicate")
    if not isinstance(predicate, str):
        raise ValueError("the statement that was signed does not say what it states")  # noqa: TRY004 - of foreign data
    channel = content.get("targetChannel") if isinstance(content, dict) and predicate == CONDA_PREDICATE else None
    return SignedStatement(predicate, channel if isinstance(channel, str) else None)


def _require_subject(subjects: Json, *, file_name: str, sha256: str) -> None:
    # CEP 27: "subject ... MUST contain a single entry".
    if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise ValueError("the statement that was signed has not one subject")
    name, digests = subjects[0].get("name"), subjects[0].get("digest")
    if name != file_name:
        raise ValueError(f"it is about another file, {str(name)[:100]!r}")
    digest = digests.get("sha256") if isinstance(digests, dict) else None
    if digest != sha256:
        raise ValueError(f"it is about other bytes: sha256 {str(digest)[:64]} instead of {sha256}")
