"""``ChipFactory.create_chip`` end to end against that of osml-imagery-toolkit 2.0.0a1.

Both have the same COG open (deflate, blocks of 512, overviews), and cut the same
windows: of the chip's own size, of a level's, and between levels, at random; and
one after the other with an overlap, as a detector is fed. Each call is made when
the one before has returned. Both have their default settings: a chip's blocks
are decoded on all cores by ours, by one thread in the toolkit; ours is also
timed with one thread (``threads=1``). Nothing is kept of an earlier round, and a
turn begins with one that is not counted. The toolkit runs in its own
environment, which ``OSML_PYTHON`` names. Chips of SICD and SIDD carry their XML,
brought up to date; ours has ValidData and corners of the chip in it, the
toolkit's those of the parent. SICD asks for one block an image; as the toolkit
decodes a whole one for each chip, it is also compared with blocks of 512.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine

from stacchip_osml.encode import ChipFactory
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.chip_agreement import document_of, pixels_apart, require_same_place
from tests.benchmarks.peer import Peer
from tests.benchmarks.pyramid import OSML_HELP, open_osml
from tests.benchmarks.report import Options, Report
from tests.benchmarks.sensor_images import make_rpc, make_sicd, make_sicd_block, make_sidd
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Side, alternate, timed, warmed

__all__ = ["CASES", "Case", "run"]

SIDE, QUICK_SIDE = 4096, 1024
CHIP, CHIPS = 256, 24
IN_ORDER = "as stored, in order"
BLOCK = 512
WINDOWS = {"as stored": 256, "a level's": 512, "between levels": 640, IN_ORDER: 256}
"""Side of the window that becomes a chip."""
STRIDE = 192


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One format and the image that its chips are cut from."""

    name: str
    make: Callable[[Path, int], Path]
    """Makes the image in a folder, of a side in pixels."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Ours, where the toolkit's defaults are others."""
    target: float = 3.0
    model: str = ""
    """The sensor model that chips are to carry, if any."""
    has_document: bool = False
    """Whether its XML goes along."""


def make_scene(folder: Path, side: int, dtype: str = "uint16") -> Path:
    """Make a COG of three bands, or find it; one piece of countryside laid side by side."""
    path = folder / f"create-chip-{dtype}-{side}.tif"
    if not path.exists():
        piece = natural_scene(ImageSize(min(side, 1024), min(side, 1024)), bands=("red", "green", "blue"))
        if dtype == "uint8":
            piece = (piece >> 4).clip(0, 255).astype(np.uint8)
        count = side // piece.shape[1]
        profile = {"driver": "COG", "count": 3, "dtype": dtype, "width": side, "height": side, "blocksize": BLOCK}
        profile |= {"compress": "deflate", "predictor": 2, "overview_resampling": "average"}
        profile |= {"crs": "EPSG:32632", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
        with rasterio.open(path, "w", **profile) as file:
            file.write(np.tile(piece, (1, count, count)))
    return path


def make_picture(folder: Path, side: int) -> Path:
    """Make the same with 8 bits."""
    return make_scene(folder, side, "uint8")


CASES = (
    Case(name="png", make=make_picture),
    Case(name="jpeg", make=make_picture, options={"quality": 75}),
    Case(name="geotiff", make=make_scene),
    Case(name="nitf", make=make_scene),
    Case(name="nitf", make=make_rpc, target=10.0, model="RPC"),
    Case(name="nitf", make=make_sicd, target=10.0, model="SICD", has_document=True),
    Case(name="nitf", make=make_sicd_block, target=10.0, model="SICD of one block", has_document=True),
    Case(name="nitf", make=make_sidd, target=10.0, model="SIDD", has_document=True),
)
"""A format is a row; the last four carry a sensor model, and are cut one to one."""


def run(options: Options) -> list[Report]:
    """Cut and encode chips, side by side."""
    side = QUICK_SIDE if options.quick else SIDE
    rounds = options.rounds or (1 if options.quick else 5)
    count = 2 if options.quick else CHIPS
    rows: list[dict[str, Any]] = []
    targets: list[Target] = []
    with open_osml("osml_chips.py") as peer:
        for case in CASES:
            path = case.make(options.folder, side)
            for kind, width in WINDOWS.items():
                if case.model and width != CHIP:
                    continue
                windows = _windows(kind, width, side, count)
                row, target = _compared(peer, case, path, (kind, windows), rounds)
                rows.append(row)
                targets.append(target)
    notes = [
        f"{count} chips of {CHIP} x {CHIP} pixels, three bands, of {side} x {side}; 16 bits for geotiff "
        f"and nitf, 8 for png and jpeg; deflate, blocks of {BLOCK}; medians of {rounds} rounds, in turns.",
    ]
    if not any("toolkit, ms" in row for row in rows):
        notes.append(OSML_HELP)
    return [
        Report(title="create_chip: end to end", rows=rows, notes=notes),
        report_targets("create_chip: targets", targets),
    ]


def _windows(kind: str, width: int, side: int, count: int) -> list[tuple[int, int, int, int]]:
    """Lay windows on the image."""
    if kind == IN_ORDER:
        across = 6
        return [(i % across * STRIDE, i // across * STRIDE, width, width) for i in range(count)]
    places = np.random.default_rng(0).integers(0, side - width, (count, 2)).tolist()
    return [(x, y, width, width) for x, y in places]


def _compared(
    peer: Peer | None, case: Case, path: Path, asked: tuple[str, list[tuple[int, int, int, int]]], rounds: int
) -> tuple[dict[str, Any], Target]:
    """Time both sides in turns."""
    kind, windows = asked
    size = ImageSize(CHIP, CHIP)
    image = BlockImage(str(path))
    model = load_sensor_model(image) if case.model else None
    name = f"{case.name}, {case.model}" if case.model else case.name

    def cut(threads: int | None, keep: Callable[[Any], object] = len) -> None:
        factory = ChipFactory(image, model, output_format=case.name, format_options=case.options, threads=threads)
        for window in windows:
            keep(factory.create_chip(window, size))

    chips: list[bytes] = []
    cut(1, chips.append)
    row: dict[str, Any] = {"format": name, "window": f"{windows[0][2]} px, {kind}"}
    if (document_of(chips[0]) is not None) != case.has_document:
        raise AssertionError(f"{name}: a chip with XML, and an image without, or the other way round")
    sides: dict[str, Side] = {"ours": timed(partial(cut, None)), "one thread": timed(partial(cut, 1))}
    if peer is not None:
        first = path.with_name(f"first.{case.name}")
        question = {"file": str(path), "format": case.name, "windows": windows, "size": list(size)}
        question["model"] = bool(case.model)
        told = peer.ask({**question, "first": str(first)})
        row["mean difference"] = pixels_apart(chips[0], first.read_bytes())
        if case.model:
            require_same_place(chips[0], first.read_bytes(), windows[0])

        def theirs() -> tuple[float, float]:
            answer = peer.ask(question)
            return answer["wall"], answer["cpu"]

        sides["toolkit"] = theirs
        row["toolkit, KB"] = told["bytes"] / len(windows) / 1000
    row["ours, KB"] = sum(map(len, chips)) / len(chips) / 1000
    found = alternate({name: warmed(side) for name, side in sides.items()}, rounds=rounds, warmup=0)
    ours, one = found["ours"], found["one thread"]
    row |= {"ours, ms": 1000 * ours.median / len(windows), "one thread, ms": 1000 * one.median / len(windows)}
    ratio = cpu = None
    if "toolkit" in found:
        other = found["toolkit"]
        ratio, cpu = other.median / ours.median, other.median_cpu / ours.median_cpu
        row["toolkit, ms"] = 1000 * other.median / len(windows)
        row |= {"ratio": ratio, "ratio, one thread": other.median / one.median, "ratio of CPU": cpu}
    target = Target(
        what="create_chip against the toolkit", case=f"{name}, {kind}", target=case.target, reached=ratio, cpu=cpu
    )
    return row, target
