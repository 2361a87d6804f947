"""Which proxies the environment and pixi's configuration name; pure."""

from collections.abc import Mapping

from pixi_mirror.model.network import Proxies
from pixi_mirror.settings.configuration import PixiConfiguration


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
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := environ.get(name))), None)
