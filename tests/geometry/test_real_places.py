"""Every real GeoTIFF, every edge policy: rows lie where rasterio says that their pixels are."""

from __future__ import annotations

import csv
from itertools import pairwise

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import GCPTransformer, RPCTransformer
from rasterio.warp import transform as warp

from stacchip_osml.geometry import (
    AffineLocator,
    GcpLocator,
    Locator,
    RpcLocator,
    chip_footprints,
    image_outline,
    is_local,
)
from stacchip_osml.imagery import read_header
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.pixel import ChipWindows, GridSpec, chip_grid

SPECIAL = {
    "south-up": "tiff/geotools__red.tif",
    "rotated, degrees": "tiff/geotools__test.tif",
    "rotated, Albers": "tiff/odc-geo__au-3577-rotated.tif",
    "over the antimeridian, UTM": "tiff/titiler__cog_dateline.tif",
    "over the antimeridian, both sides": "tiff/geotools__off_dateline.tif",
    "over the antimeridian, 0 to 360": "tiff/geotools__world_0_360.tiff",
    "up to the pole": "tiff/geotools__nodata_high_2.tif",
    "pole to pole": "tiff/rio-tiler__cog_fullearth.tif",
    "pole to pole, Mercator": "tiff/node-gdal-async__natural_earth.tif",
    "full disk": "tiff/rio-cogeo__image_geos.tif",
    "ground control points": "tiff/odc-geo__au-gcp.tif",
    "rational polynomials": "tiff/shareloc__PHR1B_P_201709281038393_SEN_PRG_FC_178609-001.tif",
    "datum of its own": "tiff/geotools__milanogeo1.tif",
    "feet": "tiff/geotools__red3.tif",
}
CLOSE = {"ground control points": 0.15, "rational polynomials": 1e-6}
"""Degrees: half a pixel between a third order fit and a thin plate spline; the rest agrees."""
EDGES = ("drop", "partial", "pad", "shift")


@pytest.fixture(scope="module")
def headers(real_data) -> dict[str, ImageHeader]:
    with (real_data / "manifest.csv").open() as manifest:
        rows = [row for row in csv.DictReader(manifest) if (row["category"], row["tier"]) == ("tiff", "real-geo")]
    return {row["path"]: read_header(str(real_data / row["path"])) for row in rows}


def locator(header: ImageHeader) -> Locator | None:
    if header.transform is not None and header.crs is not None and not is_local(header.crs):
        return AffineLocator(header.transform, header.crs)
    if header.gcps and header.gcps_crs:
        return GcpLocator(header.gcps, header.gcps_crs)
    return RpcLocator(header.rpcs) if header.rpcs else None


def middles(windows: ChipWindows) -> tuple[np.ndarray, np.ndarray]:
    return windows.col_off + windows.width / 2, windows.row_off + windows.height / 2


def require_places(header: ImageHeader, locate: Locator, edges: str) -> int:
    """Check all footprints of one image; give how many there are."""
    grid = chip_grid(header.size, GridSpec.of(max(max(header.size) // 9, 4), edges=edges))
    footprints = chip_footprints(grid, locate)
    ends = footprints.offsets.tolist()
    data = footprints.wkb.tobytes()
    shapes = shapely.from_wkb([data[a:b] or None for a, b in pairwise(ends)])
    there = ~shapely.is_missing(shapes)
    lon, lat = locate(*middles(grid.windows()))
    points = shapely.points(lon, lat)

    beyond = np.isfinite(lat) & (np.abs(lat) >= 90)  # a padded chip may go on beyond a pole with most of it
    np.testing.assert_array_equal(there[~beyond], np.isfinite(lon)[~beyond])
    assert edges == "pad" or not beyond.any()
    assert shapely.is_valid(shapes[there]).all()
    assert (shapely.distance(shapes, points)[there & ~beyond] < 1e-9).all()
    bounds = shapely.bounds(shapes)
    assert (np.abs(bounds[there]) <= [180, 90, 180, 90]).all()
    assert (footprints.bbox[there, :2] <= bounds[there, :2]).all()
    assert (footprints.bbox[there, 2:] >= bounds[there, 2:]).all()
    assert np.isnan(footprints.bbox[~there]).all()
    return int(there.sum())


@pytest.mark.parametrize("edges", EDGES)
def test_chips_of_real_images_hold_their_middle(headers, edges):
    placed = unplaced = 0
    for path, header in headers.items():
        locate = locator(header)
        if locate is None:
            assert header.transform is None or header.crs is None or is_local(header.crs), path
            unplaced += 1
            continue
        placed += require_places(header, locate, edges) > 0

    assert placed > 120
    assert unplaced < 12


def by_rasterio(path: str, cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place pixel positions with GDAL's own means."""
    with rasterio.open(path) as file:
        if file.rpcs is not None and file.crs is None:
            with RPCTransformer(file.rpcs) as to:
                heights = np.full(len(cols), file.rpcs.height_off)
                return tuple(map(np.asarray, to.xy(rows, cols, zs=heights, offset="ul")))
        crs = file.crs or file.gcps[1]
        if file.crs is None:
            with GCPTransformer(file.gcps[0], tps=True) as to:
                x, y = to.xy(rows, cols, offset="ul")
        else:
            a, b, c, d, e, f = file.transform[:6]
            x, y = a * cols + b * rows + c, d * cols + e * rows + f
    return tuple(map(np.asarray, warp(crs, "OGC:CRS84", x, y)))


@pytest.mark.parametrize("name", SPECIAL)
def test_special_images_lie_where_rasterio_puts_them(headers, real_data, name):
    path = SPECIAL[name]
    header = headers[path]
    locate = locator(header)
    grid = chip_grid(header.size, GridSpec.of(max(max(header.size) // 9, 4), edges="partial"))
    cols, rows = middles(grid.windows())
    lon, lat = locate(cols, rows)
    there = np.isfinite(lon)
    expected = by_rasterio(str(real_data / path), cols[there], rows[there])
    close = CLOSE.get(name, 1e-7)
    apart = lon[there] - expected[0]

    assert there.all() == (name != "full disk")
    for at in np.flatnonzero(~there):
        with pytest.raises(Exception, match="outside of projection domain"):
            by_rasterio(str(real_data / path), cols[[at]], rows[[at]])
    assert np.abs(apart - 360 * np.round(apart / 360)).max() < close
    assert np.abs(lat[there] - expected[1]).max() < close
    outline = image_outline(header.size, locate)
    assert outline.is_valid
    assert shapely.covers(shapely.buffer(outline, 0.05), shapely.points(lon, lat)[there]).all()
