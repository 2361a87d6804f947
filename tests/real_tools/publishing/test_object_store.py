"""`publish` into real servers of the API of S3: that of moto, and versitygw where it is installed."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import warnings

import pytest
from harness.python_index import PythonIndex

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.model.values import admit_path, sha256_of
from pixi_mirror.publish import object_store
from pixi_mirror.publish.destination import Upload

pytestmark = pytest.mark.s3

BUCKET = "mirror-bucket"
RECORD = "pixi-mirror-published.json"
KEYS = {"AWS_ACCESS_KEY_ID": "publisher", "AWS_SECRET_ACCESS_KEY": "secret-of-the-publisher", "AWS_REGION": "us-east-1"}


class Moto:
    """moto's server, with one bucket."""

    def __init__(self, _directory):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # moto's imports are not ours to mend
            bucket = pytest.importorskip("harness.bucket", reason="needs moto[server] and botocore")
        self._server = bucket.S3Server()
        self.url = self._server.url
        self._server.put(f"s3://{BUCKET}/seed", b"")
        self._server.delete(f"s3://{BUCKET}/seed")

    def close(self):
        self._server.__exit__()


class Versity:
    """versitygw over a folder, with one bucket."""

    def __init__(self, directory):
        program = shutil.which("versitygw")
        if program is None:
            pytest.skip("needs versitygw")
        (directory / "store" / BUCKET).mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"],
            "ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
            "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
        }
        call = [program, "--port", f"127.0.0.1:{port}", "posix", str(directory / "store")]
        self._process = subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)

    def close(self):
        self._process.terminate()
        self._process.wait()


@pytest.fixture(params=[Moto, Versity], ids=["moto", "versitygw"])
def store(request, tmp_path):
    pytest.importorskip("obstore", reason="needs obstore: the extra `publish`")
    server = request.param(tmp_path)
    yield server
    server.close()


def client(store):
    import botocore.config
    import botocore.session

    return botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=store.url,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(proxies={}, s3={"addressing_style": "path"}),
    )


def objects(store, prefix="team/mirror/"):
    s3 = client(store)
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for each in page.get("Contents", []):
            key = each["Key"]
            found[key.removeprefix(prefix)] = s3.get_object(Bucket=BUCKET, Key=key)
    return found


def lock(world, *names):
    index = PythonIndex(world)
    wheel = build_wheel(name="thing", version="1.0+cpu")
    entries = [world.publish(build_package(name=name, payload_size=5_000)) for name in names]
    entries.append(index.publish(wheel, name="thing", version="1.0+cpu"))
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)


@pytest.fixture
def mirrored(world):
    lock(world, "one", "two")
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    return world


def publish(world, store, *words, status=0, env=KEYS):
    call = ("publish", f"s3://{BUCKET}/team/mirror", "mirror", "--endpoint", store.url, *words)
    return world.run_json(*call, env=env, status=status)


def offered(world):
    found = {path.relative_to(world.mirror).as_posix(): path for path in world.mirror.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".pixi-mirror/")}


def test_a_bucket_holds_what_the_mirror_holds_with_types_and_lifetimes(mirrored, store):
    done = publish(mirrored, store)
    found = objects(store)
    assert {key: each["Body"].read() for key, each in found.items() if key != RECORD} == offered(mirrored)
    assert len(done["written"]) == done["files"] == len(found) - 1
    package = next(key for key in found if key.endswith(".conda"))
    assert found[package]["CacheControl"] == "public, max-age=31536000, immutable"
    index = next(key for key in found if key.endswith("noarch/repodata.json"))
    assert (found[index]["ContentType"], found[index]["CacheControl"]) == ("application/json", "no-cache")
    page = next(key for key in found if key.endswith("thing/index.html"))
    assert found[page]["ContentType"].startswith("text/html")
    assert any("1.0+cpu" in key for key in found), "the keys are those that clients ask for"
    assert publish(mirrored, store)["written"] == []


def test_only_what_is_new_is_written_and_removals_wait(mirrored, store):
    publish(mirrored, store)
    lock(mirrored, "one", "three")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    done = publish(mirrored, store)
    packages = [path.rpartition("/")[2] for path in done["written"] if path.endswith((".conda", ".whl"))]
    assert packages == ["three-1.0-0.conda"]
    assert [path.rpartition("/")[2] for path in done["waiting"]] == ["two-1.0-0.conda"]
    publish(mirrored, store, "--prune", "--grace", "0")
    assert {key: each["Body"].read() for key, each in objects(store).items() if key != RECORD} == offered(mirrored)


@pytest.mark.parametrize("publishers", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_publishers_at_once_lose_nothing_unnoticed(mirrored, store, publishers):
    """moto looks and then writes, so two conditions at one instant may both hold; versitygw keeps them apart."""
    publish(mirrored, store)
    lock(mirrored, "one", "two", "three", "four")
    assert mirrored.run("update").status == 0
    statuses = []

    def run(number):
        shutil.copytree(mirrored.mirror, mirrored.directory / f"copy{number}", symlinks=True)
        call = ("publish", f"s3://{BUCKET}/team/mirror", f"copy{number}", "--endpoint", store.url)
        statuses.append(mirrored.run(*call, env=KEYS).status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(publishers)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(statuses) == publishers
    assert set(statuses) <= {0, 9}
    if 0 in statuses:
        assert {key: each["Body"].read() for key, each in objects(store).items() if key != RECORD} == offered(mirrored)
    publish(mirrored, store, "--check")
    assert {key: each["Body"].read() for key, each in objects(store).items() if key != RECORD} == offered(mirrored)
    assert publish(mirrored, store)["written"] == []


def test_a_wrong_clock_and_missing_rights_are_said_with_what_to_do(mirrored, store):
    from obstore.exceptions import PermissionDeniedError

    library = object_store.ObjectStoreDestination("s3://x/y", object(), None, only_publisher=False)
    skewed = library._explained("write", "a", PermissionDeniedError("<Code>RequestTimeTooSkewed</Code>"))
    assert (skewed.status, "Set the clock" in str(skewed)) == (9, True)
    refused = library._explained("remove", "a", PermissionDeniedError("<Code>AccessDenied</Code>"))
    assert (refused.status, "delete objects there (s3:DeleteObject)" in str(refused)) == (9, True)
    if isinstance(store, Versity):
        done = publish(mirrored, store, status=9, env=KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"})
        assert "(s3:GetObject)" in done["error"]["message"]


def test_a_prefix_that_is_somebody_elses_is_refused(mirrored, store):
    client(store).put_object(Bucket=BUCKET, Key="team/mirror/theirs.txt", Body=b"theirs")
    done = publish(mirrored, store, status=9)
    assert "holds other things" in done["error"]["message"]
    assert list(objects(store)) == ["theirs.txt"]


def test_check_mends_what_was_lost(mirrored, store):
    publish(mirrored, store)
    package = next(key for key in objects(store) if key.endswith(".conda"))
    client(store).delete_object(Bucket=BUCKET, Key=f"team/mirror/{package}")
    assert publish(mirrored, store)["written"] == []
    assert publish(mirrored, store, "--check")["mended"] == [package]
    assert {key: each["Body"].read() for key, each in objects(store).items() if key != RECORD} == offered(mirrored)


def test_a_bucket_that_is_not_there_and_a_port_where_nobody_listens_are_told(mirrored, store):
    call = ("publish", "s3://no-such-bucket/x", "mirror", "--endpoint", store.url)
    done = mirrored.run(*call, env=KEYS)
    assert (done.status, "has no such bucket" in done.stderr) == (9, True), done.stderr
    assert "s3://no-such-bucket/x" in done.stderr
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.stderr


def test_keys_of_pixis_store_and_the_options_of_a_bucket_count(mirrored, store, tmp_path):
    (tmp_path / "auth.json").write_text(
        json.dumps(
            {
                f"s3://{BUCKET}": {
                    "S3Credentials": {
                        "access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
                        "secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
                    }
                }
            }
        ),
        encoding="utf-8",
    )
    (tmp_path / "config.toml").write_text(
        f'[s3-options.{BUCKET}]\nendpoint-url = "{store.url}"\nregion = "us-east-1"\nforce-path-style = true\n',
        encoding="utf-8",
    )
    call = ("publish", f"s3://{BUCKET}/team/mirror", "--auth-file", tmp_path / "auth.json", "--config-file")
    done = mirrored.run(*call, tmp_path / "config.toml")
    assert done.status == 0, done.stderr
    assert len(objects(store)) == len(offered(mirrored)) + 1


def test_a_long_file_is_written_in_parts_with_the_same_headers(store, tmp_path, monkeypatch):
    monkeypatch.setattr(object_store, "_ONE_PUT", 4_000)
    settings = {name.removeprefix("AWS_").lower(): value for name, value in KEYS.items()}
    from obstore.store import S3Store

    library = S3Store(
        BUCKET,
        prefix="team/mirror",
        endpoint=store.url,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        **settings,
    )
    destination = object_store.ObjectStoreDestination("s3://x", library, None, only_publisher=False)
    data = os.urandom(6_000)
    (tmp_path / "long").write_bytes(data)
    upload = Upload(
        path=admit_path("noarch/a+c-1.0-0.conda"),
        source=tmp_path / "long",
        data=None,
        sha256=sha256_of(data),
        size=len(data),
        content_type="application/octet-stream",
        cache_control="no-cache",
    )
    assert destination.create(upload) is not None
    assert destination.create(upload) is None
    held = destination.look(upload.path)
    assert (held.size, held.sha256) == (6_000, upload.sha256)
    assert destination.hash(upload.path) == upload.sha256
    assert objects(store)[upload.path]["CacheControl"] == "no-cache"
