"""Every store of pixi's credentials opens every kind of door, and a wrong one is refused in words that help."""

import json
import os
from collections.abc import Callable

import pytest
from harness.examples import first
from harness.upstream import Step, Upstream, demand_basic, demand_bearer, demand_token
from harness.world import World

BASIC = {"BasicHTTP": {"username": "us er", "password": "p:a/s@s"}}
KINDS: dict[str, tuple[dict, Step]] = {
    "basic": (BASIC, demand_basic("us er", "p:a/s@s")),
    "bearer": ({"BearerToken": "bear.er"}, demand_bearer("bear.er")),
    "oauth": ({"OAuth": {"access_token": "acc", "refresh_token": None, "client_id": "c"}}, demand_bearer("acc")),
    "token": ({"CondaToken": "to-ken"}, demand_token("to-ken")),
}
Given = tuple[list[str], dict[str, str]]
"""Arguments and variables."""


def put(world: World, name: str, text: str) -> str:
    path = world.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _variable(world: World, stored: dict) -> Given:
    return [], {"RATTLER_AUTH_FILE": put(world, "auth.json", json.dumps(stored))}


def _option(world: World, stored: dict) -> Given:
    return ["--auth-file", put(world, "auth.json", json.dumps(stored))], {}


def _default(world: World, stored: dict) -> Given:
    put(world, "home/.rattler/credentials.json", json.dumps(stored))
    return [], {}


def _keyring(world: World, stored: dict) -> Given:
    """A package of that name that knows only the service `rattler`."""
    put(
        world,
        "site/keyring/__init__.py",
        f"import json\nSTORED = json.loads({json.dumps(stored)!r})\n"
        "def get_password(service, account):\n"
        "    return json.dumps(STORED[account]) if service == 'rattler' and account in STORED else None\n",
    )
    return [], {"PYTHONPATH": os.pathsep.join([str(world.directory / "site"), world.environment["PYTHONPATH"]])}


def _configuration(world: World, stored: dict, name: str) -> str:
    return put(world, name, f"authentication-override-file = '{put(world, 'auth.json', json.dumps(stored))}'\n")


def _home_file(world: World, stored: dict) -> Given:
    _configuration(world, stored, "home/.pixi/config.toml")
    return [], {}


def _xdg_file(world: World, stored: dict) -> Given:
    _configuration(world, stored, "home/.config/pixi/config.toml")
    return [], {}


def _pixi_home(world: World, stored: dict) -> Given:
    _configuration(world, stored, "pixi-home/config.toml")
    return [], {"PIXI_HOME": str(world.directory / "pixi-home")}


def _named_file(world: World, stored: dict) -> Given:
    return [], {"PIXI_CONFIG_FILE": _configuration(world, stored, "named.toml")}


def _named_option(world: World, stored: dict) -> Given:
    return ["--config-file", _configuration(world, stored, "named.toml")], {}


def _of_workspace(world: World, stored: dict) -> Given:
    _configuration(world, stored, "workspace/.pixi/config.toml")
    return [], {}


STORES: dict[str, Callable[[World, dict], Given]] = {
    "RATTLER_AUTH_FILE": _variable,
    "--auth-file": _option,
    "the default file": _default,
    "keyring": _keyring,
    "~/.pixi/config.toml": _home_file,
    "~/.config/pixi/config.toml": _xdg_file,
    "PIXI_HOME": _pixi_home,
    "PIXI_CONFIG_FILE": _named_file,
    "--config-file": _named_option,
    "the workspace's configuration": _of_workspace,
}


def update(world: World, given: Given = ([], {}), **options):
    arguments, variables = given
    return world.run("--lock", "workspace", "-e", "prod", *arguments, env=variables, **options)


@pytest.mark.parametrize(
    ("store", "kind"),
    first(
        3,
        [
            *((store, "bearer") for store in STORES),
            *(("the default file", kind) for kind in KINDS),
            ("keyring", "basic"),
        ],
    ),
)
def test_every_store_opens_every_door_at_the_first_request(world, store, kind):
    entry, demand = KINDS[kind]
    world.workspace()
    world.upstream.script("*", demand)
    done = update(world, STORES[store](world, {"127.0.0.1": entry}))
    assert done.status == 0, done.stderr
    assert len(world.requests) == 3


@pytest.mark.parametrize("name", [".netrc", "_netrc", "NETRC"])
def test_netrc_opens_a_door(world, name):
    world.workspace()
    world.upstream.script("*", demand_basic("user", "pass"))
    path = put(world, "named" if name == "NETRC" else f"home/{name}", "machine 127.0.0.1 login user password pass\n")
    os.chmod(path, 0o600)
    assert update(world, ([], {"NETRC": path} if name == "NETRC" else {})).status == 0
    assert len(world.requests) == 3


@pytest.mark.slow
def test_stores_are_asked_in_pixis_order(world):
    """Each store holds another token; one after the other is taken away, and the server notes which was sent."""
    world.workspace()

    def stored(token: str) -> dict:
        return {"127.0.0.1": {"BearerToken": token}}

    variable = put(world, "1.json", json.dumps(stored("1-variable")))
    option = put(world, "2.json", json.dumps(stored("2-option")))
    _, variables = _keyring(world, stored("3-keyring"))
    _default(world, stored("4-default"))
    put(world, "home/.netrc", "machine 127.0.0.1 login 5 password netrc\n")
    os.chmod(world.home / ".netrc", 0o600)
    world.upstream.script("*", demand_bearer("none of them"))

    def sent(arguments: list[str], env: dict[str, str]) -> str:
        world.upstream.forget_requests()
        assert update(world, (arguments, env)).status == 5
        (authorization,) = {request.authorization for request in world.requests}
        return authorization

    assert sent(["--auth-file", option], variables | {"RATTLER_AUTH_FILE": variable}) == "Bearer 1-variable"
    assert sent(["--auth-file", option], variables) == "Bearer 2-option"
    assert sent([], variables) == "Bearer 3-keyring"
    assert sent([], {}) == "Bearer 4-default"
    (world.home / ".rattler/credentials.json").unlink()
    assert sent([], {}).startswith("Basic ")


@pytest.mark.parametrize("account", ["localhost", "*.localhost", "LOCALHOST"])
def test_a_host_is_found_by_its_name_and_by_a_wildcard(world, account):
    world.workspace()
    lock = world.directory / "workspace/pixi.lock"
    lock.write_text(lock.read_text().replace("127.0.0.1", "localhost"))
    world.upstream.script("*", demand_bearer("right"))
    stored = {account: {"BearerToken": "right"}, "127.0.0.1": {"BearerToken": "wrong"}, "*": {"BearerToken": "wrong"}}
    assert update(world, _default(world, stored)).status == 0


def test_an_address_is_found_by_no_wildcard(world):
    world.workspace()
    world.upstream.script("*", demand_bearer("right"))
    assert update(world, _default(world, {"*.0.0.1": {"BearerToken": "right"}})).status == 5
    assert {request.authorization for request in world.requests} == {None}


@pytest.mark.parametrize(
    ("inside", "demand"),
    [("us%20er:p%3Aa%2Fs%40s@{host}", KINDS["basic"][1]), ("{host}/t/to-ken", KINDS["token"][1])],
    ids=["user", "token"],
)
def test_a_credential_within_the_locks_urls_is_sent_and_kept_nowhere(world, inside, demand):
    world.workspace()
    lock = world.directory / "workspace/pixi.lock"
    host = world.upstream.authority
    lock.write_text(lock.read_text().replace(host, inside.replace("{host}", host)))
    world.upstream.script("*", demand)
    assert update(world).status == 0
    assert (world.mirror / world.authority_path / "conda-forge/noarch").is_dir()
    # A file that went missing is asked for again: the pins have no secret, the lock has.
    next(world.mirror.rglob("tool-*.conda")).unlink()
    assert world.run("cache", "prune", "--apply", "--force").status in (0, 2)
    world.upstream.forget_requests()
    assert world.run("--cache-dir", "elsewhere").status == 0
    assert len(world.requests) == 1


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_a_wrong_credential_is_status_5_after_one_request_a_file_and_says_how_to_give_another(world, kind):
    world.workspace()
    world.upstream.script("*", demand_bearer("right"))
    done = update(world, _default(world, {"127.0.0.1": KINDS[kind][0]}))
    assert done.status == 5
    assert sorted(request.bare for request in world.requests) == sorted({request.bare for request in world.requests})
    assert len(world.requests) == 3
    assert "status 401" in done.stderr
    assert "from the credential store" in done.stderr
    assert "pixi auth login 127.0.0.1" in done.stderr
    assert "--auth-file" in done.stderr


def test_no_credential_at_all_says_so(world):
    world.workspace()
    world.upstream.script("*", demand_bearer("right"))
    done = update(world)
    assert done.status == 5
    assert "no credentials were sent" in done.stderr
    assert "pixi auth login 127.0.0.1" in done.stderr


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_the_host_of_a_mirror_gets_its_own_credential_and_the_origins_stays_at_home(world, kind):
    entry, demand = KINDS[kind]
    world.workspace()
    with Upstream(root=world.root, address="127.0.0.2") as mirror:
        mirror.script("*", demand)
        put(world, "home/.pixi/config.toml", f'[mirrors]\n"{world.upstream.url}" = ["{mirror.url}"]\n')
        stored = {"127.0.0.2": entry, "127.0.0.1": {"BearerToken": "of the origin"}}
        assert update(world, _default(world, stored)).status == 0
        assert len(mirror.requests) == 3
        assert not [request for request in mirror.requests if "of the origin" in str(request.headers)]
    assert world.requests == []


@pytest.mark.parametrize("kind", ["user", "token"])
def test_a_credential_within_a_mirrors_url_goes_to_that_mirror(world, kind):
    world.workspace()
    with Upstream(root=world.root, address="127.0.0.2") as mirror:
        mirror.script("*", KINDS["basic"][1] if kind == "user" else KINDS["token"][1])
        place = f"us%20er:p%3Aa%2Fs%40s@{mirror.authority}" if kind == "user" else f"{mirror.authority}/t/to-ken"
        put(world, "home/.pixi/config.toml", f'[mirrors]\n"{world.upstream.url}" = ["http://{place}"]\n')
        assert update(world).status == 0
        assert len(mirror.requests) == 3


@pytest.mark.parametrize("way", ["--lock", "refresh"])
def test_the_configuration_of_the_workspace_counts_from_wherever_it_is_mirrored(world, way):
    entry, demand = KINDS["bearer"]
    world.workspace()
    elsewhere = world.directory / "elsewhere"
    elsewhere.mkdir()
    if way == "refresh":
        assert world.run("--lock", "workspace", "-e", "prod").status == 0
        next(world.mirror.rglob("tool-*.conda")).unlink()
    world.upstream.script("*", demand)
    _of_workspace(world, {"127.0.0.1": entry})
    named = ["--lock", world.directory / "workspace", "-e", "prod"] if way == "--lock" else []
    done = world.run(*named, "-o", world.mirror, "--cache-dir", "fresh", cwd=elsewhere)
    assert done.status == 0, done.stderr


def test_a_repair_has_the_configuration_of_the_workspace_too(world):
    entry, demand = KINDS["bearer"]
    world.workspace()
    assert update(world).status == 0
    next(world.mirror.rglob("tool-*.conda")).unlink()
    world.upstream.script("*", demand)
    _of_workspace(world, {"127.0.0.1": entry})
    elsewhere = world.directory / "elsewhere"
    elsewhere.mkdir()
    done = world.run("verify", world.mirror, "--repair", "--cache-dir", "fresh", cwd=elsewhere)
    assert done.status == 0, done.stderr


@pytest.mark.parametrize("told", ["PIXI_CONFIG_FILE", "--config-file"])
def test_a_named_configuration_replaces_that_of_the_home(world, told):
    entry, demand = KINDS["bearer"]
    world.workspace()
    world.upstream.script("*", demand)
    _home_file(world, {"127.0.0.1": entry})
    empty = put(world, "empty.toml", "")
    given = (["--config-file", empty], {}) if told == "--config-file" else ([], {told: empty})
    assert update(world, given).status == 5


BROKEN = {
    "no JSON": '{"127.0.0.1": {"BearerToken": "CANARY',
    "no object": '["CANARY"]',
    "no shape": '{"127.0.0.1": {"BearerToken": {"CANARY": 1}}}',
    "half a pair": '{"127.0.0.1": {"BasicHTTP": {"username": "CANARY"}}}',
    "no text": "\udcff CANARY",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_store_that_cannot_be_read_is_status_8_with_its_name_and_nothing_of_it(world, broken):
    world.workspace()
    path = world.home / ".rattler/credentials.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(broken.encode("utf-8", "surrogateescape"))
    done = world.run("--lock", "workspace", "-e", "prod", "-v")
    assert done.status == 8
    assert str(path) in done.stderr
    assert "CANARY" not in done.stderr + done.stdout
    assert world.requests == []


def test_an_auth_file_that_is_not_there_is_said(world):
    world.workspace()
    done = update(world, (["--auth-file", "nowhere.json"], {}))
    assert done.status == 8
    assert "--auth-file: there is no file nowhere.json" in done.stderr
