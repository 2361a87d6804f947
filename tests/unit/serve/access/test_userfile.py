"""The file of users: what it has, who may write it, and what becomes of it when it changes under a server."""

import json
import os
import stat
import threading

import pytest
from people import token, user, users

from pixi_mirror.errors import MachineError
from pixi_mirror.serve.access.users import Users, dump
from pixi_mirror.serve.access.users_file import UserFile, change_users, read_users

KNOWN: Users = users(user("ada", read=["conda-forge", "simple"]), user("ci", token_too=True, password=False))


def put(file, data):
    file.write_bytes(data)
    file.chmod(0o600)
    return file


@pytest.fixture
def file(tmp_path):
    return put(tmp_path / "users", dump(KNOWN))


def test_what_is_written_is_read_again(tmp_path):
    file = tmp_path / "users"
    with change_users(file) as (before, replace):
        assert before == {}
        replace(KNOWN)
    assert read_users(file) == KNOWN
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["users", "users.lock"]


def test_a_link_to_the_file_stays_one(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    with change_users(link) as (before, replace):
        replace({**before, "eve": user("eve")})
    assert link.is_symlink()
    assert set(read_users(file)) == {"ada", "ci", "eve"}


def test_no_change_of_many_at_once_is_lost(file):
    def add(number):
        with change_users(file) as (before, replace):
            replace({**before, f"u{number}": user(f"u{number}")})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"u{number}" for number in range(5)} < set(read_users(file))


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660])
def test_a_file_that_others_can_write_is_refused(file, mode):
    file.chmod(mode)
    with pytest.raises(MachineError, match=f"chmod 600 {file}"):
        read_users(file)
    with pytest.raises(MachineError, match="chmod 600"), change_users(file):
        pytest.fail("it was opened to be changed")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(file):
    os.chown(file, 65534, -1)
    with pytest.raises(MachineError, match="belongs to another user"):
        read_users(file)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(MachineError, match="users add NAME --file"):
        read_users(tmp_path / "none")
    with pytest.raises(MachineError, match="regular file"):
        read_users(tmp_path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(MachineError, match="regular file"):
        read_users(tmp_path / "fifo")


def _line(number, change):
    lines = dump(KNOWN).decode().splitlines()
    value = json.loads(lines[number])
    change(value)
    lines[number] = json.dumps(value)
    return "".join(f"{line}\n" for line in lines).encode()


def _deep(value, **keys):
    value["password"]["scrypt"].update(keys)


DAMAGED = {
    "empty": (b"", 1),
    "cut": (dump(KNOWN)[:-20], 3),
    "without its end": (dump(KNOWN)[:-1], 3),
    "not ours": (b"ada:$2y$05$abc\n", 1),
    "a newer format": (b'{"pixi-mirror-users": 2}\n', 1),
    "no ASCII": (dump(KNOWN) + b"\xff\n", 4),
    "an unknown key": (_line(1, lambda value: value.update(reads=["x"])), 2),
    "no rights": (_line(1, lambda value: value.pop("read")), 2),
    "rights that are a word": (_line(1, lambda value: value.update(read="conda-forge")), 2),
    "a right outside": (_line(1, lambda value: value.update(read=["../x"])), 2),
    "a user twice": (dump(KNOWN) + dump(KNOWN).splitlines(keepends=True)[1], 4),
    "a key twice": (dump(KNOWN).replace(b'"read": null', b'"read": ["x"], "read": null'), 3),
    "a cost that is none": (_line(1, lambda value: _deep(value, n=1)), 2),
    "a cost beyond all": (_line(1, lambda value: _deep(value, n=1 << 40)), 2),
    "an unknown key of the cost": (_line(1, lambda value: _deep(value, t=1)), 2),
    "a digest that is none": (_line(2, lambda value: value.update(token_sha256="x")), 3),
    "a number as digest": (_line(2, lambda value: value.update(token_sha256=7)), 3),
    "a name with a colon": (_line(2, lambda value: value.update(name="a:b")), 3),
    "a list": (dump(KNOWN) + b"[]\n", 4),
    "too deep": (dump(KNOWN) + b"[" * 100_000 + b"\n", 4),
}


@pytest.mark.parametrize(("data", "number"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_by_its_line_and_none_of_its_secrets_is_told(tmp_path, data, number):
    file = put(tmp_path / "users", data)
    with pytest.raises(MachineError, match=rf"users, line {number}: ") as caught:
        read_users(file)
    causes = f"{caught.value!r} {caught.value.__cause__!r}"
    kept = KNOWN["ada"].password
    assert not any(secret in causes for secret in (kept.key.hex(), kept.salt.hex(), token()[1]))


def test_a_cut_anywhere_is_never_taken_for_the_file(tmp_path):
    whole = dump(KNOWN)
    for length in range(0, len(whole), 7):
        file = put(tmp_path / "users", whole[:length])
        try:
            found = read_users(file)
        except MachineError:
            continue
        assert whole[:length].endswith(b"}\n")
        assert set(found) < set(KNOWN)


def test_a_change_is_heeded(file):
    said = []
    known = UserFile(file, said.append)
    assert known() is known()
    with change_users(file) as (_, replace):
        replace(users(user("eve")))
    assert set(known()) == {"eve"}
    assert said == []


def test_a_broken_version_is_told_once_and_that_of_before_stays(file):
    said = []
    known = UserFile(file, said.append)
    put(file, b"nonsense\n")
    assert known() == known() == KNOWN
    assert len(said) == 1
    assert "line 1" in said[0]
    file.unlink()
    assert known() == known() == KNOWN
    assert len(said) == 2
    put(file, dump(users(user("eve"))))
    assert set(known()) == {"eve"}
    file.chmod(0o622)
    assert set(known()) == {"eve"}
    assert len(said) == 3
    assert "chmod" in said[2]
