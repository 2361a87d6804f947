"""What is wrong is refused in words that help, by its own status, before anything is fetched or written."""

import json
import os

import pytest
from harness.examples import first
from harness.looking import archives, contents, identities, repodata
from harness.upstream import answer, endless, html200, status, truncate

from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import CondaLockEntry

LOCK = "workspace/pixi.lock"
ONE = "/conda-forge/noarch/one-1.0-0.conda"


def run(world, *args, status=0, **options):
    done = world.run(*args, **options)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def entry(world, name="one", **options):
    return world.publish(build_package(name=name, **options))


def lock(world, *entries, directory="workspace", **options):
    return world.lock(directory, environments={"default": {"linux-64": entries}}, **options)


def nothing_was_begun(world):
    return world.requests == [] and not (world.mirror / "pixi-mirror.json").exists() and not cached(world)


def cached(world):
    """Name -> bytes of everything in the cache: files, and what is half-fetched."""
    files = contents(world.home / "cache")
    return {path: data for path, data in files.items() if path.startswith(("sha256/", "partial/"))}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "no lock"),
        ("", "empty"),
        ("   \n", "empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        ("version: 6\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b\n", "conflict"),
        ("version: 6\nenvironments: [\n", "line"),
        ("version: 99\nenvironments: {}\npackages: []\n", "99"),
        ("[]\n", "version"),
        ("\x00\x01", "pixi.lock"),
    ],
)
def test_what_is_no_lock_is_status_3_in_words_that_help(world, text, word):
    path = world.directory / "workspace" / "pixi.lock"
    path.parent.mkdir()
    if text is not None:
        path.write_text(text)
    done = run(world, "--lock", LOCK, status=3)
    assert str(path) in done.stderr
    assert word in done.stderr
    assert nothing_was_begun(world)


def test_an_entry_that_the_lock_does_not_have_is_status_3_and_named(world):
    path = lock(world, entry(world), entry(world, "two"))
    text = path.read_text()
    head, _, pool = text.partition("\npackages:\n")
    path.write_text(f"{head}\npackages:\n{pool[: pool.index('- conda:', 5)]}")
    assert "two-1.0-0.conda" in run(world, "--lock", LOCK, status=3).stderr
    assert nothing_was_begun(world)


HOSTILE = [
    "..%2F..%2Fevil-1.0-0.conda",
    "%2e%2e/evil-1.0-0.conda",
    "..%5Cevil-1.0-0.conda",
    "evil%00-1.0-0.conda",
    "evil%0A-1.0-0.conda",
    ".evil-1.0-0.conda",
    "evil%252Fx-1.0-0.conda",
    "aux-1.0-0.conda/../../x-1.0-0.conda",
    "<script>-1.0-0.conda",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_name_is_refused_before_any_request_or_file(world, name):
    path = lock(world, entry(world))
    path.write_text(path.read_text().replace("one-1.0-0.conda", name) + "  name: one\n  version: '1.0'\n  build: '0'\n")
    outside = identities(world.directory / "upstream")
    assert run(world, "--lock", LOCK, status=3).stderr
    assert nothing_was_begun(world)
    assert archives(world.mirror) == set()
    assert identities(world.directory / "upstream") == outside
    assert {each.name for each in world.directory.iterdir()} <= {"upstream", "home", "workspace", "mirror"}


@pytest.mark.parametrize("name", ["repodata.json", "evil-1.0-0.exe", "pixi-mirror.json"])
def test_what_is_no_archive_is_never_fetched(world, name):
    path = lock(world, entry(world, "zzz"), entry(world))
    told = path.read_text().replace("zzz-1.0-0.conda", name) + "  name: zzz\n  version: '1.0'\n  build: '0'\n"
    path.write_text(told)
    run(world, "--lock", LOCK, status=4)
    assert nothing_was_begun(world)
    run(world, "--lock", LOCK, "--skip-unmirrorable")
    assert [request.bare for request in world.requests] == [ONE]


@pytest.mark.parametrize("option", ["--skip-unmirrorable", "--allow-unhashed"])
def test_no_option_lets_a_hostile_name_in(world, option):
    path = lock(world, entry(world))
    path.write_text(path.read_text().replace("one-1.0-0.conda", "..%2F..%2Fevil-1.0-0.conda"))
    run(world, "--lock", LOCK, option, status=3)
    assert nothing_was_begun(world)


@pytest.mark.parametrize("code", [401, 403, 404, 500])
def test_what_cannot_be_fetched_is_status_5_and_leaves_the_mirror_as_it_was(world, code):
    lock(world, entry(world), entry(world, "two"))
    world.upstream.script(ONE, status(code))
    answer = world.run_json("--lock", LOCK, "--retries", "0", status=5)
    (failed,) = answer["failed"]
    assert failed["url"] == world.upstream.url + ONE
    assert failed["status"] == 5
    assert str(code) in failed["message"]
    assert answer["error"]["status"] == 5
    assert archives(world.mirror) == set()
    assert not (world.mirror / "pixi-mirror.json").exists()


def test_what_did_arrive_is_not_fetched_again(world):
    lock(world, entry(world), entry(world, "two"))
    world.upstream.script(ONE, status(404))
    run(world, "--lock", LOCK, "--retries", "0", status=5)
    world.upstream.script(ONE)
    world.upstream.forget_requests()
    run(world, "--lock", LOCK)
    assert [request.bare for request in world.requests] == [ONE]


@pytest.mark.parametrize("how", ["other bytes", "a login page", "too long", "endless"])
def test_wrong_bytes_are_status_6_and_stay_nowhere(world, how):
    built = build_package(name="one", payload_size=1000)
    lock(world, world.publish(built), entry(world, "two"))
    lie = b"lie" * 1000
    steps = {
        "other bytes": answer(lie),
        "a login page": html200(),
        "too long": answer(built.data + bytes(2 << 20)),
        "endless": endless(),
    }
    world.upstream.script(ONE, steps[how])
    done = world.run_json("--lock", LOCK, status=6)
    assert [failed["status"] for failed in done["failed"]] == [6]
    assert ONE in done["error"]["message"]
    assert len(world.upstream.requests_to(ONE)) == 1
    assert archives(world.mirror) == set()
    good = build_package(name="two").data
    assert {path: data for path, data in cached(world).items() if data not in (good, b"")} == {}


def test_a_download_that_breaks_off_goes_on(world):
    built = build_package(name="one", payload_size=100_000)
    lock(world, world.publish(built))
    world.upstream.script(ONE, truncate(50_000))
    run(world, "--lock", LOCK, "--retries", "0", status=5)
    world.upstream.script(ONE)
    world.upstream.forget_requests()
    run(world, "--lock", LOCK)
    assert [request.range for request in world.requests] == ["bytes=50000-"]


def test_md5_alone_is_status_4_unless_it_is_allowed(world):
    lock(world, entry(world).hotfixed(sha256=None))
    assert "--allow-md5" in run(world, "--lock", LOCK, status=4).stderr
    assert nothing_was_begun(world)
    run(world, "--lock", LOCK, "--allow-md5")
    record = repodata(world.mirror / world.authority_path / "conda-forge" / "noarch")["one-1.0-0.conda"]
    assert record["sha256"] == build_package(name="one").record["sha256"]
    assert run(world).stdout.startswith("nothing to do")


def test_a_wrong_md5_is_status_6(world):
    lock(world, entry(world).hotfixed(sha256=None, md5="0" * 32))
    run(world, "--lock", LOCK, "--allow-md5", status=6)
    assert archives(world.mirror) == set()


def test_no_hash_is_status_4_unless_it_is_allowed(world):
    lock(world, entry(world).hotfixed(sha256=None, md5=None))
    assert "--allow-unhashed" in run(world, "--lock", LOCK, status=4).stderr
    run(world, "--lock", LOCK, "--allow-md5", status=4)
    assert nothing_was_begun(world)


@pytest.mark.parametrize("size", first(1, [None, "of the lock"]))
def test_the_first_fetch_pins_the_hash_and_other_bytes_later_are_status_6(world, size):
    built = build_package(name="one")
    lock(world, entry(world).hotfixed(sha256=None, md5=None, **({"size": None} if size is None else {})))
    run(world, "--lock", LOCK, "--allow-unhashed")
    stored = world.mirror / world.authority_path / "conda-forge" / "noarch" / "one-1.0-0.conda"
    assert stored.read_bytes() == built.data
    assert run(world).stdout.startswith("nothing to do")
    other = bytes(len(built.data))
    world.upstream.script(ONE, answer(other))
    stored.unlink()
    for path in (world.home / "cache" / "sha256").rglob("*"):
        if path.is_file():
            path.unlink()
    assert built.record["sha256"] in run(world, status=6).stderr
    world.upstream.script(ONE)
    run(world)
    assert stored.read_bytes() == built.data


SOURCES = """version: 6
environments:
  default:
    channels:
    - url: {url}/conda-forge/
    packages:
      linux-64:
      - conda: pkg/
{one}
packages:
- conda: ./pkg
  name: mine
  version: 1.0
  subdir: noarch
"""


def test_a_source_package_that_is_no_directory_is_status_4_unless_it_is_skipped(world):
    path = lock(world, entry(world))
    one = f"      - conda: {world.upstream.url}{ONE}"
    pool = path.read_text().partition("\npackages:\n")[2]
    location = "https://files.example/mine-1.0.tar.gz"
    sources = SOURCES.replace("./pkg", location).replace("conda: pkg/", f"conda: {location}")
    path.write_text(sources.format(url=world.upstream.url, one=one) + pool)
    entry_of_it = "mine @ https://files.example/mine-1.0.tar.gz"
    done = world.run_json("--lock", LOCK, status=4)
    assert "mine" in done["error"]["message"]
    assert [each["entry"] for each in done["refused"]] == [entry_of_it]
    assert "--skip-unmirrorable" in done["error"]["message"]
    assert nothing_was_begun(world)
    done = run(world, "--lock", LOCK, "--skip-unmirrorable")
    assert "mine" in done.stderr
    assert len(archives(world.mirror)) == 1
    (subscription,) = world.run_json("status")["subscriptions"]
    assert subscription["refused"] == [entry_of_it]


def test_gcs_is_status_4_and_named_with_everything_else_that_cannot_be(world):
    record = entry(world).record
    entries = [CondaLockEntry(url="gcs://host.example/c/noarch/one-1.0-0.conda", record=record)]
    entries.append(entry(world, "two").hotfixed(sha256=None, md5=None))
    lock(world, *entries, channels=["gcs://host.example/c/"])
    done = run(world, "--lock", LOCK, status=4)
    assert "gcs://host.example/c/noarch/one-1.0-0.conda" in done.stderr
    assert "two-1.0-0.conda" in done.stderr
    assert nothing_was_begun(world)
    # What another option would bring is not left out by this one.
    assert "--allow-unhashed" in run(world, "--lock", LOCK, "--skip-unmirrorable", status=4).stderr
    entries.pop()
    lock(world, *entries, channels=["gcs://host.example/c/"])
    done = run(world, "--lock", LOCK, "--skip-unmirrorable")
    assert "gcs://host.example/c/noarch/one-1.0-0.conda" in done.stderr
    assert archives(world.mirror) == set()


def test_a_directory_of_others_is_no_mirror(world):
    world.workspace()
    world.mirror.mkdir()
    (world.mirror / "mine.txt").write_text("mine")
    assert "mirror" in run(world, "--lock", LOCK, status=8).stderr
    assert [path.name for path in world.mirror.iterdir()] == ["mine.txt"]
    assert world.requests == []


def test_an_empty_directory_will_do(world):
    world.workspace()
    world.mirror.mkdir()
    run(world, "--lock", LOCK)


@pytest.mark.parametrize("verb", ["update", "status", "verify", "prune"])
def test_a_file_is_no_mirror(world, verb):
    world.workspace()
    world.mirror.write_text("mine")
    args = ("--lock", LOCK) if verb == "update" else ()
    assert str(world.mirror.name) in run(world, verb, *args, status=8).stderr
    assert world.mirror.read_text() == "mine"


def test_a_second_writer_is_status_75_and_writes_nothing(world):
    fcntl = pytest.importorskip("fcntl", reason="the test holds the lock as POSIX systems do")
    world.workspace()
    run(world, "--lock", LOCK, "-e", "prod")
    (world.mirror / ".pixi-mirror" / "unchanged.json").unlink()
    before = identities(world.mirror)
    with (world.mirror / ".pixi-mirror" / "lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for verb in (
            ("update",),
            ("update", "--lock", LOCK, "-e", "default"),
            ("forget", "--lock", LOCK),
            ("prune", "--apply"),
            ("verify", "--repair"),
        ):
            done = run(world, *verb, status=75)
            assert "another process" in done.stderr, verb
        run(world, "status")
        run(world, "verify")
        run(world, "prune")
        run(world, "update", "--dry-run")
    assert identities(world.mirror) == before


def test_every_option_has_a_variable_and_the_command_line_wins(world):
    world.workspace()
    env = {
        "PIXI_MIRROR_LOCK": LOCK,
        "PIXI_MIRROR_ENVIRONMENT": "prod,default",
        "PIXI_MIRROR_PLATFORM": "osx-arm64",
        "PIXI_MIRROR_OUTPUT": "elsewhere",
        "PIXI_MIRROR_JSON": "yes",
    }
    done = run(world, env=env)
    assert done.json["mirror"] == "elsewhere"
    assert {row["name"] for row in done.json["wanted"]} == {"base", "tool"}
    done = run(world, "-e", "prod", "-p", "linux-64", "-o", "here", env=env)
    assert done.json["mirror"] == "here"
    assert {row["name"] for row in done.json["wanted"]} == {"base", "pure", "tool"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PIXI_MIRROR_JOBS", "many"),
        ("PIXI_MIRROR_JOBS", "0"),
        ("PIXI_MIRROR_FLAT", "perhaps"),
        ("PIXI_MIRROR_INDEX", "best"),
        ("PIXI_MIRROR_PROGRESS", "dots"),
        ("PIXI_MIRROR_RETRIES", "-1"),
    ],
)
def test_a_bad_value_of_a_variable_is_status_2_and_names_it(world, variable, value):
    world.workspace()
    done = run(world, "--lock", LOCK, env={variable: value}, status=2)
    assert variable in done.stderr
    assert value in done.stderr
    assert nothing_was_begun(world)


def test_a_wrong_verb_is_status_2_with_the_nearest(world):
    assert "'verify'" in run(world, "verfy", status=2).stderr
    assert "--help" in run(world, "xyzzy", status=2).stderr


@pytest.mark.parametrize(
    "words", [("--enviro", "prod"), ("--dry",), ("--all",), ("verify", "--rep"), ("prune", "--app"), ("--nonsense",)]
)
def test_options_are_not_abbreviated(world, words):
    done = run(world, *words, status=2)
    assert done.stdout == ""
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    "words", [("--jobs", "0"), ("--retries", "x"), ("--index", "best"), ("--lock",), ("-o", ""), ("extra", "words")]
)
def test_bad_values_are_status_2(world, words):
    assert run(world, *words, status=2).stdout == ""


def failing(world):
    """Verb -> arguments of a run that fails, and its status."""
    return {
        "update": (("update", "--lock", "nowhere"), 3),
        "status": (("status", "nowhere"), 8),
        "verify": (("verify", "nowhere"), 8),
        "prune": (("prune", "nowhere"), 8),
        "forget": (("forget", "--lock", "nowhere"), 3),
    }


@pytest.mark.parametrize("verb", first(2, ["update", "status", "verify", "prune", "forget"]))
def test_a_failure_has_all_keys_of_a_success_and_an_error(world, verb):
    world.workspace()
    good = {"update": ("update", "--lock", LOCK), "forget": ("forget", "--lock", LOCK)}
    if verb != "update":
        run(world, "--lock", LOCK)
    success = world.run_json(*good.get(verb, (verb,)))
    words, code = failing(world)[verb]
    failure = world.run_json(*words, status=code)
    assert failure.keys() == success.keys() | {"error"}
    assert {key: type(value) for key, value in failure.items() if success.get(key) is not None}.items() >= {
        key: type(value) for key, value in success.items() if failure.get(key) is not None
    }.items()
    assert failure["error"].keys() == {"status", "message", "items"}
    assert failure["error"]["status"] == code
    assert failure["error"]["message"]
    assert failure["verb"] == verb


def test_an_error_has_an_item_for_each_thing_that_failed(world):
    lock(world, entry(world), entry(world, "two"), entry(world, "three"))
    world.upstream.script("*", status(404))
    error = world.run_json("--lock", LOCK, "--retries", "0", status=5)["error"]
    assert len(error["items"]) == 3


def test_a_report_has_the_json_of_the_run_also_of_one_that_fails(world):
    world.workspace()
    report = world.directory / "report.json"
    done = run(world, "--lock", LOCK, "--report", report)
    assert "brought 5 files" in done.stdout
    assert len(json.loads(report.read_text())["fetched"]) == 5
    run(world, "--lock", LOCK, "--report", report)
    assert json.loads(report.read_text())["fetched"] == []
    assert world.run_json("--lock", LOCK, "--report", report) == json.loads(report.read_text())
    run(world, "--lock", LOCK, "-e", "nobody", "--report", report, status=3)
    assert json.loads(report.read_text())["error"]["status"] == 3


def test_a_report_that_cannot_be_written_is_status_8(world):
    world.workspace()
    done = run(world, "--lock", LOCK, "--report", "gone/run.json", status=8)
    assert done.stderr == "pixi-mirror: --report: there is no directory gone; nothing was changed.\n"
    (world.directory / "folder.json").mkdir()
    done = run(world, "--lock", LOCK, "--report", "folder.json", status=8)
    assert "the report folder.json cannot be written: Is a directory" in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_mirror_that_cannot_be_written_is_status_8(world):
    world.workspace()
    world.mirror.mkdir(mode=0o500)
    run(world, "--lock", LOCK, status=8)


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(world):
    lock(world, entry(world).hotfixed(size=10**12))
    done = run(world, "--lock", LOCK, status=8)
    assert "has too little room: 1.0 TB are needed and " in done.stderr
    assert nothing_was_begun(world)
