"""An environment is built beside its place, and put there in one step or not at all."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from pixi_mirror.environments.staging import ScriptFile, staging
from pixi_mirror.errors import BusyError, Interrupted, MachineError


@pytest.fixture
def place(tmp_path):
    return tmp_path / "out" / "env"


def environment(place, **files):
    (place / "conda-meta").mkdir(parents=True)
    (place / "conda-meta/history").write_text("old")
    for name, text in files.items():
        (place / name).write_text(text)


def names(folder):
    return sorted(os.listdir(folder))


def finish(stage, content=b"script"):
    """Put an environment and its script into their places."""
    script = ScriptFile(path=stage.place.parent / "activate.sh", content=content, temporary=".env.activate.sh")
    stage.finish(script, is_new=stage.new.exists())


def failing(place, change=lambda new: None):
    """Begin an environment, and fail before it is finished."""
    with staging(place) as stage:
        stage.new.mkdir()
        change(stage.new)
        raise ZeroDivisionError


def test_a_new_environment_appears_with_all_that_was_made(place):
    with staging(place) as stage:
        stage.new.mkdir()
        (stage.new / "made").write_text("now")
        assert not place.exists()
        finish(stage)
    assert (place / "made").read_text() == "now"
    assert names(place.parent) == ["activate.sh", "env"]


def test_a_failure_leaves_neither_environment_nor_litter(place):
    out = place.parent.parent
    with pytest.raises(ZeroDivisionError):
        failing(place)
    assert names(out) == [], "what was made for it is gone, too"
    place.parent.mkdir()
    with pytest.raises(ZeroDivisionError):
        failing(place)
    assert names(out) == [place.parent.name], "and what was there is not"


def test_a_failure_leaves_the_environment_that_was_there_untouched(place):
    environment(place, kept="kept", replaced="old")
    before = (place / "replaced").stat()
    with pytest.raises(ZeroDivisionError):
        failing(place, lambda new: (new / "replaced").write_text("new"))
    assert (place / "replaced").stat().st_ino == before.st_ino
    assert (place / "conda-meta/history").read_text() == "old"
    assert names(place.parent) == ["env"]


@pytest.mark.parametrize("script", [None, "old"])
@pytest.mark.parametrize("can_exchange", [True, False])
def test_what_cannot_be_put_into_its_place_leaves_the_old_one_there(place, monkeypatch, script, can_exchange):
    environment(place, kept="kept")
    if script:
        (place.parent / "activate.sh").write_text(script)
    if not can_exchange:
        monkeypatch.setattr("pixi_mirror.environments.staging.exchange", lambda *_: False)
    with staging(place) as stage, pytest.raises(MachineError, match="cannot put the environment into its place"):
        stage.finish(
            ScriptFile(path=place.parent / "activate.sh", content=b"new", temporary=".env.activate.sh"), is_new=True
        )
    assert (place / "kept").read_text() == "kept"
    assert names(place.parent) == (["activate.sh", "env"] if script else ["env"])
    assert script is None or (place.parent / "activate.sh").read_text() == script


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_new_environment_takes_the_place_of_the_old_one(place, monkeypatch, can_exchange):
    environment(place, old="old")
    if not can_exchange:
        monkeypatch.setattr("pixi_mirror.environments.staging.exchange", lambda *_: False)
    with staging(place) as stage:
        stage.new.mkdir()
        (stage.new / "made").write_text("now")
        finish(stage)
    assert names(place) == ["made"]
    assert names(place.parent) == ["activate.sh", "env"]


def test_what_a_killed_run_was_about_to_replace_is_put_back(place):
    folder = place.parent / ".env.unpacking"
    folder.mkdir(parents=True, mode=0o700)
    environment(folder / "replaced", kept="kept")
    environment(folder / "0123/new", kept="half")
    with staging(place) as stage:
        assert (place / "kept").read_text() == "kept"
        assert names(folder) == sorted([stage.folder.name, "lock"])
        assert names(stage.folder) == []
    assert names(place.parent) == ["env"]


def test_who_is_impatient_while_it_clears_up_finds_no_litter_either(place):
    class Impatient(threading.Thread):
        """Sends a signal as soon as the environment is there, which is while the rest is being removed."""

        def run(self):
            while not place.exists():
                time.sleep(0)
            signal.raise_signal(signal.SIGINT)

    def stop(number, _frame):
        signal.signal(number, signal.SIG_IGN)
        raise Interrupted(number)

    before, thread = signal.signal(signal.SIGINT, stop), Impatient()
    try:
        with suppress(Interrupted), staging(place) as stage:  # it may be too late to be heard
            stage.new.mkdir()
            for number in range(1000):
                (stage.folder / f"{number}").touch()
            thread.start()
            finish(stage)
        with suppress(Interrupted):
            thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert names(place.parent) == ["activate.sh", "env"]


def test_a_second_run_to_the_same_place_is_refused_while_the_first_is_at_work(place):
    with staging(place) as stage:
        stage.new.mkdir()
        with pytest.raises(BusyError, match="another process is writing the environment") as told, staging(place):
            pass
        assert "--lock-timeout" not in str(told.value), "unpack has no such option"
        finish(stage)
    assert place.is_dir()


def test_a_directory_with_something_else_in_it_is_not_made_an_environment(place):
    place.mkdir(parents=True)
    (place / "thesis.tex").write_text("all of it")
    with pytest.raises(MachineError, match="something else in it"), staging(place):
        pass
    assert names(place) == ["thesis.tex"]
    assert names(place.parent) == ["env"]


def test_an_empty_directory_becomes_an_environment(place):
    place.mkdir(parents=True)
    with staging(place) as stage:
        stage.new.mkdir()
        (stage.new / "made").write_text("now")
        finish(stage)
    assert names(place) == ["made"]


def test_a_file_is_not_replaced_by_an_environment(place):
    place.parent.mkdir()
    place.write_text("a file")
    with pytest.raises(MachineError, match="is no directory"), staging(place):
        pass
    assert place.read_text() == "a file"


def test_a_folder_of_somebody_else_beside_the_place_is_not_worked_in(place):
    (place.parent / ".env.unpacking").mkdir(parents=True)
    (place.parent / ".env.unpacking").chmod(0o777)
    with pytest.raises(MachineError, match="others could plant files"), staging(place):
        pass
