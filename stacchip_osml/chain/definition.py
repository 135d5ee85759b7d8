"""Processing-chain definitions, their ids, and the registry that resolves them.

A definition is a tuple of steps; a step is a JSON object with ``step`` (its
name), ``version`` and its settings. The id is a hash of the canonical JSON, so
the same definition has the same id everywhere and registries merge without
conflict. An id resolves only through a registry: nothing in an index is ever
executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import each_of, of_kind

__all__ = ["RAW", "ChainDefinition", "ChainRegistry", "canonical_json", "chain_id", "copied", "steps_of"]

RAW = "raw"
"""Id of the empty chain."""

ChainDefinition = tuple[Mapping[str, Any], ...]


def canonical_json(definition: ChainDefinition) -> str:
    """Write a definition in its one canonical form: sorted keys, no spaces, no NaN, 1 and 1.0 alike.

    Raises:
        ChainError: a step lacks its name or version, or holds a value that JSON cannot carry.
    """
    for position, step in enumerate(steps_of(definition)):
        if not isinstance(step, Mapping) or not isinstance(step.get("step"), str):
            raise ChainError(f"step {position} of a chain must be an object with a 'step' name, got {step!r}")
        version = step.get("version")
        if isinstance(version, bool) or not isinstance(version, int):
            raise ChainError(f"step {position} ({step['step']}) of a chain must state its 'version' as an integer")
    try:
        text = json.dumps(
            [_plain(step) for step in definition],
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
        text.encode()  # half of a character is none
    except (TypeError, ValueError, RecursionError) as error:
        raise ChainError(f"a chain's settings must be JSON values: {error}") from error
    return text


def steps_of(definition: Any) -> ChainDefinition:
    """Give a definition as a tuple; what its steps are is not looked at.

    Raises:
        ChainError: it is no list.
    """
    if isinstance(definition, Mapping) or not isinstance(definition, Iterable):
        raise ChainError(f"definition must be a list of steps, got {definition!r:.60}")
    try:
        return each_of("definition", definition, object, "a list of steps")
    except TypeError as error:
        raise ChainError(str(error)) from error


def _plain(value: Any) -> Any:
    """Give values as JSON writes them, whole numbers without a fraction: two spellings are one number."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def chain_id(definition: ChainDefinition) -> str:
    """Name a definition by its content: ``raw`` when empty, else step names and 12 hex digits of SHA-256."""
    definition = steps_of(definition)
    if not definition:
        return RAW
    text = canonical_json(definition)
    names = "+".join(str(step["step"]) for step in definition)[:40]
    return f"{names}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def copied(definition: ChainDefinition) -> ChainDefinition:
    """Copy a definition, with all that its settings hold."""
    return tuple({name: _copy(value) for name, value in step.items()} for step in definition)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(part) for part in value] if isinstance(value, list) else tuple(map(_copy, value))
    return value


class ChainRegistry(Mapping[str, ChainDefinition]):
    """Immutable map of chain id → definition; ``raw`` is always known.

    Every id is checked against its definition when the registry is made. What is given and what is asked for are
    copies, so that nobody changes what an id stands for.
    """

    __slots__ = ("_chains",)

    def __init__(self, definitions: Iterable[ChainDefinition] = ()) -> None:
        given = each_of("definitions", definitions, object, "a list of definitions")
        self._chains = {RAW: ()} | {chain_id(d): copied(steps_of(d)) for d in given}

    @classmethod
    def from_json(cls, document: Any) -> ChainRegistry:
        """Read what :meth:`to_json` wrote.

        Raises:
            ChainError: not an object of id → list of steps, or an id that does not match its definition.
        """
        if not isinstance(document, dict):
            raise ChainError(f"a chain registry must be a JSON object, got {type(document).__name__}")
        for name, steps in document.items():
            if not isinstance(steps, list):
                raise ChainError(f"chain {name!r} must be a list of steps, got {type(steps).__name__}")
            expected = chain_id(tuple(steps))
            if name != expected:
                raise ChainError(f"two different definitions under one name: {name!r} holds the chain {expected!r}")
        return cls(tuple(steps) for steps in document.values())

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Give a JSON object, sorted by id."""
        return {name: [dict(step) for step in copied(self._chains[name])] for name in sorted(self._chains)}

    def union(self, other: ChainRegistry) -> ChainRegistry:
        """Merge two registries; ids are content hashes, so they cannot conflict."""
        of_kind("other", other, ChainRegistry, "a ChainRegistry")
        return ChainRegistry([*self._chains.values(), *other.values()])

    def __getitem__(self, name: str) -> ChainDefinition:
        try:
            return copied(self._chains[name])
        except (KeyError, TypeError):
            known = ", ".join(sorted(self._chains))
            raise ChainError(f"unknown processing chain {name!r}; this registry knows {known}") from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._chains

    def __iter__(self) -> Iterator[str]:
        return iter(self._chains)

    def __len__(self) -> int:
        return len(self._chains)

    def __repr__(self) -> str:
        return f"ChainRegistry({', '.join(sorted(self._chains))})"
