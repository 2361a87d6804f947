"""Credentials of registries, from the files of podman and docker."""

import base64
import json

import pytest

from pixi_mirror.errors import MachineError
from pixi_mirror.model.network import Basic, IdentityToken
from pixi_mirror.settings.registries import RegistryCredentials

HOST = "registry.example"


def entry(user, password="word"):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def files(tmp_path):
    """Writes files below the home, and gives the lookup."""

    def written(documents, **environ):
        for name, document in documents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document if isinstance(document, str) else json.dumps(document))
        named = {name: str(tmp_path / value) for name, value in environ.items()}
        return RegistryCredentials(environ=named, home=tmp_path)

    return written


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/", f"{HOST}/team", f"{HOST}/team/a"])
def test_the_keys_of_all_logins_are_known(files, key):
    found = files({".docker/config.json": {"auths": {key: entry("me")}}})
    assert found(HOST, "team/a") == Basic("me", "word")
    assert found("other.example", "team/a") is None


def test_the_longest_beginning_counts_and_podmans_files_come_first(files):
    auths = {HOST: entry("host"), f"{HOST}/team": entry("team")}
    found = files(
        {
            ".config/containers/auth.json": {"auths": {f"{HOST}/team": entry("podman")}},
            ".docker/config.json": {"auths": auths},
        }
    )
    assert found(HOST, "team/a") == Basic("podman", "word")
    assert found(HOST, "tea/a") == Basic("host", "word")


def test_variables_name_files(files):
    documents = {name: {"auths": {HOST: entry(name[0])}} for name in ("a.json", "run/containers/auth.json")}
    documents |= {
        "c/containers/auth.json": {"auths": {HOST: entry("c")}},
        "d/config.json": {"auths": {HOST: entry("d")}},
    }
    order = [
        ("REGISTRY_AUTH_FILE", "a.json"),
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CONFIG_HOME", "c"),
        ("DOCKER_CONFIG", "d"),
    ]
    for number, user in enumerate("arcd"):
        assert files(documents, **dict(order[number:]))(HOST, "x") == Basic(user, "word")


def test_the_hub_has_a_key_of_its_own_and_an_identity_token_is_one(files):
    auths = {"https://index.docker.io/v1/": {"identitytoken": "token"}}
    assert files({".docker/config.json": {"auths": auths}})("docker.io", "library/x") == IdentityToken("token")


def test_a_name_and_a_password_may_stand_in_clear(files):
    auths = {HOST: {"username": "me", "password": "word"}}
    assert files({".docker/config.json": {"auths": auths}})(HOST, "x") == Basic("me", "word")


def test_files_that_say_nothing_are_none(files):
    for document in ("", "{}", {"auths": []}, {"auths": {HOST: {}}}, {"credHelpers": 3, "credsStore": 4}):
        assert files({".docker/config.json": document})(HOST, "x") is None


@pytest.mark.parametrize("document", ["{", "[]", {"auths": {HOST: {"auth": "%%%"}}}, {"auths": {HOST: {"x": 1}}}])
def test_files_that_cannot_be_used_are_said_without_their_words(files, document):
    with pytest.raises(MachineError, match=r"config\.json"):
        files({".docker/config.json": document})(HOST, "x")


def test_a_helper_that_is_not_there_is_named(files):
    with pytest.raises(MachineError, match="docker-credential-nowhere"):
        files({".docker/config.json": {"credsStore": "nowhere"}})(HOST, "x")
