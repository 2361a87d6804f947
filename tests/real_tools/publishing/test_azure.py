"""`publish` into Azurite, which speaks as Azure's blob storage does; what is there is read by other code."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

import pytest

from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.azure

ACCOUNT = "devstoreaccount1"
SECRET = base64.b64encode(b"the key of a test account, known to all").decode()
CONTAINER = "team"
RECORD = "pixi-mirror-published.json"
KEYS = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": SECRET}


class Azurite:
    """Azurite with one container, from which anybody may read and list."""

    def __init__(self, log):
        program = shutil.which("azurite-blob")
        if program is None:
            pytest.skip("needs azurite-blob (npm)")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        # Without the switch it tells a public address that it runs.
        switches = ["--disableTelemetry", "--inMemoryPersistence", "--silent", "--skipApiVersionCheck"]
        call = [program, *switches, "--blobHost", "127.0.0.1", "--blobPort", str(port)]
        environment = {"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": f"{ACCOUNT}:{SECRET}"}
        self._log = log.open("wb")
        self._process = subprocess.Popen(call, env=environment, stdout=self._log, stderr=self._log)
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        self._create()

    def _create(self):
        date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-blob-public-access": "container", "x-ms-date": date, "x-ms-version": "2021-08-06"}
        named = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        text = "PUT\n" + "\n" * 11 + named + f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        key = hmac.digest(base64.b64decode(SECRET), text.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(key).decode()}"
        asked = urllib.request.Request(f"{self.url}/{CONTAINER}?restype=container", method="PUT", headers=headers)
        with _open(asked) as response:
            assert response.status == 201

    def objects(self):
        """The blobs below the prefix: headers and bytes."""
        with _open(f"{self.url}/{CONTAINER}?restype=container&comp=list&prefix=mirror/") as response:
            names = [each.text for each in ET.fromstring(response.read()).iter("Name")]
        found = {}
        for name in names:
            with _open(f"{self.url}/{CONTAINER}/{urllib.parse.quote(name)}") as response:
                found[name.removeprefix("mirror/")] = response.headers, response.read()
        return found

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._log.close()


def _open(asked):
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60)


@pytest.fixture
def store(tmp_path):
    server = Azurite(tmp_path / "azurite.log")
    yield server
    server.close()


def lock(world, *names):
    entries = [world.publish(build_package(name=name, version="1!1.0+x", payload_size=5_000)) for name in names]
    world.lock("workspace", environments={"default": {"linux-64": entries}})


@pytest.fixture
def mirrored(world):
    lock(world, "one", "two")
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    return world


def publish(world, store, *words, status=0, env=KEYS):
    call = ("publish", f"az://{CONTAINER}/mirror", "mirror", "--endpoint", store.url, *words)
    return world.run_json(*call, env=env, status=status)


def offered(world):
    found = {path.relative_to(world.mirror).as_posix(): path for path in world.mirror.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".pixi-mirror/")}


def held(store):
    return {name: data for name, (_, data) in store.objects().items() if name != RECORD}


def test_a_container_holds_what_the_mirror_holds_and_changes_follow(mirrored, store):
    publish(mirrored, store)
    found = store.objects()
    assert held(store) == offered(mirrored)
    package = next(headers for name, (headers, _) in found.items() if name.endswith(".conda"))
    assert package["Cache-Control"] == "public, max-age=31536000, immutable"
    index = next(headers for name, (headers, _) in found.items() if name.endswith("noarch/repodata.json"))
    assert (index["Content-Type"], index["Cache-Control"]) == ("application/json", "no-cache")
    assert publish(mirrored, store)["written"] == []
    lock(mirrored, "one", "three")
    assert mirrored.run("update").status == 0
    assert mirrored.run("prune", "--apply", "--grace", "0", "--force").status == 0
    done = publish(mirrored, store)
    assert [path for path in done["written"] if path.endswith(".conda")] == [
        path for path in offered(mirrored) if "three-" in path
    ]
    publish(mirrored, store, "--prune", "--grace", "0")
    assert held(store) == offered(mirrored)


def test_check_takes_what_is_there_for_what_it_is(mirrored, store):
    publish(mirrored, store)
    assert publish(mirrored, store, "--check")["mended"] == []


def test_several_publishers_at_once_lose_nothing_unnoticed(mirrored, store):
    publish(mirrored, store)
    lock(mirrored, "one", "two", "three", "four")
    assert mirrored.run("update").status == 0
    statuses = []

    def run(number):
        shutil.copytree(mirrored.mirror, mirrored.directory / f"copy{number}", symlinks=True)
        call = ("publish", f"az://{CONTAINER}/mirror", f"copy{number}", "--endpoint", store.url)
        statuses.append(mirrored.run(*call, env=KEYS).status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(statuses) <= {0, 9}
    publish(mirrored, store, "--check")
    assert held(store) == offered(mirrored)
    assert json.loads(store.objects()[RECORD][1])["pending"] == {}


def test_wrong_keys_are_said_with_the_right_that_is_missing(mirrored, store):
    wrong = base64.b64encode(b"another").decode()
    done = publish(mirrored, store, status=9, env=KEYS | {"AZURE_STORAGE_ACCOUNT_KEY": wrong})
    # Anybody may read this container, so it is the first writing that is refused.
    assert "the right to write objects there (Storage Blob Data Contributor)" in done["error"]["message"]
    assert wrong not in done["error"]["message"]
