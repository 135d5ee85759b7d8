"""stacchip in its own environment: one line of JSON in, one out.

Runs by itself (``PYTHON stacchip_worker.py``) and imports nothing of this
project. ``{"items": [...], "rows": false}`` is answered by wall and CPU
seconds of ``NoStatsChipIndexer(item).create_index()`` over the items; with
``rows`` also by the bounds of the first item's chips. With ``fractions`` it is
``Sentinel2Indexer`` instead, and the answer holds the first item's nodata and
cloud fractions.
"""

import contextlib
import io
import json
import sys
import time
from typing import Any


def build(documents: list[dict[str, Any]], *, fractions: bool) -> tuple[list[Any], float, float]:
    """Index items as stacchip's processors do."""
    from pystac import Item
    from stacchip.indexer import NoStatsChipIndexer, Sentinel2Indexer

    items = [Item.from_dict(document) for document in documents]
    with contextlib.redirect_stdout(io.StringIO()):
        wall, cpu = time.perf_counter(), time.process_time()
        if fractions:
            tables = [Sentinel2Indexer(item, chip_max_nodata=1.0).create_index() for item in items]
        else:
            tables = [NoStatsChipIndexer(item).create_index() for item in items]
        return tables, time.perf_counter() - wall, time.process_time() - cpu


def bounds(table: Any) -> list[Any]:
    """Give grid position and bounds of each chip."""
    import geoarrow.pyarrow as ga
    import shapely

    shapes = shapely.from_wkt(ga.as_wkt(table["geometry"].combine_chunks()).storage.to_pylist())
    columns = (table["chip_index_x"].to_pylist(), table["chip_index_y"].to_pylist(), shapely.bounds(shapes).tolist())
    return list(zip(*columns, strict=True))


def main() -> None:
    """Answer until the other side closes the pipe."""
    out = sys.stdout
    for line in sys.stdin:
        asked = json.loads(line)
        tables, wall, cpu = build(asked["items"], fractions=bool(asked.get("fractions")))
        answer = {"wall": wall, "cpu": cpu, "chips": sum(table.num_rows for table in tables)}
        if asked.get("rows"):
            answer["rows"] = bounds(tables[0])
        if asked.get("fractions"):
            names = ("nodata_percentage", "cloud_cover_percentage")
            answer["fractions"] = [tables[0][name].to_pylist() for name in names]
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
