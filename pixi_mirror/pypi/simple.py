"""What the simple API of PyPI calls its files and its media types; pure."""

SIMPLE = "simple"
"""The folder at a mirror's root whose pages have relative links."""

PAGE_HTML, PAGE_JSON = "index.html", "index.v1_json"
"""The forms of a page, as files in its folder."""

METADATA = ".metadata"
"""PEP 658: "appending .metadata to the distribution's file name"."""

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
"""PEP 691, with the version that is meant."""
TEXT_HTML = "text/html"
