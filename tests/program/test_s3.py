"""Channels in S3 buckets: fetched with the right keys, resumed, refused in words that help."""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from harness import program
from harness.corpus import LOCKS
from harness.kill import Point
from harness.upstream import Upstream, ok, redirect, status

from pixi_mirror.demo.packages import build_package

CHANNEL = "s3://the-bucket/some/channel"
BIG = build_package(name="big", version="1!2.0+x", subdir="linux-64", payload_size=3_000_000)
SMALL = build_package(name="small", version="1.0", noarch="generic")


@pytest.fixture
def s3(world):
    """A server with the channel, and a workspace `ws` locked to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moto's imports are not ours to mend
        bucket = pytest.importorskip("harness.bucket", reason="needs moto[server] and botocore")
    with bucket.S3Server() as server:
        entries = [world.publish(package, channel="channel", base="s3://the-bucket/some") for package in (BIG, SMALL)]
        for entry, package in zip(entries, (BIG, SMALL), strict=True):
            server.put(entry.url, package.data)
        # A lock may spell a URL with any character encoded.
        entries = [replace(entry, url=entry.url.replace("+", "%2B").replace("!", "%21")) for entry in entries]
        world.lock("ws", environments={"default": {"linux-64": entries}}, channels=[CHANNEL])
        yield server


def configured(world, s3, **entry) -> dict[str, str]:
    """Variables that name a configuration with the bucket's place."""
    told = {"endpoint-url": s3.url, "region": "us-east-1", "force-path-style": True} | entry
    path = world.directory / "config.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in told.items()]
    path.write_text("[s3-options.the-bucket]\n" + "\n".join(lines) + "\n")
    return {"PIXI_CONFIG_FILE": str(path)}


def aws(s3, name: str, secret: str, **more: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": name,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": s3.url,
        "AWS_EC2_METADATA_DISABLED": "true",
    } | more


def logged_in(world, name: str, secret: str, account: str = "s3://the-bucket", **more: str) -> None:
    """Store keys as `pixi auth login` does."""
    path = world.home / ".rattler/credentials.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {"access_key_id": name, "secret_access_key": secret, "session_token": None} | more
    path.write_text(json.dumps({account: {"S3Credentials": keys}}))


def is_mirrored(world) -> bool:
    top = world.mirror / "s3/the-bucket/some/channel"
    return (top / "linux-64" / BIG.file_name).read_bytes() == BIG.data and (
        top / "noarch" / SMALL.file_name
    ).read_bytes() == SMALL.data


@pytest.mark.s3
@pytest.mark.parametrize("account", ["s3://the-bucket", "s3://the-bucket/some", "s3://the-bucket/some/channel/"])
def test_a_channel_in_a_bucket_is_mirrored_with_the_keys_of_pixis_store(world, s3, account):
    logged_in(world, *s3.demand_keys(), account=account)
    env = configured(world, s3)
    done = world.run_json("--lock", "ws", env=env)
    assert len(done["fetched"]) == 2
    assert is_mirrored(world)
    asked = len(s3.requests)
    again = world.run_json("--lock", "ws", env=env)
    assert (again["fetched"], len(s3.requests)) == ([], asked)


@pytest.mark.s3
def test_without_an_entry_in_s3_options_the_keys_come_from_the_aws_configuration(world, s3):
    name, secret = s3.demand_keys()
    logged_in(world, "AKIAWRONGWRONG", "wrong")  # not asked, as in pixi
    assert world.run("--lock", "ws", env=aws(s3, name, secret)).status == 0
    assert is_mirrored(world)


@pytest.mark.s3
def test_with_an_entry_in_s3_options_and_no_stored_keys_those_of_the_aws_configuration_count(world, s3):
    name, secret = s3.demand_keys()
    env = configured(world, s3) | aws(s3, name, secret)
    del env["AWS_ENDPOINT_URL"]
    assert world.run("--lock", "ws", env=env).status == 0
    assert is_mirrored(world)


@pytest.mark.s3
def test_stored_keys_count_before_those_of_the_aws_configuration(world, s3):
    logged_in(world, *s3.demand_keys())
    env = configured(world, s3) | aws(s3, "AKIAWRONGWRONG", "wrong")
    assert world.run("--lock", "ws", env=env).status == 0
    assert is_mirrored(world)


@pytest.mark.s3
def test_no_keys_anywhere_names_both_places_and_asks_as_nobody(world, s3):
    s3.demand_keys()
    done = world.run("--lock", "ws", env=configured(world, s3) | {"AWS_EC2_METADATA_DISABLED": "true"})
    assert done.status == 5
    assert "neither the credential stores (s3://the-bucket) nor the AWS configuration has keys" in done.stderr
    assert "pixi auth login s3://the-bucket" in done.stderr
    assert "AWS_ACCESS_KEY_ID" in done.stderr
    assert done.stderr.count("pixi itself reads no bucket by s3:// without keys") == 1
    assert s3.requests[0].credential is None


@pytest.mark.s3
@pytest.mark.parametrize(
    ("keys", "in_path", "warned"),
    [
        ({}, False, False),
        ({"addressing-style": "path"}, True, False),
        ({"addressing-style": "virtual-host"}, False, False),
        ({"force-path-style": True}, True, False),
        ({"force-path-style": True, "addressing-style": "virtual-host"}, False, True),
        ({"force-path-style": False, "addressing-style": "path"}, True, True),
        ({"force-path-style": True, "addressing-style": "path"}, True, False),
    ],
)
def test_both_keys_for_the_style_of_addresses_count(world, odd, keys, in_path, warned):
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    place = '[s3-options.bucket-of-tests]\nendpoint-url = "http://store.example"\nregion = "us-east-1"\n'
    (world.directory / "config.toml").write_text(place + "\n".join(lines) + "\n")
    done = world.run("--lock", "ws", "--retries", "0", env=odd | {"http_proxy": world.upstream.url})
    host, start = ("store.example", "/bucket-of-tests/c/") if in_path else ("bucket-of-tests.store.example", "/c/")
    assert world.requests[0].headers["host"] == host
    assert world.requests[0].path.startswith(start)
    assert ("let both say the same" in done.stderr) is warned


@pytest.mark.s3
@pytest.mark.parametrize(
    ("endpoint", "host", "start"),
    [
        ("http://store.example", "bucket-of-tests.store.example", "/c/"),
        ("http://192.0.2.1", "192.0.2.1", "/bucket-of-tests/c/"),
    ],
)
def test_an_endpoint_of_the_aws_configuration_has_the_bucket_where_rattler_has_it(world, odd, endpoint, host, start):
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    proxy = {"AWS_ENDPOINT_URL": endpoint, "http_proxy": world.upstream.url}
    world.run("--lock", "ws", "--retries", "0", env=keys | proxy)
    assert world.requests[0].headers["host"] == host
    assert world.requests[0].path.startswith(start)


@pytest.mark.s3
def test_an_endpoint_named_localhost_has_the_bucket_in_the_path(world, odd):
    port = world.upstream.authority.rpartition(":")[2]
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    done = world.run("--lock", "ws", env=keys | {"AWS_ENDPOINT_URL": f"http://localhost:{port}"})
    assert done.status == 0, done.stderr
    assert world.requests[0].path.startswith("/bucket-of-tests/c/")


@pytest.mark.s3
def test_a_style_that_there_is_not_is_refused(world, odd):
    (world.directory / "config.toml").write_text('[s3-options.bucket-of-tests]\naddressing-style = "host"\n')
    done = world.run("--lock", "ws", env=odd)
    assert done.status == 8
    assert "`s3-options.bucket-of-tests.addressing-style` should be one of path, virtual-host" in done.stderr


@pytest.mark.s3
@pytest.mark.parametrize("by", ["pixi", "aws"])
def test_a_public_bucket_is_asked_as_nobody(world, s3, by):
    for package, subdir in ((BIG, "linux-64"), (SMALL, "noarch")):
        s3.put(f"{CHANNEL}/{subdir}/{package.file_name}", package.data, acl="public-read")
    env = configured(world, s3) if by == "pixi" else aws(s3, "", "")
    assert world.run("--lock", "ws", env=env).status == 0
    assert is_mirrored(world)
    assert {asked.credential for asked in s3.requests} == {None}


@pytest.mark.s3
def test_temporary_keys_are_sent_with_their_session_token(world, s3):
    logged_in(world, "ASIATEMPORARY", "secret", session_token="the-session")
    assert world.run("--lock", "ws", env=configured(world, s3)).status == 0
    assert {asked.session_token for asked in s3.requests} == {"the-session"}


@pytest.mark.s3
@pytest.mark.parametrize("store", ["pixi", "aws"])
@pytest.mark.parametrize(("wrong", "code"), [("name", "InvalidAccessKeyId"), ("secret", "SignatureDoesNotMatch")])
def test_wrong_keys_are_status_5_after_one_request_each_and_say_how_to_give_others(world, s3, store, wrong, code):
    name, secret = s3.demand_keys()
    keys = ("AKIAWRONGCANARY00", secret) if wrong == "name" else (name, "wrongCANARY")
    if store == "pixi":
        logged_in(world, *keys)
    env = configured(world, s3) if store == "pixi" else aws(s3, *keys)
    done = world.run("--lock", "ws", "-v", env=env)
    assert done.status == 5
    assert f"the bucket the-bucket refused (status 403, {code})" in done.stderr
    assert "pixi auth login s3://the-bucket" in done.stderr
    assert len(s3.requests) == 2
    said = done.stdout + done.stderr
    assert "CANARY" not in said
    assert name not in said
    assert secret not in said


@pytest.mark.s3
def test_a_missing_key_is_status_5_and_names_it(world, s3):
    entry = world.publish(build_package(name="gone"), channel="channel", base="s3://the-bucket/some")
    world.lock("ws", environments={"default": {"linux-64": [entry]}}, channels=[CHANNEL])
    done = world.run("--lock", "ws", env=configured(world, s3))
    assert done.status == 5
    assert entry.url in done.stderr
    assert "the bucket the-bucket does not have it (status 404, NoSuchKey)" in done.stderr


@pytest.mark.s3
def test_an_answer_that_breaks_off_is_gone_on_with_from_where_it_stood(world, s3):
    logged_in(world, "any", "any")
    s3.cut_after = 1_000_000
    assert world.run("--lock", "ws", "--jobs", "1", env=configured(world, s3)).status == 0
    assert is_mirrored(world)
    first, second = [asked for asked in s3.requests if BIG.file_name in asked.path]
    assert (first.range, second.range) == (None, "bytes=1000000-")
    assert second.if_match is not None


@pytest.mark.s3
def test_a_killed_download_is_gone_on_with_by_the_next_run(world, s3):
    logged_in(world, "any", "any")
    env = configured(world, s3)
    point = Point(kind="write", number=4)
    killed = program.run(
        ["--lock", "ws", "--jobs", "1"],
        point=point,
        env=world.environment | env,
        cwd=world.directory,
        below=world.home / "cache/partial",
    )
    assert killed.status != 0
    assert world.run("--lock", "ws", env=env).status == 0
    assert is_mirrored(world)
    _, second = [asked for asked in s3.requests if BIG.file_name in asked.path]
    assert second.range is not None
    assert second.range != "bytes=0-"


@pytest.mark.s3
def test_an_object_that_was_replaced_meanwhile_is_fetched_from_its_start(world, s3):
    logged_in(world, "any", "any")
    other = bytes(len(BIG.data))
    s3.put(f"{CHANNEL}/linux-64/{BIG.file_name}", other)
    s3.cut_after = 1_000_000
    env = configured(world, s3)
    assert world.run("--lock", "ws", "--jobs", "1", "--retries", "0", env=env).status == 5
    s3.put(f"{CHANNEL}/linux-64/{BIG.file_name}", BIG.data)
    assert world.run("--lock", "ws", "--jobs", "1", env=env).status == 0
    assert is_mirrored(world)
    ranges = [asked.range for asked in s3.requests if BIG.file_name in asked.path]
    assert ranges == [None, "bytes=1000000-", None]


@pytest.mark.s3
def test_a_mirror_in_a_bucket_stands_for_a_channel_on_the_web(world, s3):
    logged_in(world, "any", "any")
    path = world.directory / "config.toml"
    entry = world.publish(SMALL, channel="channel", base="https://web.example")
    world.lock("ws", environments={"default": {"linux-64": [entry]}})
    env = configured(world, s3)
    path.write_text(path.read_text() + f'[mirrors]\n"https://web.example/channel" = ["{CHANNEL}"]\n')
    assert world.run("--lock", "ws", env=env).status == 0
    assert (world.mirror / "web.example/channel/noarch" / SMALL.file_name).read_bytes() == SMALL.data


@pytest.fixture
def odd(world):
    """The scripted upstream in the part of S3, for what moto does not do; the variables that lead to it."""
    pytest.importorskip("botocore")
    world.lock(
        "ws", environments={"default": {"linux-64": [world.publish(SMALL, channel="bucket-of-tests/c", base="s3://")]}}
    )
    lock = world.directory / "ws/pixi.lock"
    lock.write_text(lock.read_text().replace("s3:/bucket-of-tests/", "s3://bucket-of-tests/"))
    config = world.directory / "config.toml"
    config.write_text(f"[s3-options.bucket-of-tests]\nendpoint-url = '{world.upstream.url}'\nforce-path-style = true\n")
    logged_in(world, "any", "any", account="s3://bucket-of-tests")
    return {"PIXI_CONFIG_FILE": str(config)}


@pytest.mark.s3
def test_a_server_that_is_busy_is_asked_again_and_each_request_is_signed_anew(world, odd):
    world.upstream.script("*", status(503), ok())
    assert world.run("--lock", "ws", env=odd).status == 0
    assert len(world.requests) == 2
    assert all("X-Amz-Signature=" in request.path for request in world.requests)


@pytest.mark.s3
@pytest.mark.parametrize("code", [301, 400])
def test_a_bucket_in_another_region_is_said_with_its_region(world, odd, code):
    world.upstream.script("*", status(code, {"x-amz-bucket-region": "eu-west-9"}))
    done = world.run("--lock", "ws", env=odd)
    assert done.status == 5
    assert "is in another region, eu-west-9" in done.stderr
    assert "[s3-options.bucket-of-tests]" in done.stderr
    assert len(world.requests) == 1


@pytest.mark.s3
def test_no_signature_follows_a_redirect_to_another_place(world, odd):
    with Upstream(root=world.root, address="127.0.0.2") as elsewhere:
        world.upstream.script("*", redirect(f"{elsewhere.url}/bucket-of-tests/c/noarch/{SMALL.file_name}"))
        assert world.run("--lock", "ws", env=odd).status == 0
        (asked,) = elsewhere.requests
        assert not [name for name in asked.headers if name == "authorization" or name.startswith("x-amz")]
        assert "?" not in asked.path


@pytest.mark.s3
def test_an_endpoint_that_is_not_there_is_named(world, odd):
    world.upstream.close()
    done = world.run("--lock", "ws", "--retries", "0", env=odd)
    assert done.status == 5
    assert world.upstream.authority in done.stderr


@pytest.mark.s3
def test_a_configuration_that_makes_no_request_is_said_without_its_words(world, s3):
    env = aws(s3, "a", "b", AWS_PROFILE="canary-profile")
    done = world.run("--lock", "ws", env=env)
    assert done.status == 5
    assert "(ProfileNotFound)" in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.s3
@pytest.mark.parametrize("store", ["pixi", "aws"])
@pytest.mark.parametrize("fault", ["none", "wrong bytes", "gone"])
def test_no_key_is_said_or_written(world, s3, store, fault):
    if fault == "wrong bytes":
        s3.put(f"{CHANNEL}/linux-64/{BIG.file_name}", b"others")
    elif fault == "gone":
        s3.delete(f"{CHANNEL}/linux-64/{BIG.file_name}")
    keys = ("AKIACANARY7", "secret-CANARY7")
    if store == "pixi":
        logged_in(world, *keys, session_token="session-CANARY7")
        env = configured(world, s3)
    else:
        env = aws(s3, *keys, AWS_SESSION_TOKEN="session-CANARY7")
    for output in ("-v", "--json"):
        done = world.run("--lock", "ws", output, env=env)
        assert done.status == {"none": 0, "wrong bytes": 6, "gone": 5}[fault]
        assert "CANARY7" not in done.stdout + done.stderr
        assert "Signature" not in done.stdout + done.stderr
    assert "AKIACANARY7" in s3.requests[0].credential
    assert s3.requests[0].session_token == "session-CANARY7"
    for folder, _, files in os.walk(world.directory):
        for path in (Path(folder, name) for name in files):
            if path.name != "credentials.json":
                assert "CANARY7" not in str(path)
                assert b"CANARY7" not in path.read_bytes(), path


def test_without_botocore_it_is_status_5_and_says_what_to_install(world):
    entry = world.publish(SMALL, channel="channel", base="s3://the-bucket/some")
    world.lock("ws", environments={"default": {"linux-64": [entry]}}, channels=[CHANNEL])
    blocked = world.directory / "blocked"
    (blocked / "botocore").mkdir(parents=True)
    (blocked / "botocore/__init__.py").write_text("raise ImportError('not installed')\n")
    paths = os.pathsep.join([str(blocked), world.environment["PYTHONPATH"]])
    done = world.run("--lock", "ws", env={"PYTHONPATH": paths})
    assert done.status == 5
    assert "pip install botocore" in done.stderr
    assert entry.url in done.stderr
    assert not (world.mirror / "s3").exists()


def test_the_lock_of_the_corpus_with_a_bucket_is_planned(world):
    lock = LOCKS / "prefix-dev__pixi__examples-s3-package-server__at-1f1e2d3e"
    if not lock.is_dir():
        pytest.skip("the corpus is not here")
    done = world.run_json("--lock", lock, "--dry-run")
    package = "s3/rattler-s3-testing/channel/noarch/my-webserver-0.1.0-pyh4616a5c_0.conda"
    assert package in done["missing"]
    assert done["refused"] == []
    assert "s3/rattler-s3-testing/channel/linux-64/repodata.json" in done["indexes"]
