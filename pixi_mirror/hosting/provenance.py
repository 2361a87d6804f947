"""Keep the attestations that come with an upload (PEP 740): what the uploader sent and nothing else.

They are not verified here: who relies on them verifies the signature and who signed. What is looked at is that they are
about this file, since others could only mislead.
"""

import base64
import json

from pixi_mirror.hosting.upload import PackageUpload, UploadRefused
from pixi_mirror.model.values import Json

_MOST = 16
_LARGEST = 1 << 18
"""Bytes of JSON of all attestations of a file; one of a CI service has 10,000."""


def provenance_of(upload: PackageUpload) -> Json:
    """The provenance object of an upload; None: no attestation came along.

    Raises:
        UploadRefused: they are too many or too large, or are about another file.
    """
    if not upload.attestations:
        return None
    try:
        _require_few(upload.attestations)
        for attestation in upload.attestations:
            _require_about(attestation, upload)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise UploadRefused(400, "bad attestation", f"an attestation of {upload.filename}: {error}.") from error
    # The publisher is who was let in by whoever runs this mirror; nothing more is known of them.
    bundle = {"publisher": {"kind": "pixi-mirror"}, "attestations": list(upload.attestations)}
    return {"version": 1, "attestation_bundles": [bundle]}


def _require_few(attestations: tuple[Json, ...]) -> None:
    if len(attestations) > _MOST or len(json.dumps(attestations)) > _LARGEST:
        raise ValueError(f"more than {_MOST}, or more than {_LARGEST} bytes, are not kept")


def _require_about(attestation: Json, upload: PackageUpload) -> None:
    if attestation["version"] != 1:
        raise ValueError(f"its version is {str(attestation['version'])[:20]!r}, and 1 is known")
    statement = json.loads(base64.b64decode(attestation["envelope"]["statement"], validate=True))
    (subject,) = statement["subject"]
    if subject["name"] != upload.filename or subject["digest"]["sha256"] != upload.sha256:
        raise ValueError("it is about another file")
