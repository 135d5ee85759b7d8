"""Invented STAC items and indexes: tiles like those of Sentinel-2, facts only, no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.testing.noise import fractal_noise

__all__ = ["DATES", "PLACES", "SIDE", "index_of", "tile", "tiles", "with_fractions"]

SIDE = 10_980
"""Pixels of a tile's side, 10 m each: 1,764 whole chips of 256."""
STEP = 100_000
"""Metres from tile to tile; neighbours overlap a little."""
PLACES = 60 * 4 * 80
"""Tiles that :func:`tiles` names before it begins again."""
ASSETS = ("blue", "green", "red", "nir")
DATES = ("2025-05-01", "2025-05-11", "2025-05-26", "2025-06-15", "2025-07-05", "2025-08-24")


def tile(
    zone: int = 32, col: int = 0, row: int = 0, *, date: str = DATES[0], side: int = SIDE, old: bool = False
) -> dict[str, Any]:
    """Make an item.

    Args:
        zone: UTM zone, north.
        col: tile column in the zone, 0 to 3.
        row: tile row from the equator, 1 to 80.
        date: day of the pass.
        side: pixels.
        old: write the projection extension as stacchip reads it, in version 1.
    """
    corner = [200_000 + col * STEP, row * STEP]
    crs = {"proj:epsg": 32600 + zone} if old else {"proj:code": f"EPSG:{32600 + zone}"}
    name = (
        f"S2A_T{zone:02d}{chr(67 + row % 20)}{chr(65 + col)}{chr(65 + row % 26)}{row:02d}_{date.replace('-', '')}_L2A"
    )
    hrefs = {key: f"https://tiles.example.com/{zone}/{col}/{row}/{date}/{key}.tif" for key in ASSETS}
    version = "v1.1.0" if old else "v2.0.0"
    return {
        "type": "Feature",
        "stac_version": "1.0.0" if old else "1.1.0",
        "stac_extensions": [f"https://stac-extensions.github.io/projection/{version}/schema.json"],
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "properties": {
            "datetime": f"{date}T10:{col:02d}:{row % 60:02d}Z",
            **crs,
            "proj:shape": [side, side],
            "proj:transform": [10, 0, corner[0], 0, -10, corner[1]],
        },
        "links": [],
        "assets": {key: {"href": href, "type": "image/tiff; application=geotiff"} for key, href in hrefs.items()},
    }


def tiles(count: int, *, first: int = 0, rows: int = 80) -> Iterator[tuple[int, int, int]]:
    """Name tiles all over the northern hemisphere: (zone, col, row), neighbours one after the other."""
    for number in range(first, first + count):
        zone, rest = divmod(number, 4 * rows)
        yield 1 + zone % 60, rest % 4, 1 + rest // 4


def with_fractions(index: ChipIndex) -> ChipIndex:
    """Fill nodata and cloud fractions: smooth skies with much that is clear or closed, and slanted swath edges."""
    table = index.to_arrow()
    names = ("nodata_fraction", "cloud_fraction")
    for name, values in zip(names, _fractions(table), strict=True):
        position = table.schema.get_field_index(name)
        column = pa.array(values, pa.float32(), from_pandas=True)
        table = table.set_column(position, table.schema.field(position), column)
    return ChipIndex.from_table(table, index.tables)


def _fractions(table: pa.Table) -> Sequence[NDArray[np.float32]]:
    words = table.column("item_id").combine_chunks()
    item = np.asarray(words.indices).astype(np.float64)
    col, row = (table.column(name).to_numpy() * 2560.0 for name in ("grid_col", "grid_row"))
    heap = fractal_noise(col + item * 200_000, row, wavelength=26_000, octaves=5, seed=3)
    # a quality pixel of 20 m: 16,384 a chip
    cloud = np.round(np.clip((heap - 0.02) / 0.35, 0, 1) * 16_384) / 16_384
    edge = 140_000 - 60_000 * (item % 3) - 0.21 * row
    nodata = np.round(np.clip((col - edge) / 2560, 0, 1) * 16_384) / 16_384
    cloud[nodata == 1] = np.nan
    return nodata.astype(np.float32), cloud.astype(np.float32)


def index_of(documents: Sequence[dict[str, Any]]) -> ChipIndex:
    """Index items by chips of 256, with fractions."""
    return with_fractions(Indexer(documents, 256, read_headers=False).create_index())
