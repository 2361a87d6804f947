"""Read the files of a policy: that of pixi-policy, ours beside it, or ours alone."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.errors import MachineError
from pixi_mirror.model.policy import PolicyRecord
from pixi_mirror.model.values import Json
from pixi_mirror.policy.rules import TABLE, Rules, read_rules

OWN = "pixi-mirror-policy.toml"
"""What our own file is called beside the one of pixi-policy."""
_LARGEST = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFiles:
    """What a user gives as policy."""

    name: str
    """For people."""
    rules: Mapping[str, Json]
    """Our own, as JSON."""
    program: Path | None
    """The file for pixi-policy; None: there is none."""
    is_addition: bool = False
    """Whether it is a minimum age alone, which is added to what the mirror records."""


def read_policy_files(path: Path | None, *, minimum_age: str | None) -> PolicyFiles:
    """Read what the options name.

    Args:
        path: a file for pixi-policy, with ours beside it if there is one; or a file with the table `[mirror]` alone;
            None: the minimum age is all.
        minimum_age: takes the place of the one in the file; None: that holds.

    Raises:
        MachineError: a file is not there, does not parse, or has a key that there is not.
    """
    own: Mapping[str, Json] = {}
    program = None
    name = "--minimum-age"
    if path is not None:
        name = path.name
        given = _read(path)
        if TABLE in given:
            own = _own_table(given, path)
        else:
            program, beside = path, path.with_name(OWN)
            if beside.is_file():
                own = _own_table(_read(beside), beside)
                name = f"{path.name} and {OWN}"
    if minimum_age is not None:
        own = {**own, "age": {**own.get("age", {}), "minimum": minimum_age}}
    return PolicyFiles(name=name, rules=own, program=program, is_addition=path is None)


def rules_of(policy: PolicyRecord) -> Rules:
    """Our own rules of a recorded policy.

    Raises:
        MachineError: a program of another version has recorded what this one cannot read.
    """
    try:
        return read_rules(policy.rules)
    except ValueError as error:
        raise MachineError(
            f"the policy {policy.name} that the mirror records cannot be read: {error}. Give it again with "
            "`pixi-mirror update --policy FILE`."
        ) from error


def _read(path: Path) -> Mapping[str, Json]:
    try:
        with explain_errors("read", path):
            return tomllib.loads(read_bytes(path, limit=_LARGEST).decode())
    except (ValueError, RecursionError) as error:
        raise _broken(path, str(error)) from error


def _own_table(given: Mapping[str, Json], path: Path) -> Mapping[str, Json]:
    if others := sorted(given.keys() - {TABLE}):
        raise _broken(
            path,
            f"it has the table [{TABLE}] beside [{others[0]}], and pixi-policy refuses a file with tables that it "
            f"does not know. Put [{TABLE}] into a file of its own, {OWN}, beside the file of pixi-policy",
        )
    table = given.get(TABLE)
    try:
        if not isinstance(table, dict):
            raise ValueError(f"it has no table [{TABLE}]")  # noqa: TRY301, TRY004 - the file is wrong
        own: Mapping[str, Json] = json.loads(json.dumps(table, default=_as_text))
        read_rules(own)
    except (ValueError, TypeError) as error:
        raise _broken(path, str(error)) from error
    return own


def _as_text(value: Json) -> str:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    raise TypeError(f"{value!r} is no value of a policy")


def _broken(path: Path, why: str) -> MachineError:
    return MachineError(f"the policy {path} cannot be used: {why}. Nothing was changed.")
