"""``chain``: which steps there are, which chains an index holds, and what a chain makes of pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.chain_file import load_chain
from stacchip_osml.app.options import PLACE, debug_option, json_option
from stacchip_osml.app.output import emit_json, one_line, print_table
from stacchip_osml.errors import ChainError

if TYPE_CHECKING:
    from stacchip_osml.chain import ChainDefinition, Spec
    from stacchip_osml.index import ChipIndex
    from stacchip_osml.index.headers import AssetHeader

__all__ = ["chain_group"]

SHOWN_TEXT = 60
"""Letters of one setting on a terminal; --json has all."""


@click.group("chain")
def chain_group() -> None:
    """Look into processing chains and the steps they are made of."""


@chain_group.command("list", short_help="List the chains of an index, or all known steps.")
@click.argument("index", type=PLACE, required=False)
@json_option
@debug_option
def list_command(index: str | None, as_json: bool) -> None:
    """List the chains of INDEX with their steps; without INDEX, the steps that are known here."""
    if index is None:
        _list_steps(as_json=as_json)
        return
    from stacchip_osml.index import ChipIndex

    opened = ChipIndex.open(index)
    counts = opened.summary.chains
    found = opened.chains.to_json()
    if as_json:
        emit_json(
            {name: {"chips": counts.get(name, 0), "definition": definition} for name, definition in found.items()}
        )
        return
    print_table(
        ["chain", "chips", "steps"], ([name, counts.get(name, 0), _steps_text(found[name])] for name in sorted(found))
    )


def _list_steps(*, as_json: bool) -> None:
    from stacchip_osml.chain import iter_kinds

    kinds: list[dict[str, Any]] = [
        {
            "step": kind.name,
            "version": kind.version,
            "about": kind.about,
            "settings": {
                name: {"default": _default(setting.default), "required": setting.is_required, "about": setting.about}
                for name, setting in kind.settings.items()
            },
        }
        for kind in iter_kinds()
    ]
    if as_json:
        emit_json(kinds)
        return
    print_table(
        ["step", "version", "settings", "does"],
        ([kind["step"], kind["version"], ", ".join(kind["settings"]) or "-", kind["about"]] for kind in kinds),
    )


def _default(value: Any) -> Any:
    """Give a default as JSON has it: null where there is none, or where other settings decide."""
    from stacchip_osml.chain import REQUIRED

    return None if value is REQUIRED or callable(value) else value


@chain_group.command("show", short_help="Show a chain, its id and what comes out of it.")
@click.argument("chain", metavar="ID|FILE.json")
@click.option("--index", metavar="INDEX", help="The index that holds the chain ID.")
@click.option("--bands", type=click.IntRange(1), metavar="N", help="Bands that go in.  [default: as in INDEX]")
@click.option("--dtype", metavar="TYPE", help="Type of the pixels that go in.  [default: as in INDEX]")
@json_option
@debug_option
def show_command(chain: str, index: str | None, bands: int | None, dtype: str | None, as_json: bool) -> None:
    """Show a chain in its one form, its id, and what comes out of it.

    Either the chain ID of an INDEX, or one that a FILE lists as JSON steps.
    """
    if (bands is None) != (dtype is None):
        raise click.UsageError("--bands and --dtype go together: they are what goes into the chain")
    from stacchip_osml.chain import Spec, canonical_json, chain_id

    opened = None
    if index is None:
        if not Path(chain).exists() and not chain.endswith(".json"):
            raise click.UsageError(f"there is no file {chain}; the ID of a chain needs --index, which index has it")
        definition = load_chain(chain)
    else:
        from stacchip_osml.index import ChipIndex

        opened = ChipIndex.open(index)
        definition = opened.chains[chain]
    given = None if bands is None else Spec.of((bands, dtype))
    if given is None and opened is not None:
        given = _indexed_spec(opened, chain)
    output, reason = _output(definition, given)
    text = canonical_json(definition)
    if as_json:
        emit_json(
            {
                "id": chain_id(definition),
                "definition": json.loads(text),
                "input": _spec_json(given),
                "output": _spec_json(output),
                "problem": reason,
            }
        )
        return
    click.echo(f"id      {one_line(chain_id(definition))}")
    for number, step in enumerate(definition, start=1):
        click.echo(f"{'step' if number == 1 else '':<5} {number:>2} {one_line(_step_text(step))}".rstrip())
    click.echo(f"output  {one_line(_output_text(given, output, reason))}")
    click.echo(f"json    {one_line(text)}")


def _output(definition: ChainDefinition, given: Spec | None) -> tuple[Spec | None, str | None]:
    """Predict what comes out; None and the reason where that cannot be said."""
    from stacchip_osml.chain import predict, require_steps

    try:
        require_steps(definition)
        return (None, None) if given is None else (predict(definition, given), None)
    except ChainError as error:
        return None, str(error)


def _output_text(given: Spec | None, output: Spec | None, reason: str | None) -> str:
    if reason is not None:
        return f"none: {reason}"
    if output is None:
        return "depends on what goes in; --bands and --dtype say it"
    return f"{output}, from {given}"


def _spec_json(spec: Spec | None) -> dict[str, Any] | None:
    return None if spec is None else {"bands": spec.bands, "dtype": spec.dtype.name}


def _indexed_spec(index: ChipIndex, chain: str) -> Spec | None:
    """Give bands and type of the first chip that has the chain; None where the index does not say."""
    import numpy as np
    import pyarrow.compute as pc

    from stacchip_osml.chain import Spec

    columns = ["chain", "collection", "item_id", "assets"]
    for number in range(len(index.run_starts) - 1):
        run = index.read_run(number, columns)
        place = pc.index(run.column("chain").cast("string"), chain).as_py()
        if place < 0:
            continue
        row = run.slice(place, 1).to_pylist()[0]
        keys = [(row["collection"] or "", row["item_id"], asset) for asset in row["assets"].split(",")]
        dtypes = [dtype for key in keys for dtype in _band_dtypes(index.tables.headers.get(key))]
        return None if None in dtypes else Spec.of((len(dtypes), np.result_type(*filter(None, dtypes))))
    return None


def _band_dtypes(header: AssetHeader | None) -> list[str | None]:
    """Give the type of each band, as far as the item or a stored header says; [None] where neither does."""
    if header is None:
        return [None]
    stored = header.unpack()
    if stored is not None:
        return [band.dtype for band in stored[0].bands]
    return [band.dtype for band in header.image.bands] or [None]


def _steps_text(definition: Sequence[Any]) -> str:
    return " | ".join(_step_text(step) for step in definition) or "the pixels as they are stored"


def _step_text(step: Any) -> str:
    settings = " ".join(f"{key}={_short(value)}" for key, value in step.items() if key not in {"step", "version"})
    return f"{step['step']} {step['version']} {settings}".rstrip()


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"
