"""Tables of items in memory, as the libraries that make them give them: Arrow's, or a GeoDataFrame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from stacchip_osml.errors import ItemError

__all__ = ["arrow_stream", "is_table", "items_of"]


@runtime_checkable
class _Stream(Protocol):
    """Anything whose rows Arrow can take over: a pyarrow Table or reader, an arro3, DuckDB or Polars table."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@runtime_checkable
class _Convertible(Protocol):
    """A table that gives itself as an Arrow one: a GeoDataFrame, whose geometries Arrow alone does not know."""

    def to_arrow(self) -> _Stream: ...


def is_table(source: object) -> bool:
    """Tell whether an object is a table."""
    return isinstance(source, _Stream)


def arrow_stream(source: Any) -> Any:
    """Give a table as a stream that Arrow takes over."""
    return source.to_arrow() if isinstance(source, _Convertible) else source


def items_of(source: Any) -> Iterator[dict[str, Any]]:
    """Yield the documents of a stac-geoparquet table.

    Raises:
        ItemError: it is none, or a value of it is none of STAC's.
    """
    from stacchip_osml.stac.geoparquet import stream_to_items

    try:
        yield from stream_to_items(arrow_stream(source))
    except (ValueError, TypeError) as error:
        raise ItemError(f"{type(source).__name__}: not a stac-geoparquet table: {error!s:.300}") from error
