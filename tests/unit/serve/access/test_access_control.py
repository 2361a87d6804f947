"""Who may read: credentials in all their forms, rights, and what it costs to be wrong."""

import hashlib
import threading
import time

import pytest
from people import PASSWORD, basic, password_of_all, token, user, users

from pixi_mirror.serve.access.control import AccessControl, Verdict
from pixi_mirror.serve.access.guessing import AT_ONCE, MOST_WAITING, GuessLimits, TooManyWrong
from pixi_mirror.serve.access.passwords import create_token, hash_password
from pixi_mirror.serve.access.rights import Shown
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
    return AccessControl(lambda: known, lambda path: Shown(listed_at(path)))


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
    assert len(computed) <= AT_ONCE


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


@pytest.fixture
def held(monkeypatch):
    """Passwords that are computed wait until `go_on` is set, and are wrong; how many are computed at a time."""
    go_on, running, most, now = threading.Event(), threading.Semaphore(0), [0], [0]

    def scrypt(password, **how):
        now[0] += 1
        most[0] = max(most[0], now[0])
        running.release()
        go_on.wait(30)
        now[0] -= 1
        return bytes(32)

    password_of_all()
    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    yield go_on, running, most
    go_on.set()


def guessing(access, number, *, name, address):
    """Threads that try that many different passwords, and the verdicts so far."""
    found = []

    def guess(each):
        found.append(access.check(basic(name(each), f"guess {each}"), None, "c", address=address(each)))

    threads = [threading.Thread(target=guess, args=[each]) for each in range(number)]
    for thread in threads:
        thread.start()
    return threads, found


def test_where_too_many_wait_new_ones_are_sent_away_and_the_known_come_in(monkeypatch, held):
    go_on, running, most = held
    real = hashlib.scrypt
    access = access_of(user("ada"), user("ci", token_too=True, password=False))
    with monkeypatch.context() as right:
        right.setattr(hashlib, "scrypt", lambda password, **how: password_of_all().key)
        assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.MAY_READ
    assert hashlib.scrypt is real
    all_places = MOST_WAITING + AT_ONCE
    threads, found = guessing(access, all_places + 20, name="user{}".format, address="192.0.2.{}".format)
    for _ in range(AT_ONCE):
        running.acquire()
    while len(found) < 20:
        go_on.wait(0.001)
    assert set(found) == {Verdict.BUSY}
    assert access.check(basic("ada", PASSWORD), None, "c") is Verdict.MAY_READ
    assert access.check(f"Bearer {token()[0]}", None, "c") is Verdict.MAY_READ
    go_on.set()
    for thread in threads:
        thread.join()
    assert found.count(Verdict.UNKNOWN) == all_places
    assert most[0] <= AT_ONCE


def test_one_address_takes_half_of_the_places_at_most(held):
    go_on, running, _ = held
    access = access_of(user("ada"))
    half = MOST_WAITING // 2 + AT_ONCE
    threads, found = guessing(access, half + 10, name="user{}".format, address=lambda _: "192.0.2.1")
    for _ in range(AT_ONCE):
        running.acquire()
    while len(found) < 10:
        go_on.wait(0.001)
    assert found == [Verdict.BUSY] * 10
    others, elsewhere = guessing(access, 5, name="user{}".format, address=lambda _: "192.0.2.2")
    go_on.set()
    for thread in (*threads, *others):
        thread.join()
    assert elsewhere == [Verdict.UNKNOWN] * 5


def test_who_is_wrong_too_often_waits_and_locks_nobody_else_out(computed):
    access = access_of(user("ada", token_too=True), user("eve"))
    access._limits = GuessLimits(lambda: 0.0)

    def try_password(password, *, name="ada", address="192.0.2.1"):
        return access.check(basic(name, password), None, "c", address=address)

    assert [try_password(f"guess {number}") for number in range(12)] == [Verdict.UNKNOWN] * 10 + [
        Verdict.TOO_MANY_WRONG
    ] * 2
    assert len(computed) == 10
    # The owner at another address, others at the same one, and tokens anywhere are let in.
    assert try_password(PASSWORD, address="192.0.2.2") is Verdict.MAY_READ
    assert try_password(PASSWORD, name="eve") is Verdict.MAY_READ
    assert try_password(token()[0]) is Verdict.MAY_READ
    # What was right before is right at the address of the guesser, too.
    assert try_password(PASSWORD) is Verdict.MAY_READ


def test_the_pause_ends_and_one_more_try_is_computed(monkeypatch):
    clock = [0.0]
    limits = GuessLimits(lambda: clock[0])

    def fail():
        with limits.computing("192.0.2.1", "ada") as note_wrong:
            note_wrong()

    for _ in range(10):
        fail()
    with pytest.raises(TooManyWrong):
        fail()
    clock[0] += 7
    fail()
    with pytest.raises(TooManyWrong):
        fail()


def test_the_same_wrong_password_is_computed_once(computed):
    access = access_of(user("ada"))
    for _ in range(50):
        assert access.check(basic("ada", "an old password"), None, "c") is Verdict.UNKNOWN
    assert len(computed) == 1


def test_an_empty_secret_is_refused_without_computing(computed):
    access = access_of(user("ada"))
    assert access.check(basic("ada", ""), None, "c") is Verdict.UNKNOWN
    assert computed == []


def test_a_token_expires(monkeypatch):
    made, digest = create_token()
    access = access_of(User("ci", None, digest, None, token_until_s=1_000))
    monkeypatch.setattr(time, "time", lambda: 999.0)
    assert access.check(f"Bearer {made}", None, "c") is Verdict.MAY_READ
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    assert access.check(f"Bearer {made}", None, "c") is Verdict.UNKNOWN


def test_nothing_that_has_a_secret_shows_it():
    them = user("ada", token_too=True)
    shown = f"{them!r} {them.password!r} {[them]}"
    assert them.password.key.hex() not in shown
    assert str(them.password.key) not in shown
    assert token()[1] not in shown
