"""nginx and Caddy: a configuration that shows a mirror's directory as our own server does.

They know no users, no deferred files, and no files whose names are encoded in the mirror; `docs/serving.md` has the
whole difference.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pixi_mirror.clients.marked_lines import insert_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.whole_file import WholeFileClient
from pixi_mirror.conda.index_files import INDEX_FILES
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.git.index import CHANGING_FILES
from pixi_mirror.mirror.tree_view import INVENTORY, PRIVATE
from pixi_mirror.model.attestations import ATTESTATIONS
from pixi_mirror.paths import MAPPING_HOST
from pixi_mirror.pypi.simple import METADATA, PAGE_HTML, PAGE_JSON, PAGES_OF_LINKS, V1_JSON

_PORTS = {"http": 80, "https": 443}
_TYPES = {
    "json": "application/json",
    "zst": "application/zstd",
    "html": "text/html",
    "htm": "text/html",
    "v1_json": V1_JSON,
    "metadata": "text/plain",
    "bz2": "application/x-bzip2",
    "gz": "application/gzip",
    "zip": "application/zip",
}
"""Ending of a file -> its `Content-Type`; all others are bytes."""
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\"\\${}]")
"""What a quoted word of a configuration cannot hold as it stands."""

# A page of links may have any name that ends so.
_CHANGING_NAMES = "|".join(map(re.escape, sorted({*INDEX_FILES, INVENTORY, PAGE_HTML, PAGE_JSON, *CHANGING_FILES})))
_CHANGING_ENDINGS = "|".join(map(re.escape, (METADATA, ATTESTATIONS, *PAGES_OF_LINKS)))
_CHANGES = f"(?:^/{re.escape(MAPPING_HOST)}/|/(?:{_CHANGING_NAMES})$|(?:{_CHANGING_ENDINGS})$)"
"""Files whose bytes may change, as a regular expression of paths."""
_JSON_ENDINGS = rf"(?:^/{re.escape(MAPPING_HOST)}/|{re.escape(ATTESTATIONS)}(?:\.[0-9a-f]{{64}})?$)"
"""JSON whose names do not end so."""
_WANTS_JSON = r"application/vnd\.pypi\.simple\.(?:v1|latest)\+json"

_NGINX = """\
# The mirror in {root}, as `pixi-mirror serve` shows it. It belongs into `http`, as a file in conf.d does.
map $uri $pixi_mirror_cache {{
    default "public, max-age=31536000, immutable";
    "~{changes}" "no-cache, max-age=0";
}}
map $http_accept $pixi_mirror_page {{
    default {html};
    "~*{wants_json}" {json};
}}
map $request_uri $pixi_mirror_vary {{
    default "";
    "~^[^?]*/(?:[?]|$)" Accept;
}}
server {{
    listen {port}{tls};
    server_name {host};{certificates}
    root {quoted};
    index $pixi_mirror_page {html};
    types {{
{types}
    }}
    default_type application/octet-stream;
    charset utf-8;
    charset_types text/plain;
    gzip off;
    etag on;
    absolute_redirect off;
    add_header Cache-Control $pixi_mirror_cache;
    add_header Vary $pixi_mirror_vary;
    error_page 403 404 = @absent;
    location / {{
        try_files $uri @folder;
    }}
    location ~ /$ {{
    }}
    location ^~ /{private} {{
        return 404;
    }}
    location ~ "{json_endings}" {{
        types {{ }}
        default_type application/json;
    }}
    location @folder {{
        if (!-f $request_filename/{html}) {{
            return 404;
        }}
        rewrite ^(.*)$ $1/ permanent;
    }}
    location @absent {{
        default_type text/plain;
        add_header Cache-Control no-cache always;
        return 404 "not in this mirror\\n";
    }}
}}
"""

_CADDY = """\
# The mirror in {root}, as `pixi-mirror serve` shows it.
{address} {{
	root * {quoted}
	vars cache "public, max-age=31536000, immutable"
	@changes path_regexp {changes}
	vars @changes cache "no-cache, max-age=0"
{types}
	@json_named path_regexp {json_endings}
	header @json_named Content-Type application/json
	@private path /{private} /{private}/*
	@writing not method GET HEAD
	@page_folder {{
		not path */
		file {{path}}/{html}
	}}
	@wants_json {{
		path */
		header_regexp Accept (?i){wants_json}
		file {{path}}{json}
	}}
	@page {{
		path */
		file {{path}}{html}
	}}
	route {{
		error @private 404
		error @writing 405
		redir @page_folder {{path}}/ 301
		header @wants_json {{
			Content-Type {v1_json}
			Vary Accept
			Cache-Control "no-cache, max-age=0"
		}}
		rewrite @wants_json {{path}}{json}
		header @page {{
			Content-Type "text/html; charset=utf-8"
			Vary Accept
			Cache-Control "no-cache, max-age=0"
		}}
		rewrite @page {{path}}{html}
		header ?Cache-Control {{vars.cache}}
		file_server {{
			index {html}
		}}
	}}
	handle_errors {{
		header Cache-Control no-cache
		header Content-Type "text/plain; charset=utf-8"
		respond "not in this mirror" {{http.error.status_code}}
	}}
}}
"""


class _WebServer(WholeFileClient):
    """What both have in common: a file of its own, which is printed or written to where `--file` says."""

    def configuration(self, offer: Offer) -> str:
        """The whole file."""
        raise NotImplementedError

    def notes(self, offer: Offer) -> tuple[str, ...]:  # noqa: ARG002
        """What the file cannot say."""
        return ("the web server shows no files whose names are encoded in the mirror, and asks for no password.",)

    def merge(self, text: str | None, offer: Offer) -> str:
        """The file with ours at its end: each server stands for itself."""
        return insert_lines(text, self.configuration(offer).splitlines(), at=None, replacing=())

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002
        """There is no place that is the right one on every system.

        Raises:
            UsageError: always.
        """
        raise UsageError("where web servers have their files differs: name the new file with --file.")


class NginxServer(_WebServer):
    """nginx, 1.13 or newer."""

    def configuration(self, offer: Offer) -> str:
        """A `server` with the maps that it needs."""
        is_tls, host, port = _place(offer.url)
        certificates = "\n    ssl_certificate /etc/ssl/mirror.crt;\n    ssl_certificate_key /etc/ssl/mirror.key;"
        return _NGINX.format(
            root=_shown(offer.directory),
            quoted=_quoted(offer.directory),
            host=host or "_",
            port=port,
            tls=" ssl" if is_tls else "",
            certificates=certificates if is_tls else "",
            types="\n".join(f"        {media} {ending};" for ending, media in _TYPES.items()),
            changes=_CHANGES,
            json_endings=_JSON_ENDINGS,
            wants_json=_WANTS_JSON,
            html=PAGE_HTML,
            json=PAGE_JSON,
            private=PRIVATE,
        )


class CaddyServer(_WebServer):
    """Caddy, version 2."""

    def configuration(self, offer: Offer) -> str:
        """A site of a Caddyfile."""
        texts = {"text/html", "text/plain"}
        _place(offer.url)
        named = ((ending, f"{media}; charset=utf-8" if media in texts else media) for ending, media in _TYPES.items())
        types = [f'\t@{ending} path *.{ending}\n\theader @{ending} Content-Type "{media}"' for ending, media in named]
        # Matchers of paths are not for endings that no type is known of.
        known = " ".join(f"*.{ending}" for ending in _TYPES)
        types.append(f"\t@bytes not path {known}\n\theader @bytes Content-Type application/octet-stream")
        return _CADDY.format(
            root=_shown(offer.directory),
            quoted=_quoted(offer.directory),
            address=offer.url,
            types="\n".join(types),
            changes=_CHANGES,
            json_endings=_JSON_ENDINGS,
            wants_json=_WANTS_JSON,
            v1_json=V1_JSON,
            html=PAGE_HTML,
            json=PAGE_JSON,
            private=PRIVATE,
        )


def _place(url: str) -> tuple[bool, str, int]:
    """Whether a URL is one of TLS; its host and port.

    Raises:
        UsageError: it has a path.
    """
    parts = urlsplit(url)
    if parts.path.strip("/"):
        raise UsageError(f"a web server of its own shows the mirror at its root: --url cannot be {url!r}, with a path.")
    return parts.scheme == "https", parts.hostname or "", parts.port or _PORTS[parts.scheme]


def _quoted(directory: str) -> str:
    """A directory as a quoted word.

    Raises:
        MachineError: its name cannot stand in a configuration.
    """
    if _UNSAFE.search(directory):
        raise MachineError(f"{directory!r} cannot stand in the configuration of a web server: move the mirror.")
    return json.dumps(directory, ensure_ascii=False)


def _shown(directory: str) -> str:
    return " ".join(directory.split())
