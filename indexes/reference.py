"""Build the reference indexes of the sample imagery: one a sensor, and both merged.

    python indexes/reference.py [folder]

They are portable: imagery is named relative to them, and without file times,
which a checkout does not keep. They hold the headers and block layouts of the images,
so chips are cut without opening an image to find its blocks. Whoever changes what the
Indexer writes runs this again; a test compares the committed files with a fresh build.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stacchip_osml import ChipIndex, Indexer, merge

HERE = Path(__file__).parent


def build(imagery: Path) -> dict[str, ChipIndex]:
    """Index both sensors: chips of 96 pixels at 10 m with cloud fractions, and of 128 at 2.5 m on a CRS grid."""
    sentinel = Indexer(
        imagery / "sentinel-like" / "collection.json", 96, quality="scl", edges="partial", levels=(0, 1), headers=True
    ).create_index()
    aerial = Indexer(
        imagery / "aerial-like" / "collection.json", 128, assets=["image"], anchor="crs", headers=True
    ).create_index()
    return {"sentinel-like": sentinel, "aerial-like": aerial, "both-sensors": merge(sentinel, aerial)}


def main(folder: Path) -> None:
    """Write the reference indexes to a folder beside the imagery."""
    for name, index in build(folder / "imagery").items():
        index.save(folder / f"{name}.parquet", portable=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
