"""Read TOML of a foreign lock within the limits that hold for YAML."""

import tomllib

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.fields import conflict_line
from pixi_mirror.lockfile.yaml_reader import SIZE_LIMIT
from pixi_mirror.model.values import Json, mask_secrets


def load_toml(data: bytes, *, name: str, advice: str) -> dict[str, Json]:
    """The document in `data`.

    Args:
        data: the file.
        name: how messages name it.
        advice: how to write the file anew, as the end of a sentence.

    Raises:
        WorkspaceError: it is too large or empty, holds merge-conflict markers, is no TOML or not UTF-8, or is nested
            too deeply.
    """
    if len(data) > SIZE_LIMIT:
        raise WorkspaceError(f"{name} is larger than {SIZE_LIMIT // 1024**2} MiB. No lock file is; check the path.")
    if (conflict := conflict_line(data)) is not None:
        raise WorkspaceError(f"{name}: unresolved merge conflict at line {conflict}. Take either side, and {advice}.")
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise WorkspaceError(f"{name} is a Git LFS pointer and not the file itself: run `git lfs pull`.")
    if not data.strip():
        raise WorkspaceError(f"{name} is empty. Restore it from version control, or {advice}.")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{data[error.start]:02x} at line {line} is not UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = mask_secrets(str(error))
    except RecursionError:
        problem = "it is nested too deeply"
    raise WorkspaceError(f"{name} is not valid TOML: {problem}. Restore it from version control, or {advice}.")
