"""Small catalogs on disk, and the command line run on them."""

import json
import subprocess
import sys

import numpy as np
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin
from rasterio.warp import transform_geom

from stacchip_osml.app.cli import cli

SIDE = 64
CLOUDY = 9
CLEAR = 4


def run(*args, code=0, stdin=None):
    """Run a command in this process; check its exit code."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args], input=stdin)
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    return result


def run_json(*args, code=0, stdin=None):
    """Run a command with --json: stdout must be one document."""
    return json.loads(run(*args, "--json", code=code, stdin=stdin).stdout)


def run_process(*args, **options):
    """Run a command in a process of its own."""
    code = "from stacchip_osml.app.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **options,
    )


def only_error(result):
    """Give the one line of stderr."""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def write_tif(path, bands, *, transform, nodata=None):
    bands = np.asarray(bands)
    with rasterio.open(
        path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=len(bands), dtype=bands.dtype,
        crs="EPSG:32632", transform=transform, nodata=nodata, tiled=True, blockxsize=32, blockysize=32,
    ) as out:  # fmt: skip
        out.write(bands)


def make_item(folder, item_id, *, seed, date, collection="small", name=None):
    """Write two bands of 10 m and a class band whose left half is cloud; give the item's path."""
    rng = np.random.default_rng(seed)
    place = folder / (name or item_id)
    place.mkdir(parents=True)
    transform = from_origin(500_000, 5_500_000, 10, 10)
    classes = np.full((1, SIDE, SIDE), CLEAR, np.uint8)
    classes[:, :, : SIDE // 2] = CLOUDY
    arrays = {
        "red": rng.integers(1, 4000, (1, SIDE, SIDE), np.uint16),
        "nir": rng.integers(1, 4000, (1, SIDE, SIDE), np.uint16),
        "scl": classes,
    }
    assets = {}
    for key, array in arrays.items():
        write_tif(place / f"{key}.tif", array, transform=transform, nodata=0)
        assets[key] = {
            "href": f"./{key}.tif",
            "type": "image/tiff; application=geotiff",
            "roles": ["data"] if key != "scl" else ["metadata"],
            "proj:shape": [SIDE, SIDE],
            "proj:transform": list(transform)[:6],
        }
    left, top, right, bottom = 500_000, 5_500_000, 500_000 + SIDE * 10, 5_500_000 - SIDE * 10
    ring = [[left, top], [left, bottom], [right, bottom], [right, top], [left, top]]
    geometry = json.loads(
        json.dumps(transform_geom("EPSG:32632", "OGC:CRS84", {"type": "Polygon", "coordinates": [ring]}))
    )
    xs, ys = zip(*geometry["coordinates"][0], strict=True)
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
        "id": item_id,
        "collection": collection,
        "geometry": geometry,
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "properties": {"datetime": date, "proj:code": "EPSG:32632"},
        "links": [],
        "assets": assets,
    }
    path = place / "item.json"
    path.write_text(json.dumps(document))
    return path


def read_red(item_path):
    with rasterio.open(item_path.parent / "red.tif") as source:
        return source.read(1)
