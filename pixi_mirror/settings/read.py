"""Read all settings about reaching other machines: pixi's configuration, the environment and our options."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.model.network import Network, Proxies, Settings
from pixi_mirror.settings.configuration import PixiConfiguration, read_configuration
from pixi_mirror.settings.credentials import CredentialLookup, credential_stores
from pixi_mirror.settings.files import config_files, named_file, system_folder
from pixi_mirror.settings.mirrors import admit_mirrors
from pixi_mirror.settings.registries import RegistryCredentials
from pixi_mirror.settings.trust import find_certificates

# Measured on loopback: 8 downloads at once are faster than pixi's 50.
_JOBS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The options of our command line about the network; None: not given."""

    config_file: Path | None = None
    auth_file: Path | None = None
    ca_file: Path | None = None
    insecure_hosts: tuple[str, ...] = ()
    """Hosts (`host` or `host:port`) whose certificate is not checked."""
    allow_private_redirects: bool = False
    retries: int | None = None
    jobs: int | None = None


def read_settings(
    *,
    environ: Mapping[str, str],
    workspace: Path | None,
    home: Path,
    options: NetworkOptions,
    platform: str = sys.platform,
    system: Path | None = None,
) -> Settings:
    """Read the settings of a run. Credential stores are read when `network.credential` is first called.

    Args:
        environ: the environment.
        workspace: the directory of the manifest; None: there is no workspace.
        home: the user's home directory.
        options: of our command line.
        platform: as in `sys.platform`.
        system: the folder of system-wide configuration; None: that of the platform.

    Raises:
        MachineError: a configuration file cannot be used, or names something that is not there.
    """
    etc = system or system_folder(platform)
    named = named_file(environ=environ, option=options.config_file)
    files = config_files(environ=environ, workspace=workspace, home=home, named=named, platform=platform, system=etc)
    configuration = read_configuration(files, required=named)
    mirrors = admit_mirrors(configuration.mirrors)
    proxies, proxy_warnings = choose_proxies(configuration, environ)
    configured = configuration.root_certificates
    ca_file, trust_warnings = find_certificates(
        option=options.ca_file, environ=environ, configured=configured, platform=platform, system=etc
    )
    stores = credential_stores(environ=environ, home=home, option=options.auth_file, configured=configuration.auth_file)
    lookup = CredentialLookup(inside=mirrors.credentials, stores=stores)
    network = Network(
        mirrors=mirrors.targets,
        proxies=proxies,
        ca_file=ca_file,
        verify_tls=configuration.unverified_by is None,
        insecure_hosts=_insecure_hosts(options),
        allow_private_redirects=options.allow_private_redirects,
        http_hosts=mirrors.http_hosts,
        credential=lookup,
        registry_credential=RegistryCredentials(environ=environ, home=home),
        s3_options=configuration.s3_options,
        s3_keys=lookup.keys,
    )
    return Settings(
        network=network if options.retries is None else replace(network, retries=options.retries),
        jobs=options.jobs or configuration.downloads or _JOBS,
        indexes=configuration.indexes,
        sources=tuple(str(path) for path in configuration.sources),
        default_channels=configuration.default_channels,
        warnings=(*_warnings(configuration, network.insecure_hosts), *trust_warnings, *proxy_warnings),
    )


def _insecure_hosts(options: NetworkOptions) -> frozenset[str]:
    return frozenset(host.strip().lower() for host in options.insecure_hosts)


def _warnings(configuration: PixiConfiguration, insecure: frozenset[str]) -> tuple[str, ...]:
    """Those of the configuration, and (P14) one for everything whose certificate is not checked, host by host."""
    off = configuration.unverified_by
    everywhere = f"no server's certificate is checked, because {off} sets tls-no-verify; hashes still are"
    hosts = (
        f"the certificate of {host} is not checked (--insecure-host); hashes still are" for host in sorted(insecure)
    )
    return (*(() if off is None else (everywhere,)), *hosts, *configuration.warnings)


def choose_proxies(configuration: PixiConfiguration, environ: Mapping[str, str]) -> tuple[Proxies, tuple[str, ...]]:
    """The proxies to use, and warnings: those of the environment if it has any, else those of `[proxy-config]`.

    As pixi and curl do, a proxy without scheme (`proxy:3128`) is taken for one with `http://`.
    """
    http = _first(environ, "http_proxy", "all_proxy", "ALL_PROXY")
    https = _first(environ, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    configured = configuration.http_proxy is not None or configuration.https_proxy is not None
    if configured and http is None and https is None:
        return Proxies(
            http=_with_scheme(configuration.http_proxy),
            https=_with_scheme(configuration.https_proxy),
            exempt=configuration.exempt,
        ), ()
    warnings = () if configured or not configuration.exempt else (_POINTLESS,)
    if http is None and "REQUEST_METHOD" not in environ:
        # Under CGI, HTTP_PROXY is the `Proxy:` header of the request. In pixi it does not outweigh [proxy-config].
        http = _first(environ, "HTTP_PROXY")
    exempt = _first(environ, "no_proxy", "NO_PROXY") or ""
    hosts = tuple(host for entry in exempt.split(",") if (host := entry.strip()))
    return Proxies(http=_with_scheme(http), https=_with_scheme(https), exempt=hosts), warnings


_POINTLESS = "`non-proxy-hosts` in pixi's [proxy-config] is ignored, because neither `http` nor `https` is set there"


def _with_scheme(proxy: str | None) -> str | None:
    return proxy if not proxy or "://" in proxy else f"http://{proxy.removeprefix('//')}"


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := environ.get(name))), None)
