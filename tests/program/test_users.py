"""`users` and `serve --users` as they are run: who gets in, what is told of whom, and that no secret ever is."""

import base64
import http.client
import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from harness import program
from harness.python_index import PythonIndex
from harness.serving import running
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel

PASSWORD = "cAnArY horse"
GUESS = "cAnArY-guess"


def users(world, *words, stdin="", status=0):
    words = ["users", *words, "--file", "users"]
    done = program.run(words, env=world.environment, cwd=world.directory, given=stdin)
    assert done.status == status, done.stderr
    assert "cAnArY" not in done.stdout + done.stderr
    return done


def added(world, name, *words, password=PASSWORD):
    return users(world, "add", name, *words, stdin=f"{password}\n").stdout


def token_of(world, name, *words):
    return users(world, "add", name, "--token", *words).stdout.strip()


@contextmanager
def serving(world, *words):
    """A server of the world's mirror for the users: how it is asked, and a list that has what it said in the end."""
    said = []
    words = ("mirror", "--port", "0", "--users", "users", *words)
    with running(*words, env=world.environment, cwd=world.directory) as server:
        yield Asking(server.url), said
    said += [server.stdout, server.stderr]


class Asking:
    def __init__(self, url):
        self.url = url

    def __call__(self, path, authorization=None, method="GET"):
        """The status, the fields and the body."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, headers={"Authorization": authorization} if authorization else {})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def status(self, path, authorization=None):
        return self(path, authorization)[0]


def basic(name, password=PASSWORD):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def mirror(world):
    """A mirror with a channel and two wheels, one of each of two indexes; the paths of what is in it."""
    found = {}
    entries = [world.publish(small_packages()["base"])]
    indexes = [PythonIndex(world, "open"), PythonIndex(world, "closed")]
    for index, name in zip(indexes, ("seen", "hidden"), strict=True):
        built = build_wheel(name=name, version="1.0")
        entry = index.publish(built, name=name, version="1.0")
        entries.append(entry)
        found[name] = f"/{world.authority_path}/{entry.url.split('/', 3)[3]}"
        found[f"{name} page"] = f"/{urlsplit(index.url).netloc.replace(':', '_')}{urlsplit(index.url).path}/{name}/"
    world.lock(
        "workspace",
        environments={"default": {"linux-64": entries}},
        indexes=[index.url for index in indexes],
        version=7,
    )
    done = world.run("--lock", "workspace/pixi.lock")
    assert done.status == 0, done.stderr
    found["channel"] = f"/{world.authority_path}/conda-forge/noarch/repodata.json"
    return found


# The file


def test_the_file_is_its_owners_alone_and_has_no_secret(world):
    assert added(world, "ada", "--read", "conda-forge") == "added ada in users; reads conda-forge\n"
    token = token_of(world, "ci")
    file = world.directory / "users"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert PASSWORD not in text
    assert token not in text
    assert users(world, "list").stdout == "ada  password  reads conda-forge\nci  token  reads everything\n"
    assert token not in users(world, "list", "--json").stdout


def test_a_token_is_all_of_stdout(world):
    token = users(world, "add", "ci", "--token").stdout
    assert token.startswith("pm-")
    assert set(token[3:-1]) <= set("0123456789abcdef")
    assert token.count("\n") == 1


def test_what_is_not_given_stays_as_it_was(world):
    added(world, "ada", "--read", "simple", "--read", "conda-forge")
    token_of(world, "ada")
    assert users(world, "list").stdout == "ada  password and token  reads conda-forge, simple\n"
    assert added(world, "ada", "--read", "/").startswith("changed ada")
    assert users(world, "list").stdout == "ada  password and token  reads everything\n"
    users(world, "remove", "ada")
    assert users(world, "list").stdout == "users has no users\n"


def test_other_rights_alone_need_no_new_password(world):
    added(world, "ada", "--read", "simple")
    before = (world.directory / "users").read_text()
    assert users(world, "add", "ada", "--read", "conda-forge").stdout == "changed ada in users; reads conda-forge\n"
    assert (world.directory / "users").read_text() == before.replace('"simple"', '"conda-forge"')
    assert "no password on stdin" in users(world, "add", "ada", status=2).stderr
    assert "no password on stdin" in users(world, "add", "bob", "--read", "simple", status=2).stderr
    added(world, "ada", "--read", "simple")
    assert (world.directory / "users").read_text() != before


def test_other_rights_alone_ask_no_terminal(world):
    added(world, "ada", "--read", "simple")
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pixi_mirror", "users", "add", "ada", "--file", "users", "--read", "/"]
    done = subprocess.run(
        command, cwd=world.directory, env=world.environment, stdin=theirs, capture_output=True, timeout=60, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"changed ada in users; reads everything\n")


@pytest.mark.parametrize(
    ("words", "stdin", "reason"),
    [
        (("add",), "", "name of a user"),
        (("add", "cAnArY:x"), "", "no name of a user"),
        (("add", "ada"), "", "no password on stdin"),
        (("add", "ada"), "cAnArY\n", "shorter than 8"),
        (("add", "ada"), "cAnArY\x07cAnArY\n", "control characters"),
        (("add", "ada", "--read", "../x"), f"{PASSWORD}\n", "--read"),
        (("add", "ada", "--read", "*/x"), f"{PASSWORD}\n", "--read"),
        (("add", "ada", "--upload", "/"), f"{PASSWORD}\n", "--upload"),
        (("add", "ada", "--upload", "none", "--upload", "team"), f"{PASSWORD}\n", "give it alone"),
        (("add", "ada", "--expires", "90d"), f"{PASSWORD}\n", "goes with --token"),
        (("add", "ada", "--token", "--expires", "0d"), "", "more than 0 days"),
        (("list", "ada"), "", "takes no name"),
    ],
)
def test_what_cannot_be_done_is_status_2_and_leaves_no_file(world, words, stdin, reason):
    assert reason in users(world, *words, stdin=stdin, status=2).stderr
    assert not (world.directory / "users").exists()


def test_a_token_in_the_variable_of_the_option_is_not_told(world):
    done = world.run("users", "add", "ci", "--file", "users", env={"PIXI_MIRROR_TOKEN": "pm-cAnArY"})
    assert done.status == 2
    assert "PIXI_MIRROR_TOKEN" in done.stderr
    assert "cAnArY" not in done.stderr


def test_who_is_not_there_cannot_be_removed(world):
    assert "no file of users" in users(world, "remove", "ada", status=8).stderr
    added(world, "eve")
    assert "no user ada" in users(world, "remove", "ada", status=2).stderr


def test_a_file_that_others_can_write_serves_nobody(world, mirror):
    added(world, "ada")
    (world.directory / "users").chmod(0o620)
    done = world.run("serve", "mirror", "--port", "0", "--users", "users")
    assert done.status == 8
    assert "chmod 600" in done.stderr
    assert "chmod 600" in users(world, "list", status=8).stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "mirror.example"])
def test_without_tls_passwords_stay_on_this_machine(world, mirror, host):
    added(world, "ada")
    done = world.run("serve", "mirror", "--port", "0", "--users", "users", "--host", host)
    assert done.status == 2
    assert "--insecure" in done.stderr


def test_insecure_is_heeded(world, mirror):
    added(world, "ada")
    with serving(world, "--host", "0.0.0.0", "--insecure") as (ask, _):
        assert ask.status(mirror["channel"]) == 401
        assert ask.status(mirror["channel"], basic("ada")) == 200


# The server


def test_who_is_not_known_gets_401_with_the_realm_and_no_hint(world, mirror):
    added(world, "ada")
    with serving(world) as (ask, _):
        wrong = [None, basic("ada", GUESS), basic("nobody", GUESS), f"Bearer {GUESS}", "Basic !"]
        paths = [mirror["channel"], "/nothing/there", "/", "/%2e%2e/x", f"/t/{GUESS}{mirror['channel']}"]
        replies = [ask(path, each) for path in paths for each in wrong]
        for status, fields, body in replies:
            assert (status, body) == (401, replies[0][2])
            assert fields["www-authenticate"].startswith('Basic realm="pixi-mirror"')
            assert 'Bearer realm="pixi-mirror"' in fields["www-authenticate"]
            assert fields["cache-control"] == "no-store"
            assert {*fields} == {*replies[0][1]}
        assert ask(mirror["channel"], None, "HEAD")[0] == 401
        assert ask.status("/-/health") == 200


def test_whoever_is_known_reads_in_every_way_and_no_shared_cache_keeps_it(world, mirror):
    added(world, "ada")
    token = token_of(world, "ci")
    ways = [("", basic("ada")), ("", f"Bearer {token}"), (f"/t/{token}", None), ("", basic("ci", token))]
    with serving(world) as (ask, _):
        for prefix, authorization in ways:
            for path in (mirror["channel"], mirror["seen"], mirror["seen page"]):
                status, fields, _ = ask(prefix + path, authorization)
                assert status == 200, (prefix, path)
                assert "private" in fields["cache-control"]
                assert "public" not in fields["cache-control"]
            status, fields, _ = ask(prefix + mirror["seen page"].rstrip("/"), authorization)
            assert (status, fields["location"]) == (301, "seen/")
        assert "max-age=31536000, immutable" in ask(mirror["seen"], basic("ada"))[1]["cache-control"]


def test_what_somebody_may_not_read_is_404_like_what_is_not_there(world, mirror):
    channel = mirror["channel"].rsplit("/", 2)[0]
    added(world, "ada", "--read", channel)
    token = token_of(world, "ci", "--read", f"/{world.authority_path}/open/")
    with serving(world) as (ask, _):
        for authorization in (basic("ada"), f"Bearer {token}"):
            missing = ask(f"{channel}/nothing", authorization)
            denied = ask(mirror["hidden"], authorization)
            assert (denied[0], denied[2]) == (404, missing[2]) == (404, b"not in this mirror\n")
            del missing[1]["date"], denied[1]["date"]
            assert denied[1] == missing[1]
        expected = {"channel": (200, 404), "seen": (404, 200), "seen page": (404, 200), "hidden page": (404, 404)}
        for what, statuses in expected.items():
            assert (ask.status(mirror[what], basic("ada")), ask.status(mirror[what], f"Bearer {token}")) == statuses
        assert ask.status(mirror["seen"] + ".metadata", f"Bearer {token}") == 200
        assert ask.status("/simple/", f"Bearer {token}") == 404
        assert ask.status("/pixi-mirror.json", f"Bearer {token}") == 404


def test_the_files_that_simple_lists_are_read_by_who_may_read_simple(world, mirror):
    token = token_of(world, "ci", "--read", "simple")
    with serving(world) as (ask, _):
        bearer = f"Bearer {token}"
        assert [
            ask.status(path, bearer) for path in ("/simple/", "/simple/seen/", mirror["seen"], mirror["hidden"])
        ] == [200] * 4
        assert ask.status(mirror["channel"], bearer) == 404


def test_a_running_server_heeds_a_change_and_says_once_that_one_is_broken(world, mirror):
    added(world, "ada")
    token = token_of(world, "ci")
    file = world.directory / "users"
    with serving(world, "--access-log", "none") as (ask, said):
        assert ask.status(mirror["channel"], basic("ada")) == 200
        users(world, "remove", "ada")
        assert ask.status(mirror["channel"], basic("ada")) == 401
        added(world, "ada", password="another horse")
        assert ask.status(mirror["channel"], basic("ada")) == 401
        assert ask.status(mirror["channel"], basic("ada", "another horse")) == 200
        file.write_bytes(file.read_bytes()[:-9])
        for _ in range(3):
            assert ask.status(mirror["channel"], basic("ada", "another horse")) == 200
            assert ask.status(mirror["channel"], f"Bearer {token}") == 200
    assert said[1].count("users, line 3: ") == 1


def test_no_secret_is_ever_said(world, mirror):
    added(world, "ada")
    token = token_of(world, "ci")
    cut = token.replace("a", "b")
    with serving(world) as (ask, said):
        for path in (mirror["channel"], "/nothing", "/", mirror["seen page"].rstrip("/")):
            for authorization in (basic("ada"), basic("ada", GUESS), f"Bearer {token}", f"Bearer {GUESS}", "x cAnArY"):
                replies = [
                    ask(path, authorization),
                    ask(f"/t/{token}{path}", authorization),
                    ask(f"/%74/{cut}{path}?token={token}", authorization),
                    ask(f"http://ada:cAnArY@127.0.0.1/t/{token}{path}"),
                    ask(path, authorization, "POST"),
                ]
                # A client is led on with the query that it sent itself; nobody else sees it.
                said += [str((status, {**fields, "location": ""}, body)) for status, fields, body in replies]
    text = "".join(said)
    assert '"path": "/t/***' in text
    for secret in ("cAnArY", token, cut, token[3:], basic("ada")[6:], basic("ada", GUESS)[6:]):
        assert secret not in text


def test_a_server_warns_of_a_right_that_leads_to_nothing(world, mirror):
    channel = mirror["channel"].rsplit("/", 2)[0].strip("/")
    added(world, "ada", "--read", channel, "--read", f"{channel}e")
    with serving(world) as (_, said):
        pass
    assert f"warning: ada may read {channel}e, and the mirror holds nothing there\n" in said[1]
    assert f"ada may read {channel}," not in said[1]


def test_metrics_are_for_those_who_may_read_everything(world, mirror):
    added(world, "ada")
    added(world, "bob", "--read", mirror["channel"].rsplit("/", 2)[0].strip("/"))
    with serving(world) as (ask, _):
        answers = [ask("/-/metrics", each)[0] for each in (None, basic("bob"), basic("ada"))]
        assert answers == [401, 404, 200]
        assert ask("/-/health")[0] == 200
