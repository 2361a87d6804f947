"""What the simple API of PyPI names: its files, its media types, and the link to a file; pure.

`simple_reader.py` reads pages of the API, `simple_writer.py` writes them. Nothing else spells these names.
"""

from dataclasses import dataclass

from pixi_mirror.model.values import Sha256

SIMPLE = "simple"
"""The folder at a mirror's root whose pages have relative links."""

PAGE_HTML, PAGE_JSON = "index.html", "index.v1_json"
"""The forms of a page, as files in its folder."""
PAGES_OF_LINKS = (".html", ".htm")
"""How the URL of a page of links (`find-links`) ends if it is a file; any other is a folder with a page in it."""

METADATA = ".metadata"
"""PEP 658: "appending .metadata to the distribution's file name"."""

PROVENANCE = ".provenance"
"""What stands behind the name of a hosted file whose uploader sent attestations (PEP 740)."""

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
"""PEP 691, with the version that is meant."""
TEXT_HTML = "text/html"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLink:
    """One file, as a page of the API lists it."""

    file_name: str
    url: str
    """Percent-encoded, without fragment. On a page that is read absolute, perhaps with secrets in its user or query; on
    one that is written absolute or relative."""
    sha256: Sha256 | None
    """None: the page promises none."""
    version: str | None
    """PEP 700 lists the versions of a project apart from its files; None: the page that was read does not say it."""
    size: int | None
    """In bytes; None: not known, which PEP 700 does not provide for, so that a page which lists it is an older one."""
    requires_python: str | None
    """PEP 503; None: any version, as far as is known."""
    yanked: str | None
    """PEP 592: why it was withdrawn, perhaps empty; None: it was not."""
    upload_time: str | None
    """PEP 700: RFC 3339, as upstream writes it; None: not known, which hides the file from `exclude-newer`."""
    core_metadata: Sha256 | None
    """PEP 714: of the `.metadata` file beside it; None: there is none, or its digest is not known."""
    provenance: str | None = None
    """PEP 740: the URL of the attestations that its uploader sent; None: there are none."""
