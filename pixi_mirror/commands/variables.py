"""Which environment variables of ours there are."""

from collections.abc import Iterable, Mapping

from pixi_mirror.commands.parsing import PREFIX

_OPTIONS = """\
expires hosted largest-upload upload
access-log all all-environments allow-host allow-md5 allow-private-redirects allow-rollback allow-unhashed apply
assume-received attestations auth-file build-requires ca-file cache-dir channel check compat-version conda config
config-file create-executable database defer directory-only dry-run endpoint env-name environment expect fail-on file
flat for force fork format from full global grace have host ignore-pypi-non-wheel index index-url inject insecure
insecure-host jobs json keep kind lock lock-format lock-timeout locked long manifest-path markdown match minimum-age
name names no-build-packages no-policy no-pypi only only-publisher output output-directory output-file overlap
pixi-cache-dir pixi-unpack-sha256 pixi-unpack-source platform policy port progress prune pypi quick quiet read reason
remove repair replace report require-hashes retries sbom shards shell sign skip-unmirrorable solve strict
strict-compat tls-cert tls-key to token trust trusted-root undo upstream url use-cache users verbose vex volume-size
with-build-requirements with-files with-tool words write"""

VARIABLES = frozenset(PREFIX + option.upper().replace("-", "_") for option in _OPTIONS.split())
"""One for each option of each verb. They stand here because no run has to import all the verbs."""


def unknown_variables(environ: Mapping[str, str]) -> Iterable[str]:
    """A sentence for each variable that looks like one of ours and is none; no value is shown."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in VARIABLES:
            from pixi_mirror.suggest import perhaps  # most runs have none

            yield f"no option reads the environment variable {name}{perhaps(name, VARIABLES)}"
