"""Who may read: credentials in all their forms, rights, and what it costs to be wrong."""

import hashlib
import threading

import pytest
from people import PASSWORD, basic, password_of_all, token, user, users

from pixi_mirror.serve.access.control import _AT_ONCE, _MOST_WAITING, AccessControl, Verdict
from pixi_mirror.serve.access.passwords import hash_password
from pixi_mirror.serve.access.users import User

WHEEL = "files.pypi.example/packages/x-1-py3-none-any.whl"


@pytest.fixture
def computed(monkeypatch):
    """The parameters of every scrypt that is computed."""
    calls = []
    real = hashlib.scrypt

    def scrypt(password, **how):
        calls.append((how["n"], how["r"], how["p"]))
        return real(password, **how)

    password_of_all()
    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    return calls


def access_of(*them, listed_at=lambda _: ()):
    known = users(*them)
    return AccessControl(lambda: known, listed_at)


def test_the_right_password_opens_and_scrypt_is_computed_once(computed):
    access = access_of(user("ada"))
    assert {access.check(basic("ada", PASSWORD), None, "c") for _ in range(50)} == {Verdict.MAY_READ}
    assert len(computed) == 1


def test_many_first_requests_at_once_cost_one_computation_each_at_most_twice(computed):
    access = access_of(user("ada"))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(access.check(basic("ada", PASSWORD), None, "c")))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Verdict.MAY_READ] * 50
    assert len(computed) <= _AT_ONCE


@pytest.mark.parametrize("name", ["ada", "nobody", "has-only-a-token"])
def test_whoever_is_wrong_costs_the_same(computed, name):
    access = access_of(user("ada"), user("has-only-a-token", password=False, token_too=True))
    assert access.check(basic(name, "wrong horse"), None, "c") is Verdict.UNKNOWN
    assert computed == [(1 << 15, 8, 1)]


def test_an_unknown_user_costs_what_the_costliest_password_does(computed):
    cheap = password_of_all()._replace(cost=password_of_all().cost._replace(n=1 << 14))
    access = access_of(User("old", cheap, None, None), user("ada"))
    access.check(basic("nobody", "wrong horse"), None, "c")
    assert computed == [(1 << 15, 8, 1)]


def test_a_wrong_password_stays_wrong_after_the_right_one_was_there():
    access = access_of(user("ada"), User("eve", hash_password("another horse"), None, None))
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.MAY_READ
    assert access.check(basic("ada", "another horse"), None, "c") is Verdict.UNKNOWN
    assert access.check(basic("eve", PASSWORD), None, "c") is Verdict.UNKNOWN


def test_another_version_of_the_users_forgets_the_passwords_that_were_right():
    versions = [users(user("ada"))]
    access = AccessControl(lambda: versions[-1])
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.MAY_READ
    versions.append(users(User("ada", hash_password("another horse"), None, None)))
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.UNKNOWN
    versions.append(users())
    assert access.check(basic("ada", "another horse"), None, "c") is Verdict.UNKNOWN


def test_a_token_opens_in_every_form_without_scrypt(computed):
    access = access_of(user("ci", token_too=True), user("ada"))
    secret = token()[0]
    ways = [
        (f"Bearer {secret}", None),
        (f"bearer  {secret}", None),
        (None, secret),
        (basic("ci", secret), None),
        (basic("__token__", secret), None),
        (basic("ada", "wrong horse"), secret),
    ]
    assert [access.check(*way, "c") for way in ways] == [Verdict.MAY_READ] * len(ways)
    assert not computed


def test_a_token_under_the_name_of_another_is_wrong():
    access = access_of(user("ci", token_too=True), user("ada"))
    assert access.check(basic("ada", token()[0]), None, "c") is Verdict.UNKNOWN


def test_the_digest_that_is_kept_opens_nothing():
    access = access_of(user("ci", token_too=True, password=False))
    digest = token()[1]
    assert access.check(f"Bearer {digest}", digest, "c") is Verdict.UNKNOWN
    assert access.check(basic("ci", digest), None, "c") is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Bearer",
        "Bearer  ",
        "Basic !!!!",
        "Basic YWRh",
        basic("ada", ""),
        basic("nobody", ""),
        basic("__token__", ""),
        "Digest username=ada",
        "Basic " + "A" * 8000,
        f"{basic('ada', PASSWORD)}, {basic('ada', PASSWORD)}",
        PASSWORD,
        "Basic \xff",
    ],
)
def test_what_is_no_credential_opens_nothing_and_costs_nothing(computed, authorization):
    assert access_of(user("ada")).check(authorization, None, "c") is Verdict.UNKNOWN
    assert not computed


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_password_with_umlauts_opens_however_the_client_writes_it(encoding):
    access = access_of(User("ada", hash_password("schöne Pferde: drei"), None, None))
    assert access.check(basic("ada", "schöne Pferde: drei", encoding), None, "c") is Verdict.MAY_READ


def test_a_password_opens_in_composed_and_decomposed_letters():
    access = access_of(User("ada", hash_password("scho\u0308ne Pferde"), None, None))
    assert access.check(basic("ada", "sch\u00f6ne Pferde"), None, "c") is Verdict.MAY_READ


def test_rights_cover_a_path_and_all_below_and_not_what_begins_alike():
    access = access_of(user("ada", read=["conda-forge", "pypi.example/simple"]))
    allowed = ["conda-forge", "conda-forge/noarch/repodata.json", "pypi.example/simple/x"]
    denied = ["", "conda-forge-2/noarch/x.conda", "conda", "pypi.example", "simple/x", WHEEL, "CONDA-FORGE/x", "a b"]
    ask = basic("ada", PASSWORD)
    assert [access.check(ask, None, path) for path in allowed] == [Verdict.MAY_READ] * len(allowed)
    assert [access.check(ask, None, path) for path in denied] == [Verdict.NOT_ENTITLED] * len(denied)


@pytest.mark.parametrize(("right", "may"), [("simple", True), ("simple/x", True), ("simple/y", False), ("c", False)])
def test_who_may_read_an_index_may_read_the_files_that_it_lists(right, may):
    def listed_at(path):
        return ("pypi.example/simple/x", "simple/x") if path == WHEEL else ()

    access = access_of(user("ada", read=[right]), listed_at=listed_at)
    verdict = access.check(basic("ada", PASSWORD), None, WHEEL)
    assert verdict is (Verdict.MAY_READ if may else Verdict.NOT_ENTITLED)


def test_no_rights_are_none():
    access = access_of(user("ada", read=[]))
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.NOT_ENTITLED
    assert access.check(basic("ada", PASSWORD), None, "") is Verdict.NOT_ENTITLED


def test_where_too_many_wait_new_ones_are_sent_away_and_the_known_come_in(monkeypatch):
    access = access_of(user("ada"), user("ci", token_too=True, password=False))
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.MAY_READ
    go_on, running, most, now = threading.Event(), threading.Semaphore(0), [0], [0]
    real = hashlib.scrypt

    def scrypt(password, **how):
        now[0] += 1
        most[0] = max(most[0], now[0])
        running.release()
        go_on.wait(30)
        now[0] -= 1
        return bytes(32)

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    found = []
    guess = [
        threading.Thread(
            target=lambda number=number: found.append(access.check(basic("ada", f"guess {number}"), None, "c"))
        )
        for number in range(_MOST_WAITING + _AT_ONCE + 20)
    ]
    for thread in guess:
        thread.start()
    for _ in range(_AT_ONCE):
        running.acquire()
    while len(found) < 20:
        go_on.wait(0.001)
    assert set(found) == {Verdict.BUSY}
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.MAY_READ
    assert access.check(f"Bearer {token()[0]}", None, "c") is Verdict.MAY_READ
    go_on.set()
    for thread in guess:
        thread.join()
    assert found.count(Verdict.UNKNOWN) == _MOST_WAITING + _AT_ONCE
    assert most[0] <= _AT_ONCE
    monkeypatch.setattr(hashlib, "scrypt", real)
    assert access.check(basic("ada", "guess 1"), None, "c") is Verdict.UNKNOWN


def test_nothing_that_has_a_secret_shows_it():
    them = user("ada", token_too=True)
    shown = f"{them!r} {them.password!r} {[them]}"
    assert them.password.key.hex() not in shown
    assert str(them.password.key) not in shown
    assert token()[1] not in shown
