"""The real uploaders, each as its user would run it, with a token in the place that it has for one."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.child import Completed, run_program, user_environment

from pixi_mirror.demo.distributions import BuiltDistribution, build_sdist, build_wheel
from pixi_mirror.demo.packages import BuiltPackage, build_package

_BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
_PROJECT = """\
[build-system]
requires = ["flit_core >=3.11,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.9"
description = "A package of tests"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a tool uploads to, and as whom."""

    url: str
    """Of the mirror."""
    token: str
    ca: Path | None
    """None: plain http."""
    folder: Path
    """The tool may write here."""

    @property
    def legacy(self) -> str:
        return f"{self.url}/team/legacy/"

    @property
    def environment(self) -> Mapping[str, str]:
        """Of a user whose home is below the folder, who trusts the CA."""
        trust = {}
        if self.ca is not None:
            names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            trust = dict.fromkeys((*names, "HATCH_INDEX_CA_CERT", "PDM_PUBLISH_CA_CERTS"), str(self.ca))
        return user_environment(self.folder / "home") | trust

    def run(self, name: str, *words: object, env: Mapping[str, str] | None = None) -> Completed:
        """Run a program that was found beside this Python or on PATH."""
        return run_program(program(name), *words, env={**self.environment, **(env or {})}, cwd=self.folder)

    def put(self, built: BuiltDistribution | BuiltPackage, folder: str = "dist") -> Path:
        """Write a file that was built."""
        file = self.folder / folder / built.file_name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(built.data)
        return file


def program(name: str) -> str:
    """Where a program is; empty: nowhere."""
    return shutil.which(name, path=_BESIDE) or ""


def _wheel_and_sdist(target: Target, name: str) -> list[Path]:
    return [target.put(build_wheel(name=name, version="1.0")), target.put(build_sdist(name=name, version="1.0"))]


def _project(target: Target, name: str) -> None:
    (target.folder / "pyproject.toml").write_text(_PROJECT.format(name=name), encoding="utf-8")
    (target.folder / f"{name}.py").write_text('"""A module."""\n__version__ = "1.0"\n', encoding="utf-8")


def twine(target: Target) -> Completed:
    files = _wheel_and_sdist(target, "from_twine")
    credentials = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": target.token}
    return target.run("twine", "upload", "--repository-url", target.legacy, *files, env=credentials)


def uv(target: Target) -> Completed:
    files = _wheel_and_sdist(target, "from_uv")
    words = ("--publish-url", target.legacy, "--trusted-publishing", "never")
    env = {"UV_PUBLISH_TOKEN": target.token, "UV_HTTP_RETRIES": "0"}
    return target.run("uv", "publish", "--no-config", *words, *files, env=env)


def flit(target: Target) -> Completed:
    _project(target, "from_flit")
    env = {
        "FLIT_INDEX_URL": target.legacy,
        "FLIT_USERNAME": "__token__",
        "FLIT_PASSWORD": target.token,
        "SOURCE_DATE_EPOCH": "1700000000",  # it builds anew each time: without this, the same name has other bytes
    }
    return target.run("flit", "publish", "--no-use-vcs", env=env)


def hatch(target: Target) -> Completed:
    files = _wheel_and_sdist(target, "from_hatch")
    words = ("--no-prompt", "--repo", target.legacy, "--user", "__token__")
    return target.run("hatch", "publish", *words, *files, env={"HATCH_INDEX_AUTH": target.token})


def poetry(target: Target) -> Completed:
    _project(target, "from_poetry")
    _wheel_and_sdist(target, "from_poetry")
    env = {
        "POETRY_REPOSITORIES_TEAM_URL": target.legacy,
        "POETRY_HTTP_BASIC_TEAM_USERNAME": "__token__",
        "POETRY_HTTP_BASIC_TEAM_PASSWORD": target.token,
        "POETRY_KEYRING_ENABLED": "false",
    }
    if target.ca is not None:
        env["POETRY_CERTIFICATES_TEAM_CERT"] = str(target.ca)
    return target.run("poetry", "publish", "--no-interaction", "--repository", "team", env=env)


def pdm(target: Target) -> Completed:
    _project(target, "from_pdm")
    _wheel_and_sdist(target, "from_pdm")
    env = {
        "PDM_PUBLISH_USERNAME": "__token__",
        "PDM_PUBLISH_PASSWORD": target.token,
        "PDM_CHECK_UPDATE": "false",
        "PDM_IGNORE_SAVED_PYTHON": "true",
        "PDM_USE_VENV": "false",
    }
    return target.run("pdm", "publish", "--no-build", "--repository", target.legacy, env=env)


def curl(target: Target) -> Completed:
    file = target.put(build_package(name="from_curl"))
    header = target.folder / "header"
    header.write_text(f"Authorization: Bearer {target.token}\n", encoding="utf-8")
    return target.run(
        "curl", "--fail-with-body", "-sS", "-H", f"@{header}", "-T", file, f"{target.url}/team/noarch/{file.name}"
    )


_RATTLER_BUILD = """
import os, sys
from rattler_build import upload
way, url, file = sys.argv[1:]
token = os.environ["TOKEN"]
if way == "quetz":
    upload.upload_package_to_quetz([file], url, "team", api_key=token)
elif way == "artifactory":
    upload.upload_package_to_artifactory([file], url, "team", token=token)
else:
    upload.upload_package_to_prefix([file], url, "team", api_key=token)
"""


def _rattler_build(way: str) -> Callable[[Target], Completed]:
    def send(target: Target) -> Completed:
        file = target.put(build_package(name=f"from_{way}"))
        words = ("-c", _RATTLER_BUILD, way, target.url, file)
        environment = {**target.environment, "TOKEN": target.token}
        return run_program(sys.executable, *words, env=environment, cwd=target.folder)

    return send


TOOLS: Mapping[str, Callable[[Target], Completed]] = {
    "twine": twine,
    "uv": uv,
    "flit": flit,
    "hatch": hatch,
    "poetry": poetry,
    "pdm": pdm,
    "curl": curl,
    "quetz": _rattler_build("quetz"),
    "artifactory": _rattler_build("artifactory"),
    "prefix": _rattler_build("prefix"),
}
"""Each uploads something whose name begins with `from_` and its own name."""
