#!/bin/sh
# Guess: obstore has an exception for an object that is not there, `obstore.exceptions.NotFoundError`, so `except BaseError`
#   catches whatever a store says.
# Truth: asking for an absent object raises the built-in FileNotFoundError, which is no BaseError. So does a file of this
#   machine that is not there when it is to be uploaded: the class alone does not tell which of the two is missing.
#   Refused conditions are BaseErrors. Deleting an absent object fails in a directory and not in memory.
# Seen with obstore 0.12.1, 2026-11-30.
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 exec python3 - <<'FINDING'
"""Ask stores in memory and in a directory for what they do not have, and see of which class the error is."""

import tempfile
from pathlib import Path

from pinned import compare, install, run

ASK = """
import pathlib
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore

pathlib.Path("objects").mkdir()
for store in (MemoryStore(), LocalStore("objects")):
    store.put("here", b"1")
    questions = {
        "get an absent object": lambda: store.get("absent"),
        "look at an absent object": lambda: store.head("absent"),
        "delete an absent object": lambda: store.delete("absent"),
        "upload an absent file": lambda: store.put("new", pathlib.Path("no-such-file")),
        "create what is there": lambda: store.put("here", b"2", mode="create"),
    }
    for title, ask in questions.items():
        try:
            ask()
            answer = "no error"
        except Exception as error:
            answer = f"{type(error).__module__}.{type(error).__name__}, a BaseError: {isinstance(error, BaseError)}"
        print(f"{type(store).__name__:11} {title:24} {answer}")
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    programs = install(folder, "obstore==0.12.1")
    done = run(programs / "python", "-c", ASK, folder=folder)

compare(
    done.stdout.splitlines(),
    [
        "MemoryStore get an absent object     builtins.FileNotFoundError, a BaseError: False",
        "MemoryStore look at an absent object builtins.FileNotFoundError, a BaseError: False",
        "MemoryStore delete an absent object  no error",
        "MemoryStore upload an absent file    builtins.FileNotFoundError, a BaseError: False",
        "MemoryStore create what is there     obstore.exceptions.AlreadyExistsError, a BaseError: True",
        "LocalStore  get an absent object     builtins.FileNotFoundError, a BaseError: False",
        "LocalStore  look at an absent object builtins.FileNotFoundError, a BaseError: False",
        "LocalStore  delete an absent object  builtins.FileNotFoundError, a BaseError: False",
        "LocalStore  upload an absent file    builtins.FileNotFoundError, a BaseError: False",
        "LocalStore  create what is there     obstore.exceptions.AlreadyExistsError, a BaseError: True",
    ],
)
FINDING
