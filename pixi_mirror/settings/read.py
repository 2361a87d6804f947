"""Put together what the user has told pixi and us about reaching other machines."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.model.network import Network, Settings
from pixi_mirror.settings.configuration import Told, read_files
from pixi_mirror.settings.credentials import Lookup, stores
from pixi_mirror.settings.locations import config_files, named_file, system_folder
from pixi_mirror.settings.mirrors import admit_mirrors
from pixi_mirror.settings.proxies import chosen_proxies
from pixi_mirror.settings.trust import trusted_certificates

# Measured on loopback: 8 downloads at once are faster than pixi's 50.
_JOBS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What our own command line says about the network; None where it says nothing."""

    config_file: Path | None = None
    auth_file: Path | None = None
    ca_file: Path | None = None
    insecure_hosts: tuple[str, ...] = ()
    """Hosts (`host` or `host:port`) whose certificate is not checked."""
    retries: int | None = None
    jobs: int | None = None


def read_settings(
    *,
    environ: Mapping[str, str],
    workspace: Path | None,
    home: Path,
    options: Options,
    platform: str = sys.platform,
    system: Path | None = None,
) -> Settings:
    """What applies to a run for `workspace` (the directory of its manifest; None: no workspace).

    `system` is the folder of system-wide configuration, by default the platform's. Credential stores are not read until
    `network.credential` is first asked.

    Raises:
        MachineError: a configuration file cannot be used, or names something that is not there.
    """
    etc = system or system_folder(platform)
    named = named_file(environ=environ, option=options.config_file)
    files = config_files(environ=environ, workspace=workspace, home=home, named=named, platform=platform, system=etc)
    told = read_files(files, required=named)
    mirrors = admit_mirrors(told.mirrors)
    proxies, proxy_warnings = chosen_proxies(told, environ)
    ca_file, trust_warnings = trusted_certificates(
        option=options.ca_file, environ=environ, told=told.root_certificates, platform=platform, system=etc
    )
    stored = stores(environ=environ, home=home, option=options.auth_file, configured=told.auth_file)
    lookup = Lookup(inside=mirrors.credentials, stores=stored)
    insecure = frozenset(host.strip().lower() for host in options.insecure_hosts)
    network = Network(
        mirrors=mirrors.targets,
        proxies=proxies,
        ca_file=ca_file,
        verify_tls=told.unverified_by is None,
        insecure_hosts=insecure,
        http_hosts=mirrors.http_hosts,
        credential=lookup,
        s3_options=told.s3_options,
        s3_keys=lookup.keys,
    )
    return Settings(
        network=network if options.retries is None else replace(network, retries=options.retries),
        jobs=options.jobs or told.downloads or _JOBS,
        sources=tuple(str(path) for path in told.sources),
        warnings=(*_verification_warnings(told, insecure), *trust_warnings, *proxy_warnings),
    )


def _verification_warnings(told: Told, insecure: frozenset[str]) -> tuple[str, ...]:
    """P14: what is not verified is said loudly, host by host."""
    everywhere = (
        ()
        if told.unverified_by is None
        else (f"no server's certificate is checked, because {told.unverified_by} sets tls-no-verify; hashes still are",)
    )
    hosts = (
        f"the certificate of {host} is not checked (--insecure-host); hashes still are" for host in sorted(insecure)
    )
    return (*everywhere, *hosts)
