"""``python -m tests.benchmarks NAME …``: run benchmarks and show their tables."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.page import with_tables
from tests.benchmarks.report import Options, Report, save, to_text

BENCHMARKS = {
    "build": "rows of a new index, against stacchip 0.1.38",
    "quality": "nodata and cloud fractions from a class band, against stacchip 0.1.38",
    "size": "bytes a row on disk, column by column",
    "query": "ten million rows opened, and asked for a box and a cloud limit, against pyarrow and DuckDB",
    "merge": "fifty indexes into one: time and memory",
    "headers": "block layouts in an index: to parse, pack, unpack, store and open, against tifffile",
    "startup": "import and --help",
    "pixels": "chips from local COGs, against stacchip's way, rasterio, async-geotiff and the decoders alone",
    "remote": "chips behind HTTP with 30 ms a request, against stacchip's way, rasterio and async-geotiff",
    "nitf": "windows of NITF files, and of a large SICD, against rasterio",
    "training": "batches for a training loop, against stacchip's way, rasterio, WebDataset, LitData, MDS, zarr and npy",
    "flat": "what a chip costs in indexes of a thousand to a million rows",
    "endurance": "no time: memory, descriptors and threads over 200,000 chips; the same bytes on any threads",
    "agreement": "no time: which reader serves every level of real files, and whether its pixels are GDAL's",
    "pyramid": "all levels of an image in one pass, against osml-imagery-toolkit",
    "image_statistics": "counting against np.histogram; images against osml-imagery-toolkit 2.0.0a1",
    "encode": "chips as files, against rasterio's MemoryFile",
    "encode_threads": "images and chips as files, and create_chip, by one, two and eight threads",
    "files": "chips of an index as files, one after the other and on all cores, local and behind HTTP",
    "large": "no target of time: memory while 2.7 GB of pixels made on the fly become files",
    "create_chip": "chips as files, end to end, against osml-imagery-toolkit 2.0.0a1",
    "projections": "sensor models, all positions together, against one by one, sarkit and GDAL",
    "cut": "chips from local COGs, against rasterio with its files kept open",
}


def main(argv: list[str] | None = None) -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all of them if none")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and what each compares")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables here")
    parser.add_argument("--page", type=Path, metavar="FILE", help="also write them into this page, where it shows them")
    parser.add_argument("--rounds", type=int, help="rounds of each side")
    parser.add_argument("--rows", type=int, help="rows of the index, where that is a choice")
    parser.add_argument("--quick", action="store_true", help="small data, one round: only to see that it works")
    parser.add_argument("--folder", type=Path, help="keep the data here and find it again; else a temporary folder")
    given = parser.parse_args(argv)
    if given.list:
        sys.stdout.writelines(f"{name:9} {text}\n" for name, text in BENCHMARKS.items())
        return 0
    if given.page is not None and given.quick:
        parser.error("--page is for figures that say something, which those of --quick do not")
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    reports: list[Report] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        options = Options(rounds=given.rounds, rows=given.rows, quick=given.quick, folder=folder)
        for name in given.names or BENCHMARKS:
            made = importlib.import_module(f"tests.benchmarks.{name}").run(options)
            for report in made:
                sys.stdout.write(to_text(report) + "\n")
                sys.stdout.flush()
            reports += made
    if given.json is not None:
        save(reports, given.json)
    if given.page is not None:
        given.page.write_text(with_tables(given.page.read_text(encoding="utf-8"), reports), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
