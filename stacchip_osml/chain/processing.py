"""Chains as objects: steps bound together with what comes out of them, called like a function.

A chain made of definitions has an id and can stand in an index; one that holds
a bare function works just as well here, and has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.chain.arithmetic import SELECT, band_select_step
from stacchip_osml.chain.definition import ChainDefinition, chain_id, copied
from stacchip_osml.chain.kinds import BandedPixels, Spec, called, pixel_dtype
from stacchip_osml.chain.steps import ALIGN, apply_step, complete_chain, complete_step, predict, step_kind
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["ChainStep", "ProcessingChain", "apply_function", "band_select", "compose"]

Pixels = NDArray[Any]
Function = Callable[[Pixels], Pixels]


@dataclass(frozen=True, slots=True, init=False)
class ChainStep:
    """A step that a definition describes, as a function of pixels; picklable, as the definition is."""

    definition: dict[str, Any]
    """In its one form: with every default."""

    def __init__(self, definition: Any) -> None:
        """Take a definition.

        Raises:
            ChainError: an unknown step, or an impossible setting.
        """
        object.__setattr__(self, "definition", complete_step(definition))

    def __call__(self, pixels: Pixels) -> Pixels:
        """Apply the step to ``(bands, rows, cols)`` that are all valid."""
        return self.apply(BandedPixels.of(pixels)).pixels

    def apply(self, chip: BandedPixels) -> BandedPixels:
        """Apply the step to masked pixels."""
        return apply_step(step_kind(self.definition), self.definition, chip)

    def output(self, spec: Spec) -> Spec:
        """Say what comes out of pixels of a spec."""
        return predict((self.definition,), spec)

    def __hash__(self) -> int:
        return hash(chain_id((self.definition,)))


@dataclass(frozen=True, slots=True)
class ProcessingChain:
    """A sequence of functions of pixels, with what comes out of it.

    Pixels are ``(bands, rows, cols)``: those of ``input_bands`` where the
    chain names them, in that order. Picklable where its steps are. Safe to
    call from many threads where its steps are.
    """

    steps: Sequence[Function]
    """Called in order; :class:`ChainStep`, or any function of an array that gives an array of the same rows, cols."""
    output_bands: int
    """Bands that come out."""
    output_dtype: DTypeLike = np.uint8
    """Type that comes out; kept as a numpy dtype."""
    input_bands: Sequence[int] | None = None
    """0-based bands of the source that the chain is to be given; None: all of them."""
    source: Spec | None = None
    """What the chain takes, where it was made for one kind of pixels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", each_of("steps", self.steps, object, "a list of functions"))
        object.__setattr__(self, "output_dtype", pixel_dtype(self.output_dtype))
        of_kind("source", self.source, (Spec, type(None)), "a Spec or None")
        for place, step in enumerate(self.steps):
            if not callable(step):
                raise ChainError(f"step {place} of a chain must be a function of pixels, got {type(step).__name__}")
        if whole_number("output_bands", self.output_bands) < 1:
            raise ChainError(f"a chain gives at least one band, got output_bands={self.output_bands!r}")
        if self.input_bands is not None:
            object.__setattr__(self, "input_bands", tuple(band_select_step(self.input_bands)["bands"]))

    @classmethod
    def from_definition(cls, definition: ChainDefinition, source: Any) -> ProcessingChain:
        """Bind a definition to the kind of pixels it will be given.

        Args:
            definition: steps; how assets are aligned is left out, since reading does that.
            source: :class:`Spec`, an image provider, an array, or ``(bands, dtype)``.

        Raises:
            ChainError: an unknown step, or one that rejects what comes to it.
        """
        steps = tuple(step for step in complete_chain(definition) if step["step"] != ALIGN)
        spec = Spec.of(source)
        found = predict(steps, spec)
        return cls(steps=tuple(map(ChainStep, steps)), output_bands=found.bands, output_dtype=found.dtype, source=spec)

    @property
    def definition(self) -> ChainDefinition | None:
        """The steps' definitions, copied, the choice of ``input_bands`` first; None where a step is a bare function."""
        if not all(isinstance(step, ChainStep) for step in self.steps):
            return None
        steps = copied(tuple(step.definition for step in self.steps if isinstance(step, ChainStep)))
        return steps if self.input_bands is None else (band_select_step(self.input_bands), *steps)

    @property
    def id(self) -> str | None:
        """The definition's id; None where there is no definition."""
        definition = self.definition
        return None if definition is None else chain_id(definition)

    def require_definition(self) -> ChainDefinition:
        """Give the definition, for an index.

        Raises:
            ChainError: a step is a bare function, which nothing outside this process can name.
        """
        definition = self.definition
        if definition is None:
            place, step = next((i, step) for i, step in enumerate(self.steps) if not isinstance(step, ChainStep))
            raise ChainError(
                f"step {place} of this chain is the function {_name_of(step)!r}, so that the chain has no id and "
                "cannot be indexed; register_step gives a function a name and version"
            )
        return definition

    def for_reading(self) -> ProcessingChain:
        """Give the same chain with a choice of bands at its head turned into ``input_bands``: the rest is not read."""
        first = self.steps[0] if self.steps else None
        if not isinstance(first, ChainStep) or first.definition["step"] != SELECT.name:
            return self
        bands = first.definition["bands"]
        if self.input_bands is not None:
            bands = [list(self.input_bands)[band] for band in bands]
        spec = None if self.source is None else first.output(self.source)
        return replace(self, steps=tuple(self.steps)[1:], input_bands=bands, source=spec)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Apply the chain to pixels that are all valid.

        Args:
            pixels: ``(bands, rows, cols)``.

        Returns:
            ``(output_bands, rows, cols)`` of ``output_dtype``.

        Raises:
            ChainError: (a ValueError) other pixels than the chain takes, or it gave something else than it says.
        """
        return self.apply(BandedPixels.of(pixels)).pixels

    def apply(self, chip: BandedPixels) -> BandedPixels:
        """Apply the chain to masked pixels: what is not valid stays so, and has no influence on what is.

        A bare function is given all pixels, valid or not; what it makes of them is as valid as they were, or, where it
        changes the number of bands, where they all were.

        Raises:
            ChainError: as a call.
        """
        of_kind("chip", chip, BandedPixels, "BandedPixels")
        self._require_input(Spec.of(chip))
        for place, step in enumerate(self.steps):
            if isinstance(step, ChainStep):
                chip = step.apply(chip)
            else:
                chip = apply_function(step, chip, name=f"step {place} of the chain")
        found = Spec.of(chip)
        if found != Spec(self.output_bands, np.dtype(self.output_dtype)):
            last = f" by its last, {_told(self.steps[-1])}" if self.steps else ""
            raise ChainError(
                f"the chain says it gives {self.output_bands} bands of {np.dtype(self.output_dtype)}, and gave "
                f"{found}{last}"
            )
        return chip

    def _require_input(self, spec: Spec) -> None:
        if self.source is not None and self.source != spec:
            raise ChainError(f"the chain was made for {self.source}, got {spec}")
        if self.input_bands is not None and len(self.input_bands) != spec.bands:
            raise ChainError(f"the chain takes bands {tuple(self.input_bands)} of the source, got {spec.bands} bands")


def apply_function(function: Function, chip: BandedPixels, *, name: str) -> BandedPixels:
    """Apply a bare function: what it makes of pixels is as valid as they were, or as all bands together were.

    Args:
        function: pixels → pixels.
        chip: what it is given.
        name: its place, for messages, which add its own name.

    Raises:
        ChainError: it failed, or gave no array of numbers of the same rows and columns.
    """
    who = f"{name}, {_told(function)},"
    pixels = called(lambda: function(chip.pixels), name=who)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 3 or pixels.shape[1:] != chip.pixels.shape[1:]:
        shape = getattr(pixels, "shape", None)
        raise ChainError(
            f"{who} must give an array of {chip.pixels.shape[1:]} rows and columns, got "
            f"{type(pixels).__name__ if shape is None else shape}"
        )
    if pixels.dtype.kind not in "biufc" or not len(pixels):
        raise ChainError(f"{who} must give bands of numbers, got {len(pixels)} of {pixels.dtype}")
    mask = chip.mask
    if len(pixels) != len(mask):
        mask = np.broadcast_to(mask.all(axis=0), pixels.shape)
    return BandedPixels.of(pixels, mask)


def _name_of(function: Function) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _told(step: Function) -> str:
    """Name a step for people."""
    return f"step {step.definition['step']!r}" if isinstance(step, ChainStep) else f"function {_name_of(step)!r}"


def band_select(bands: Sequence[int]) -> ChainStep:
    """Give the step that chooses bands.

    Args:
        bands: 0-based, in the order wanted.

    Raises:
        ChainError: (a ValueError) no bands.
    """
    return ChainStep(band_select_step(bands))


def compose(first: ProcessingChain, second: ProcessingChain) -> ProcessingChain:
    """Join two chains: what the first gives goes into the second.

    A choice of the second's ``input_bands`` comes between them.

    Returns:
        A chain of the first's input and the second's output.

    Raises:
        ChainError: (a ValueError) the second wants a band, or a kind of pixels, that the first does not give.
    """
    of_kind("first", first, ProcessingChain, "a ProcessingChain")
    of_kind("second", second, ProcessingChain, "a ProcessingChain")
    between: tuple[Function, ...] = ()
    given = Spec(first.output_bands, np.dtype(first.output_dtype))
    if second.input_bands is not None:
        if max(second.input_bands) >= first.output_bands:
            raise ChainError(
                f"the second chain takes bands {tuple(second.input_bands)}, and the first gives {first.output_bands}"
            )
        step = band_select(second.input_bands)
        between, given = (step,), step.output(given)
    if second.source is not None and second.source != given:
        raise ChainError(f"the second chain was made for {second.source}, and is given {given}")
    return ProcessingChain(
        steps=(*first.steps, *between, *second.steps),
        output_bands=second.output_bands,
        output_dtype=second.output_dtype,
        input_bands=first.input_bands,
        source=first.source,
    )
