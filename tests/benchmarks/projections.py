"""Sensor models: all positions of a call together, against one by one, sarkit and GDAL.

One by one is our own model called with one position; so are sarkit's functions
and GDAL's transformer, which are also given all positions at once. Places agree
before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lxml.etree
import numpy as np
import sarkit.sicd
import sarkit.wgs84
from numpy.typing import NDArray
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from stacchip_osml.geometry import SensorModel, SicdModel
from stacchip_osml.geometry.tre_models import rpc_model
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import alternate, timed
from tests.geometry.sensor_documents import COLS, ROWS, sicd
from tests.geometry.sensor_tres import RPC_VALUES, rpc_tre

__all__ = ["run"]

MANY, QUICK_MANY, FEW = 100_000, 2_000, 50
HEIGHT = 250.0
CLOSE = 1e-2
"""Metres, or pixels: how near the peers' answers must be to ours; sarkit stops a millimetre before."""

Floats = NDArray[np.float64]
Way = Callable[[Floats, Floats], Any]


def run(options: Options) -> list[Report]:
    """Project many positions each way, through each kind of model."""
    count, rounds = (QUICK_MANY, 1) if options.quick else (MANY, options.rounds or 5)
    random = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for kind in ("PFA", "INCA", "XRGYCR"):
        xml = sicd(kind)
        cols, lines = random.uniform(0, COLS, count), random.uniform(0, ROWS, count)
        rows += _compared(f"SICD {kind}", SicdModel.from_xml(xml), (cols, lines), _sarkit(xml), rounds)
    model = rpc_model("RPC00B", rpc_tre("RPC00B"))
    if model is None:
        raise AssertionError("the RPCs say that they failed")
    coefficients = {name.lower(): list(v) if np.ndim(v) else v for name, v in RPC_VALUES.items()}
    with RPCTransformer(
        RPC(**coefficients, err_bias=0.0, err_rand=0.0), RPC_PIXEL_ERROR_THRESHOLD=1e-7, RPC_MAX_ITERATIONS=40
    ) as transformer:
        rows += _compared("RPC00B", model, tuple(random.uniform(100, 3900, (2, count))), _gdal(transformer), rounds)
    targets = [
        Target(what="all together against one by one", case=f"{row['model']}, {row['way']}", target=100.0,
               reached=row["one by one, µs"] / row["ours, µs"])
        for row in rows
    ]  # fmt: skip
    notes = [
        f"µs of CPU time a position; {count:,} together, {FEW} one by one; medians of {rounds} rounds, in turns.",
        "The peer of SICD is sarkit, of RPC00B GDAL through rasterio.",
    ]
    return [
        Report(title="projections: sensor models", rows=rows, notes=notes),
        report_targets("projections: targets", targets),
    ]


def _compared(
    name: str, model: SensorModel, pixels: tuple[Floats, Floats], peer: tuple[Way, Way], rounds: int
) -> list[dict[str, Any]]:
    lon, lat, _ = model.image_to_world(*pixels, HEIGHT)
    ways = {
        "to the ground": (lambda a, b: model.image_to_world(a, b, HEIGHT), pixels, peer[0], 1.1e5),
        "to the image": (lambda a, b: model.world_to_image(a, b, HEIGHT), (lon, lat), peer[1], 1.0),
    }
    rows = []
    for way, (ours, given, theirs, metres) in ways.items():
        some = [each[:FEW] for each in given]
        off = max(np.abs(np.subtract(a, b)).max() for a, b in zip(ours(*some)[:2], theirs(*some), strict=True)) * metres
        if not off < CLOSE:
            raise AssertionError(f"{name} {way}: {off} off")
        found = alternate(
            {
                "ours": timed(lambda ours=ours, given=given: ours(*given)),
                "one": timed(lambda ours=ours, some=some: [ours(a, b) for a, b in zip(*some, strict=True)]),
                "peer": timed(lambda theirs=theirs, given=given: theirs(*given)),
                "peer one": timed(
                    lambda theirs=theirs, some=some: [
                        theirs(np.array([a]), np.array([b])) for a, b in zip(*some, strict=True)
                    ]
                ),
            },
            rounds=rounds,
        )
        each = {side: samples.median_cpu * 1e6 for side, samples in found.items()}
        many = given[0].size
        rows.append(
            {
                "model": name,
                "way": way,
                "ours, µs": each["ours"] / many,
                "one by one, µs": each["one"] / FEW,
                "peer, µs": each["peer"] / many,
                "peer one by one, µs": each["peer one"] / FEW,
                "peer / ours": each["peer"] / each["ours"],
            }
        )
    return rows


def _sarkit(xml: bytes) -> tuple[Way, Way]:
    tree = lxml.etree.ElementTree(lxml.etree.fromstring(xml))
    text = {n: float(tree.findtext(f"{{*}}ImageData/{{*}}{n}")) for n in ("FirstRow", "FirstCol")}
    scp = [float(tree.findtext(f"{{*}}ImageData/{{*}}SCPPixel/{{*}}{n}")) for n in ("Row", "Col")]
    spacing = [float(tree.findtext(f"{{*}}Grid/{{*}}{n}/{{*}}SS")) for n in ("Row", "Col")]

    def ground(cols: Floats, rows: Floats) -> Any:
        x, y = rows - 0.5 + text["FirstRow"] - scp[0], cols - 0.5 + text["FirstCol"] - scp[1]
        grid = np.stack([x * spacing[0], y * spacing[1]], axis=-1)
        points, _, _ = sarkit.sicd.image_to_constant_hae_surface(tree, grid, np.full(len(cols), HEIGHT))
        lat, lon, _ = sarkit.wgs84.cartesian_to_geodetic(points).T
        return lon, lat

    def image(lon: Floats, lat: Floats) -> Any:
        points = sarkit.wgs84.geodetic_to_cartesian(np.stack([lat, lon, np.full(len(lat), HEIGHT)], axis=-1))
        (x, y), _, _ = (
            each.T if np.ndim(each) > 1 else each for each in sarkit.sicd.scene_to_image(tree, points, maxiter=40)
        )
        cols, rows = y / spacing[1] + scp[1] - text["FirstCol"] + 0.5, x / spacing[0] + scp[0] - text["FirstRow"] + 0.5
        return cols, rows

    return ground, image


def _gdal(transformer: RPCTransformer) -> tuple[Way, Way]:
    def ground(cols: Floats, rows: Floats) -> Any:
        return transformer.xy(rows, cols, zs=np.full(len(cols), HEIGHT), offset="ul")

    def image(lon: Floats, lat: Floats) -> Any:
        rows, cols = transformer.rowcol(lon, lat, zs=np.full(len(lon), HEIGHT), op=lambda value: value)
        return cols, rows

    return ground, image
