"""The steps that definitions may name, and what a whole definition does.

``align`` says how assets come to the reference grid; it is carried out while
reading, because it needs the source's pixels around the chip. All others are
functions of a chip's pixels. A new step is a row in ``STEPS``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from stacchip_osml.chain import arithmetic, color_space, complex_step, limits, radiometry, tables, tone
from stacchip_osml.chain.definition import ChainDefinition, canonical_json, steps_of
from stacchip_osml.chain.kinds import REQUIRED, BandedPixels, Setting, Settings, Spec, StepKind, called
from stacchip_osml.chain.radiometry import scale_offset_step
from stacchip_osml.chain.settings import sorted_texts
from stacchip_osml.errors import ChainError
from stacchip_osml.extensions import load_extensions
from stacchip_osml.pixel.arguments import function_or_none, of_kind

__all__ = [
    "ALIGN",
    "STEPS",
    "BandedPixels",
    "align_step",
    "apply_chain",
    "complete_chain",
    "complete_step",
    "is_resolved",
    "iter_kinds",
    "predict",
    "register_step",
    "require_steps",
    "resampling_for",
    "resolve",
    "scale_offset_step",
    "step_kind",
]

ALIGN = "align"
METHODS = ("auto", "nearest", "bilinear", "area")


def align_step(*, default: str = "auto", methods: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Define how assets are brought to the reference grid.

    Args:
        default: method of assets not named: ``auto`` is bilinear up and area down.
        methods: method by asset key, for example ``{"scl": "nearest"}``.

    Raises:
        ChainError: an unknown method.
    """
    return ALIGNMENT.define(default=default, methods=methods)


def _without_repeats(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out the assets for which the default is said once more."""
    default = settings["default"]
    return {**settings, "methods": {key: method for key, method in settings["methods"].items() if method != default}}


def _check_methods(settings: Settings) -> None:
    for key, method in [("default", settings["default"]), *settings["methods"].items()]:
        if method not in METHODS:
            raise ChainError(f"resampling of {key!r} must be one of {', '.join(METHODS)}; got {method!r}")


ALIGNMENT = StepKind(
    name=ALIGN,
    version=1,
    about="how assets come to the reference grid, while they are read",
    settings={
        "default": Setting(str, "auto", f"of assets not named: {', '.join(METHODS)}"),
        "methods": Setting(sorted_texts, lambda _: {}, "method by asset key"),
    },
    apply=lambda _, chip: chip,
    settle=_without_repeats,
    check=_check_methods,
    keeps_values=True,
)

STEPS: dict[tuple[str, int], StepKind] = {
    (kind.name, kind.version): kind
    for kind in (
        ALIGNMENT,
        *arithmetic.KINDS,
        *radiometry.KINDS,
        *limits.KINDS,
        *tables.KINDS,
        *tone.KINDS,
        *color_space.KINDS,
        *complex_step.KINDS,
    )
}
"""(name, version) → what it does."""

_OWN = frozenset(STEPS)


def step_kind(step: Mapping[str, Any]) -> StepKind:
    """Find what a step names.

    Raises:
        ChainError: this process knows no such step.
    """
    if not isinstance(step, Mapping):
        raise ChainError(f"a step must be an object with a 'step' name, got {step!r:.60}")
    key = step.get("step"), step.get("version")
    if not (isinstance(key[0], str) and isinstance(key[1], int)):
        raise ChainError(f"a step has a 'step' name and a whole 'version', got {step!r:.60}")
    if key not in STEPS:
        failed = load_extensions()
        if key not in STEPS:
            known = ", ".join(f"{name} {version}" for name, version in sorted(STEPS))
            raise ChainError(
                f"unknown step {key[0]!r} version {key[1]}; known: {known}; a step of your own has to be registered "
                f"(register_step) in every process that applies it, or by an installed extension{failed}"
            )
    return STEPS[key]


def complete_step(step: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a step to the one form of its meaning: every default written out, every number in its plainest form.

    Raises:
        ChainError: an unknown step, or an unknown, missing or impossible setting.
    """
    return step_kind(step).complete(step)


def complete_chain(definition: ChainDefinition) -> ChainDefinition:
    """Bring every step of a definition to its one form, so that the same meaning has the same id.

    Raises:
        ChainError: as :func:`complete_step`; or no definition at all.
    """
    definition = steps_of(definition)
    canonical_json(definition)
    return tuple(complete_step(step) for step in definition)


def require_steps(definition: ChainDefinition) -> None:
    """Raise ChainError unless every step of a definition is known here, with settings that it can have."""
    for step in steps_of(definition):
        complete_step(step)


def resampling_for(definition: ChainDefinition, asset_key: str) -> str:
    """Give the method that a chain states for one asset; ``auto`` where it states none."""
    for step in steps_of(definition):
        if isinstance(step, Mapping) and step.get("step") == ALIGN:
            return str(
                step.get("methods", {}).get(of_kind("asset_key", asset_key, str, "a key"), step.get("default", "auto"))
            )
    return "auto"


def predict(definition: ChainDefinition, source: Any) -> Spec:
    """Say what a chain makes of pixels, from what they are.

    Args:
        definition: the chain.
        source: :class:`Spec`, an image provider, an array, or ``(bands, dtype)``.

    Raises:
        ChainError: an unknown step, or one that rejects what comes to it.
    """
    spec = Spec.of(source)
    for step in steps_of(definition):
        kind = step_kind(step)
        spec = _output_of(kind, kind.complete(step), spec)
    return spec


def _output_of(kind: StepKind, settings: Settings, spec: Spec) -> Spec:
    """Ask a step what comes out of it; of a step of one's own, what goes wrong there names it.

    Raises:
        ChainError: it rejects such pixels, or cannot say.
    """
    what = f"step {kind.name!r} cannot say what it gives of {spec}: its output="
    found: Any = called(lambda: kind.output(settings, spec), name=what)
    if not isinstance(found, Spec):
        raise ChainError(f"step {kind.name!r} must say what it gives of {spec} as a Spec, its output= gave {found!r}")
    return found


def apply_chain(definition: ChainDefinition, chip: BandedPixels) -> BandedPixels:
    """Run a chain's steps in order.

    Raises:
        ChainError: a step that this version does not know, or that rejects these pixels.
    """
    of_kind("chip", chip, BandedPixels, "BandedPixels")
    for step in steps_of(definition):
        kind = step_kind(step)
        chip = apply_step(kind, kind.complete(step), chip)
    return chip


def apply_step(kind: StepKind, settings: Settings, chip: BandedPixels) -> BandedPixels:
    """Run one step, whose settings are complete, and hold it to what it said would come out.

    Raises:
        ChainError: it rejects these pixels, gives something else, or fails.
    """
    expected = _output_of(kind, settings, Spec.of(chip))
    done: Any = called(lambda: kind.apply(settings, chip), name=f"step {kind.name!r}")
    if not isinstance(done, BandedPixels):
        raise ChainError(
            f"step {kind.name!r} must give BandedPixels, chip.renewed(pixels, mask) say; it gave {type(done).__name__}"
        )
    if not (isinstance(done.pixels, np.ndarray) and isinstance(done.mask, np.ndarray)):
        raise ChainError(
            f"step {kind.name!r} must give pixels and mask as arrays, it gave {type(done.pixels).__name__} and "
            f"{type(done.mask).__name__}"
        )
    found = Spec.of(done)
    if found != expected or done.pixels.shape[1:] != chip.pixels.shape[1:] or done.mask.shape != done.pixels.shape:
        raise ChainError(
            f"step {kind.name!r} said it gives {expected} of {chip.pixels.shape[1:]}, and gave pixels "
            f"{done.pixels.shape} {found.dtype} with a mask {done.mask.shape}"
        )
    done.require_whole(kind.name)
    return done


def is_resolved(definition: ChainDefinition) -> bool:
    """Say whether a chain waits for no statistics of an item.

    Raises:
        ChainError: an unknown step.
    """
    return not any(_waits(complete_step(step)) for step in steps_of(definition))


def _waits(step: Mapping[str, Any]) -> bool:
    return step_kind(step).resolve is not None and step.get("resolve") == "item"


def resolve(definition: ChainDefinition, statistics: Any) -> ChainDefinition:
    """Put an item's numbers into the steps that wait for them.

    Args:
        definition: the chain.
        statistics: of the item's image, as :func:`compute_image_statistics` gives them: ``bands``, each with
            ``min``, ``max``, ``histogram`` and ``bin_edges``.

    Returns:
        A chain that waits for nothing, with an id of its own; the same one where none of its steps waited.

    Raises:
        ChainError: a step before has changed the values, so that these are not their statistics.
    """
    try:
        bands = list(statistics.bands)
    except (AttributeError, TypeError) as error:
        raise TypeError(f"statistics must be those of an image, not {type(statistics).__name__}") from error
    changed: str | None = None
    done: list[Mapping[str, Any]] = []
    for step in complete_chain(definition):
        kind, found = step_kind(step), step
        if _waits(step) and kind.resolve is not None:
            if changed is not None:
                raise ChainError(
                    f"step {kind.name!r} waits for statistics of the item, and {changed!r} before it changes the values"
                )
            found = kind.resolve(step, bands)
        if kind is arithmetic.SELECT:
            predict((step,), Spec.of((len(bands), "float64")))
            bands = [bands[band] for band in step["bands"]]
        elif not kind.keeps_values:
            changed = kind.name
        done.append(found)
    return tuple(done)


def register_step(
    name: str,
    version: int,
    apply: Callable[[Settings, BandedPixels], BandedPixels],
    *,
    settings: Mapping[str, Any] | None = None,
    output: Callable[[Settings, Spec], Spec] | None = None,
    check: Callable[[Settings], None] | None = None,
    about: str = "",
) -> Callable[..., dict[str, Any]]:
    """Make a step of your own known to this process, so that chains can name it and have an id.

    Only the name, version and settings stand in an index: whoever applies
    them must have registered the same step, or have an extension installed that
    does (entry-point group ``stacchip_osml``). Change the version when the same
    settings give different pixels.

    Args:
        name: not that of a step of this package.
        version: from 1.
        apply: settings and pixels → pixels (see :meth:`BandedPixels.renewed`); it must change nothing it is given.
        settings: name → default, a JSON value; :data:`REQUIRED` where there is none. The function gets values as JSON
            has them: whole numbers as int, lists, objects with their keys in order.
        output: settings and spec → spec of what comes out, ChainError where the step rejects it; None: as it came.
        check: raises ChainError for impossible settings.
        about: one line for people.

    Returns:
        A function of the settings that gives the step's definition.

    Raises:
        ChainError: the name is taken, or a setting's name is; or a default is no JSON value.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ChainError(f"a step is named like a variable, got {name!r}")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ChainError(f"a step's version is a whole number from 1, got {version!r}")
    of_kind("apply", apply, Callable, "a function")  # type: ignore[arg-type]
    function_or_none("output", output)
    function_or_none("check", check)
    settings = of_kind("settings", {} if settings is None else settings, Mapping, "names and defaults, or None")
    if not {"step", "version"}.isdisjoint(settings):
        raise ChainError(f"step {name!r}: a setting cannot be called 'step' or 'version'")
    options = {key: value for key, value in (("output", output), ("check", check)) if value is not None}
    kind = StepKind(
        name=name,
        version=version,
        about=about,
        apply=apply,
        settings={
            key: Setting(_one_form, default if default is REQUIRED else _one_form(default))
            for key, default in settings.items()
        },
        **options,  # type: ignore[arg-type]
    )
    known = STEPS.get((name, version))
    if name in {own for own, _ in _OWN} or (known is not None and known.apply is not apply):
        raise ChainError(f"step {name!r} version {version} is taken; another function needs another name or version")
    STEPS[name, version] = kind
    return kind.define


def _one_form(value: Any) -> Any:
    """Give a value as its id knows it, and nobody else holds it: what has one id is one thing to the function."""
    (step,) = json.loads(canonical_json(({"step": "", "version": 1, "value": value},)))
    return step["value"]


def iter_kinds() -> Iterator[StepKind]:
    """Yield every step that is known here, those of installed extensions too, by name and version."""
    load_extensions()
    yield from (STEPS[key] for key in sorted(STEPS))
