"""Which proxies the environment or pixi's configuration asks for; pure."""

from collections.abc import Mapping

from pixi_mirror.model.network import Proxies
from pixi_mirror.settings.configuration import Told


def chosen_proxies(told: Told, environ: Mapping[str, str]) -> tuple[Proxies, tuple[str, ...]]:
    """The proxies to use and warnings: those of the environment if it has any, else those of `[proxy-config]`."""
    http = _first(environ, "http_proxy", "all_proxy", "ALL_PROXY")
    https = _first(environ, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    configured = told.http_proxy is not None or told.https_proxy is not None
    if configured and http is None and https is None:
        return Proxies(http=told.http_proxy, https=told.https_proxy, exempt=told.exempt), ()
    warnings = () if configured or not told.exempt else (_POINTLESS,)
    if http is None and "REQUEST_METHOD" not in environ:
        # Under CGI HTTP_PROXY is the client's own `Proxy:` header. pixi lets it not outweigh [proxy-config] either.
        http = _first(environ, "HTTP_PROXY")
    exempt = _first(environ, "no_proxy", "NO_PROXY") or ""
    hosts = tuple(host for entry in exempt.split(",") if (host := entry.strip()))
    return Proxies(http=http, https=https, exempt=hosts), warnings


_POINTLESS = "`non-proxy-hosts` in pixi's [proxy-config] is ignored, because neither `http` nor `https` is set there"


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := environ.get(name))), None)
