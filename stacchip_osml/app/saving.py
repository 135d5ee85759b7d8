"""Writing an index from the command line: not over an existing one unless told to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from stacchip_osml.app.output import one_line

if TYPE_CHECKING:
    from stacchip_osml.index import ChipIndex, IndexSummary

__all__ = [
    "folder_for",
    "force_option",
    "portable_option",
    "require_free",
    "require_free_index",
    "save_index",
    "say_saved",
]

Command = TypeVar("Command", bound=Callable[..., object])


def force_option(command: Command) -> Command:
    """Add ``--force``."""
    return click.option("--force", is_flag=True, help="Replace the output if it exists.")(command)


def portable_option(command: Command) -> Command:
    """Add ``--portable``."""
    text = "Leave out file times, which a copy or checkout does not keep."
    return click.option("--portable", is_flag=True, help=text)(command)


def require_free(out: str, *, force: bool, folder: bool = False) -> None:
    """Refuse an output that exists, before any work is done.

    Args:
        out: where the output goes.
        force: it may be replaced.
        folder: the output is a folder, not a file.

    Raises:
        click.UsageError: something is there, and ``force`` is not given; a folder, where a file is to be.
    """
    path = Path(out)
    if path.is_dir() and not folder:
        raise click.UsageError(f"{out} is a folder; name a file in it")
    is_empty_folder = path.is_dir() and not any(path.iterdir())
    if path.exists() and not is_empty_folder and not force:
        raise click.UsageError(f"{out} exists already; --force replaces it")


@contextmanager
def folder_for(out: str) -> Iterator[None]:
    """Have the folder of an output there; one that was made for nothing is removed."""
    folder = Path(out).absolute().parent
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):  # not empty
                each.rmdir()
        raise


def require_free_index(out: str, *, force: bool) -> None:
    """Refuse an output that exists; even with ``force`` what is no chip index is not replaced by one.

    Raises:
        click.UsageError: something is there, and ``force`` is not given.
        IndexSchemaError: something else is there.
    """
    require_free(out, force=force, folder=Path(out).suffix != ".parquet")
    if force:
        from stacchip_osml.index.files import require_replaceable

        require_replaceable(Path(out))


def save_index(index: ChipIndex, out: str, *, portable: bool = False) -> IndexSummary:
    """Save an index; give its summary with place and size on disk."""
    from stacchip_osml.index.summary import size_on_disk

    path = index.save(out, portable=portable)
    # counted from the rows in memory: they need not be read again
    return dataclasses.replace(index.summary, path=str(path), size_bytes=size_on_disk(path))


def say_saved(summary: IndexSummary) -> None:
    """Show what was saved."""
    for line in summary.to_text().split("\n"):
        click.echo(one_line(line))
