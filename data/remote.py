"""Files at addresses that fsspec knows, such as s3://bank/customers/: copied here once, then read like others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from glob import has_magic
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from nextbest.data.errors import InputError, Problem

__all__ = ["Copied", "as_folder", "copy_here", "is_remote", "list_names"]

_SCHEMES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "memory", "http", "https")
"""Known without fsspec, so that the package that is missing can be named."""


def is_remote(path: str) -> bool:
    """Whether a path is an address of fsspec's, and neither a file's path nor an SQLAlchemy URL."""
    scheme, found, _ = path.partition("://")
    if not found or scheme in _SCHEMES:
        return bool(found)
    with suppress(ImportError):
        import fsspec

        return scheme in fsspec.available_protocols()
    return False


def as_folder(path: Path | str) -> Path:
    """Return the path of what is written.

    Raises:
        InputError: It is an address, or the path that `pathlib` makes of one.
    """
    scheme, found, _ = str(path).partition(":/")
    if found and is_remote(f"{scheme}://"):
        remedy = "name a folder, and let your cloud's own tools copy it from there"
        raise InputError(
            [Problem(str(path), None, None, "runs and models are written to folders, not to addresses", remedy)]
        )
    return Path(path)


@dataclass(frozen=True)
class Copied:
    """Files that were copied here."""

    address: str
    local: Path
    """The file, the folder, or the pattern below the folder of copies."""

    def address_of(self, file: str) -> str:
        """Return where a copy was copied from."""
        parent = self.address.rstrip("/").rpartition("/")[0]
        return f"{parent}/{Path(file).relative_to(self.local.parent).as_posix()}"


def copy_here(address: str, is_wanted: Callable[[PurePosixPath], bool]) -> Copied:
    """Copy a file, those below a folder or those that match a pattern; what is here already and the same stays.

    Args:
        address: Where they are, for example s3://bank/events-*.parquet.
        is_wanted: Whether a path below a folder is one of the files.

    Raises:
        InputError: There is nothing, or it cannot be read.
        MissingPackageError: fsspec is not installed.
    """
    with _file_system(address) as (files, root):
        return _copy(files, root, address, is_wanted)


def list_names(address: str) -> list[str]:
    """Return the names of what lies in a folder, sorted; errors as of `copy_here`."""
    with _file_system(address) as (files, root):
        return sorted(PurePosixPath(path.rstrip("/")).name for path in files.ls(root, detail=False))


@contextmanager
def _file_system(address: str) -> Iterator[tuple[Any, str]]:
    """Yield the file system of an address and the path in it; what goes wrong in the block becomes an InputError."""
    import fsspec

    def refuse(what: str, remedy: str) -> InputError:
        return InputError([Problem(address, None, None, what, remedy)])

    try:
        files, root = fsspec.core.url_to_fs(address)
        files.invalidate_cache()
        yield files, root.rstrip("/")
    except FileNotFoundError as error:
        raise refuse("there is no such file", "fix the path, or put the file there") from error
    except ImportError as error:  # fsspec names the package, of another project for each kind of address
        raise refuse(str(error), "for s3:// that is pip install 'nextbest[remote]'") from error
    except Exception as error:  # each kind of address has errors of its own, of no common class
        what = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise refuse(f"it cannot be read ({what})", "check the address, the credentials and the network") from error


def _copy(files: Any, root: str, address: str, is_wanted: Callable[[PurePosixPath], bool]) -> Copied:
    """Copy what is at `root` of a file system of fsspec's."""
    matched = files.glob(root) if has_magic(PurePosixPath(root).name) else [root] if files.exists(root) else []
    found = [
        path
        for match in matched
        for path in (files.find(match) if files.isdir(match) else [match])
        if path == match or is_wanted(PurePosixPath(path).relative_to(match))
    ]
    if outside := [path for path in found if ".." in PurePosixPath(path).parts]:
        raise ValueError(f"{outside[0]!r} names a place outside of its folder")
    if not found:
        raise FileNotFoundError(address)
    base = PurePosixPath(root).parent
    # The state is in the name of the folder: a later state is another folder, and the earlier one is left as it is.
    state = "\n".join(f"{path} {files.ukey(path)}" for path in sorted(found))
    folder = Path(_copies().name) / hashlib.sha256(f"{address}\n{state}".encode()).hexdigest()[:16]
    for path in found:
        target = folder / PurePosixPath(path).relative_to(base)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(path, str(target.with_name(f"{target.name}.part")))
            target.with_name(f"{target.name}.part").rename(target)
    return Copied(address, folder / PurePosixPath(root).name)


@cache
def _copies() -> TemporaryDirectory[str]:
    """Return the folder of all copies, which is gone when the process ends: a table's rows are looked up in them."""
    return TemporaryDirectory(prefix="nextbest-copies-")
