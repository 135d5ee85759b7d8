"""The step that turns complex pixels into brightness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.settings import a_number, a_table, table_of, to_table
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import words
from stacchip_osml.pixel.counts import real_numbers

__all__ = ["KINDS", "complex_remap_step"]

TABLE_DTYPE = "float32"
"""Type of an amplitude table's entries."""


def complex_remap_step(
    remap: str = "quarter_power",
    *,
    roles: Sequence[str] | None = None,
    amplitude_table: NDArray[Any] | Sequence[float] | None = None,
    **parameters: float | None,
) -> dict[str, Any]:
    """Define a remap of complex pixels; float32 comes out.

    Args:
        remap: a name of :data:`REMAPS`.
        roles: what two real bands are, one of :data:`ROLES` each: they make one band. None: the pixels are numpy's
            complex, and each band makes one.
        amplitude_table: length for each index, where a role is ``amplitude_index``.
        parameters: of the remap, such as ``data_mean``. What depends on the whole image (:data:`WHOLE_IMAGE`) is, left
            out, taken from each chip, so that chips side by side do not match.

    Raises:
        ChainError: an unknown remap or role, or a parameter that it does not have.
    """
    table = None if amplitude_table is None else to_table(_entries(amplitude_table))
    return COMPLEX_REMAP.define(
        remap=remap,
        parameters=parameters,
        roles=None if roles is None else list(words("roles", roles)),
        amplitude_table=table,
    )


def _entries(amplitude_table: NDArray[Any] | Sequence[float]) -> NDArray[Any]:
    found = real_numbers("amplitude_table", amplitude_table)
    if found.ndim != 1:
        raise ChainError(f"amplitude_table must be a list of numbers, got {found.shape}")
    return found.astype(TABLE_DTYPE)


def _numbers(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object of numbers, got {value!r}")
    return {str(key): None if part is None else a_number(part) for key, part in value.items()}


def _roles(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(isinstance(part, str) for part in value):
        raise TypeError(f"expected the roles of two bands, got {value!r}")
    return list(value)


def _settle(settings: dict[str, Any]) -> dict[str, Any]:
    """Write out every parameter of the remap."""
    from stacchip_osml.chain.complex_remaps import REMAPS

    if settings["remap"] not in REMAPS:
        raise ChainError(f"a remap is one of {', '.join(REMAPS)}; got {settings['remap']!r}")
    defaults = REMAPS[settings["remap"]].__kwdefaults__ or {}
    given = settings["parameters"]
    for name in given:
        if name not in defaults:
            known = ", ".join(defaults) or "none"
            raise ChainError(f"the remap {settings['remap']!r} has no parameter {name!r}; it has {known}")
    written = {name: defaults[name] if given.get(name) is None else given[name] for name in sorted(defaults)}
    return settings | {"parameters": {key: None if part is None else a_number(part) for key, part in written.items()}}


def _check(settings: Settings) -> None:
    from stacchip_osml.chain.complex import require_interpretation
    from stacchip_osml.chain.complex_remaps import REMAPS

    roles, table = settings["roles"], _table(settings)
    if roles is not None:
        require_interpretation(2, np.dtype(np.uint8), roles, table)
    elif table is not None:
        raise ChainError("step 'complex_remap': an amplitude table belongs to the role amplitude_index")
    # a remap refuses its parameters by itself
    REMAPS[settings["remap"]](np.ones((1, 1, 1), np.complex64), **settings["parameters"])


def _table(settings: Settings) -> NDArray[Any] | None:
    text = settings["amplitude_table"]
    return None if text is None else table_of(text, TABLE_DTYPE)


def _output(settings: Settings, spec: Spec) -> Spec:
    if settings["roles"] is None:
        if spec.dtype.kind != "c":
            raise ChainError(f"step 'complex_remap' needs complex pixels, or the roles of two real bands; got {spec}")
        return Spec(spec.bands, np.dtype(np.float32))
    if spec.bands != 2 or spec.dtype.kind not in "iuf":
        raise ChainError(f"step 'complex_remap' has roles for two real bands, got {spec}")
    return Spec(1, np.dtype(np.float32))


def _apply(settings: Settings, chip: BandedPixels) -> BandedPixels:
    from stacchip_osml.chain.complex import decode_to_iq
    from stacchip_osml.chain.complex_remaps import REMAPS

    remap, parameters = REMAPS[settings["remap"]], settings["parameters"]
    if settings["roles"] is None:
        mask = chip.mask & np.isfinite(chip.pixels)
        blocks = [np.where(valid, band, np.nan)[None] for band, valid in zip(chip.pixels, mask, strict=True)]
    else:
        # a code that is no measurement may lie outside the table
        known = np.where(chip.mask, chip.pixels, chip.pixels.dtype.type(0))
        parts = decode_to_iq(known, settings["roles"], _table(settings))
        mask = chip.mask.all(axis=0, keepdims=True) & np.isfinite(parts).all(axis=0, keepdims=True)
        blocks = [np.where(mask, parts, np.float32(np.nan))]
    found = [remap(block, **parameters) for block in blocks]
    return chip.renewed(np.concatenate(found) if found else np.empty(chip.pixels.shape, np.float32), mask)


COMPLEX_REMAP = StepKind(
    name="complex_remap",
    version=1,
    about="complex pixels to brightness: quarter_power, magnitude, density, pedf, nrl, linear, log",
    settings={
        "remap": Setting(str, "quarter_power", "by name"),
        "parameters": Setting(_numbers, lambda _: {}, "numbers of the remap; null: from each chip"),
        "roles": Setting(_roles, None, "of two real bands that are one complex band; null: the pixels are complex"),
        "amplitude_table": Setting(a_table, None, "base64 of float32: length for each amplitude_index"),
    },
    output=_output,
    apply=_apply,
    settle=_settle,
    check=_check,
)

KINDS = (COMPLEX_REMAP,)
