"""pixi: the table `[mirrors]` of its configuration."""

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pixi_mirror.clients.files import home, pixi_workspace
from pixi_mirror.clients.marked_lines import drop_lines, insert_lines
from pixi_mirror.clients.offer import HostedOffer, Offer, leads_to
from pixi_mirror.clients.toml import Statement, members, parse_toml, statements, table
from pixi_mirror.settings.files import config_files, named_file, system_folder

_TABLE = "[mirrors]"


class PixiClient:
    """Leads every URL that the mirror holds to the mirror, so that neither manifest nor lock has to change."""

    def configuration(self, offer: Offer) -> str:
        """One table, with a line for each channel, index, host of files and the mapping host."""
        return "\n".join([_TABLE, *_lines(offer), ""])

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What the lines cannot say."""
        if not offer.has_packages and not offer.hosted_names:
            return offer.git_notes or (
                "the mirror holds nothing that pixi could be led to: run `pixi-mirror update` first.",
            )
        sign_in = f"if the server has users, sign in once: pixi auth login {offer.url} --token TOKEN (the whole URL)."
        notes = [_token_note(channel) for channel in offer.with_token]
        notes += [
            f"{each.name} is hosted here and nowhere else: name it in the manifest, {_manifest_lines(each)}."
            for each in offer.hosted_names
        ]
        return (*notes, *offer.git_notes, *(() if offer.is_loopback else (sign_in,)))

    def merge(self, text: str | None, offer: Offer) -> str:
        """The lines in the user's own table where there is one, else in one at the end."""
        before = parse_toml(text or "")
        ours = parse_toml(self.configuration(offer))["mirrors"]
        found = list(statements(text or ""))
        header = _header(found)
        if header is None and "mirrors" in before:
            raise ValueError("it has `mirrors` in another form than as a table [mirrors]")
        own = {url.rstrip("/") for url in ours}
        if header is None:
            result = insert_lines(text, [_TABLE, *_lines(offer)], at=None, replacing=())
        else:
            replaced = {
                number
                for each in found
                if each.table == _TABLE and {key.rstrip("/") for key in each.values} & own
                for number in each.lines
            }
            result = insert_lines(text, _lines(offer), at=header.lines.stop, replacing=replaced)
        kept = {url: to for url, to in before.get("mirrors", {}).items() if url.rstrip("/") not in own}
        if parse_toml(result) != {**before, "mirrors": {**kept, **ours}}:
            raise ValueError("its table [mirrors] is written in a way that cannot be added to safely")
        return result

    def remove(self, text: str, bases: Collection[str]) -> str:
        """The lines of `[mirrors]` whose only target is below a base, and those that shut the hosts of their keys."""
        found = [each for each in statements(text) if each.table == _TABLE]
        lines = {key: each for each in found for key in each.values}
        gone = {key for key, each in lines.items() if _leads_only_to(each.values[key], bases)}
        shut = {_host(key) for key in gone}
        gone |= {key for key, each in lines.items() if gone and each.values[key] == [] and _host(key) in shut}
        numbers = {number for key in gone for number in lines[key].lines}
        if gone and len(gone) == len(lines):  # an empty table means nothing
            numbers |= {number for each in found if each.key is None for number in each.lines}
        return drop_lines(text, numbers)

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:
        """Keys that outweigh ours, and a proxy without an exception for the mirror."""
        found = parse_toml(text)
        ours = parse_toml(self.configuration(offer))["mirrors"]
        others = {
            key: targets
            for key, targets in table(found, "mirrors").items()
            if not _leads_only_to(targets, [offer.url]) and any(f"{key}/".startswith(f"{our}/") for our in ours)
        }
        longer = (
            f"[mirrors] has a longer key, which pixi prefers: {key} leads elsewhere."
            for key in others
            if key.rstrip("/") not in ours
        )
        same = (
            f"[mirrors] has the same key, and this file counts more: {key} leads elsewhere."
            for key, targets in others.items()
            if outranks and key.rstrip("/") in ours and targets != ours[key.rstrip("/")]
        )
        return (*longer, *same, *_proxy_conflicts(table(found, "proxy-config"), offer))

    def variables(self) -> tuple[str, ...]:
        """None that outweighs `[mirrors]`."""
        return ()

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
        """Those of the system, of the user and of the workspace."""
        return config_files(
            environ=environ,
            workspace=None if own is None else own.parent.parent,
            home=home(environ),
            named=named_file(environ=environ, option=None),
            platform=sys.platform,
            system=system_folder(sys.platform),
        )

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:  # noqa: ARG002 - it is the workspace's
        """`.pixi/config.toml` of the workspace around a directory."""
        return pixi_workspace(directory) / ".pixi" / "config.toml"

    def users_file(self, environ: Mapping[str, str]) -> Path:
        """`config.toml` in `$PIXI_HOME`, else in `~/.pixi`; `pixi exec` and `pixi global` read no other."""
        folder = environ.get("PIXI_HOME")
        return (Path(folder) if folder else home(environ) / ".pixi") / "config.toml"


def _header(found: Collection[Statement]) -> Statement | None:
    return next((each for each in found if each.key is None and each.table == _TABLE), None)


def _leads_only_to(targets: object, bases: Collection[str]) -> bool:
    return isinstance(targets, list) and bool(targets) and all(leads_to(each, bases) for each in targets)


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _proxy_conflicts(proxies: Mapping[str, Any], offer: Offer) -> Iterator[str]:
    exempt = members(proxies, "non-proxy-hosts", str)
    if (proxies.get("http") or proxies.get("https")) and offer.host not in exempt:
        hosts = json.dumps([*exempt, offer.host])
        yield f"[proxy-config] sends requests to the mirror through a proxy: set non-proxy-hosts = {hosts} there."


def _manifest_lines(hosted: HostedOffer) -> str:
    channel = f'channels = ["{hosted.url}", …]' if hosted.conda else ""
    index = f'[pypi-options] extra-index-urls = ["{hosted.url}/simple/"]' if hosted.pypi else ""
    return " and ".join(filter(None, (channel, index)))


def _token_note(channel: str) -> str:
    host = urlsplit(channel).hostname
    return (
        f"a lock names {channel} with a token in its URL, and pixi asks for such a URL upstream, never here. Take the "
        f"token out of the manifest, store it with `pixi auth login {host} --conda-token TOKEN`, and run `pixi lock`."
    )


def _lines(offer: Offer) -> list[str]:
    leads = {**offer.origins, **offer.kept, **offer.indexes, **offer.channels, **offer.mapping}
    targets = {**{host: [] for host in offer.shut}, **{key: [url] for key, url in leads.items()}}
    return [f"{json.dumps(key)} = {json.dumps(targets[key])}" for key in sorted(targets)]
