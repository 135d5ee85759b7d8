"""The command line's root: which commands there are, and what a failure becomes.

Rules: a command's module is imported when that command is used, and no module
of this room imports a library of data or imagery before a command runs; every
failure is one line on stderr and an exit code of ``EXIT_CODES``; results go to
stdout, everything else to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from stacchip_osml import __version__
from stacchip_osml.app.ending import end_on_signals
from stacchip_osml.app.output import one_line
from stacchip_osml.app.texts import DEBUG, EXIT_EPILOG, INTERRUPTED, PIPE_CLOSED, USAGE, failure

__all__ = ["cli", "main"]

COMMANDS = {
    "index": "stacchip_osml.app.index_group:index_group",
    "chip": "stacchip_osml.app.chip_group:chip_group",
    "chain": "stacchip_osml.app.chain_group:chain_group",
    "convert": "stacchip_osml.app.convert:convert_command",
    "info": "stacchip_osml.app.info:info_command",
    "explain": "stacchip_osml.app.explain:explain_command",
    "demo": "stacchip_osml.app.demo:demo_command",
}
"""Command name → module and object."""


NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group that is called without a command: help, not an error in one line. Before click 8.2 it is no exception."""


class Root(click.Group):
    """The root group: loads commands on use, and turns failures into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a failure ends in its exit code."""
        # GDAL writes to stderr by itself; what matters of it comes as an error of the library
        if not ctx.params.get("debug"):
            os.environ.setdefault("CPL_LOG", os.devnull)
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except BrokenPipeError:  # whoever read the output has enough
            raise click.exceptions.Exit(PIPE_CLOSED) from None
        except Exception as error:  # the outermost boundary: reported, never carried on from
            raise click.exceptions.Exit(_report(error, debug=bool(ctx.meta.get(DEBUG)))) from None
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - this group always reports itself
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Parse the arguments, run, and exit."""
        try:
            result = super().main(
                args,
                prog_name or "stacchip-osml",
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )
        except click.Abort:
            click.echo("error: interrupted", err=True)
            sys.exit(INTERRUPTED)
        except click.ClickException as error:
            sys.exit(_report(error, debug=False))
        except OSError as error:  # help could not be written
            result = PIPE_CLOSED if isinstance(error, BrokenPipeError) else _report(error, debug=False)
        sys.exit(result if isinstance(result, int) else 0)


def _report(error: Exception, *, debug: bool) -> int:
    """Say in one line what went wrong; give the exit code."""
    if isinstance(error, NO_ARGUMENTS):
        click.echo(error.format_message(), err=True)
        return USAGE
    text, code = failure(error)
    with suppress(OSError):  # the exit code says it even where nobody can be told
        if debug:
            click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        click.echo(f"error: {one_line(text)}", err=True)
    return code


CONTEXT: Mapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group("stacchip-osml", cls=Root, context_settings=dict(CONTEXT), epilog=EXIT_EPILOG)
@click.version_option(__version__, "--version", prog_name="stacchip-osml", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Index every chip that a STAC catalog could yield; cut the pixels of any row on demand."""
    if debug:
        ctx.meta[DEBUG] = True


def _warning(message: Warning | str, *_: object, **__: object) -> str:
    """Say what a library warns of in one line, without the place in its source."""
    return f"warning: {one_line(str(message))}\n"


def main() -> None:
    """Run the command line; the entry point of ``stacchip-osml``."""
    _open_standard()
    _keep_stdout()
    warnings.formatwarning = _warning
    end_on_signals()
    try:
        cli()
    finally:
        _let_go_of_output()


def _open_standard() -> None:
    """Open what is closed of stdin, stdout and stderr: else what is printed lands in a file that got its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            stream = os.fdopen(opened, "r" if name == "stdin" else "w", encoding="utf-8", errors="replace")
            setattr(sys, name, stream)


def _keep_stdout() -> None:
    """Keep stdout to results: what libraries print there by themselves, as GDAL does of some NITF, goes to stderr."""
    results = os.dup(1)
    os.dup2(2, 1)
    buffering = 1 if os.isatty(results) else -1
    sys.stdout = os.fdopen(results, "w", buffering, encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def _let_go_of_output() -> None:
    """Drop what cannot be written, so that the flush at the end says nothing and changes no exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
