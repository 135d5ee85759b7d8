"""Write the sample imagery: two sensors over one invented place, with its STAC catalog.

    python indexes/generate.py [FOLDER]

``sentinel-like`` has 10 m and 20 m bands and a class band in UTM zone 32N, one
file a band; ``aerial-like`` has 2.5 m pixels in the European equal-area CRS,
four bands in one file and a mask. Both have two dates and see the same fields.
The same environment writes the same bytes each time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_dataset
from rasterio.transform import from_origin

from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing.scene import (
    SCENE_CLASSES,
    cloud_mask,
    natural_scene,
    north_up,
    scene_classes,
    swath_mask,
)

SEED = 4
SCENE_CRS = "EPSG:32632"
SENTINEL_ORIGIN = (501_300.0, 5_499_000.0)
SENTINEL_DATES = (
    {"datetime": "2025-05-14T10:27:31Z", "day": 134, "sky": {"seed": 31, "cover": 0.2}, "edge": None},
    {
        "datetime": "2025-07-28T10:37:12Z",
        "day": 209,
        "sky": {"seed": 45, "cover": 0.2, "cirrus": 0.3},
        "edge": (506_800.0, 5_495_800.0),
    },
)
AERIAL_CRS = "EPSG:3035"
AERIAL_DATES = (
    {"datetime": "2025-05-02T09:14:05Z", "day": 122, "shift": (0, 0), "edge": None},
    {"datetime": "2025-08-20T08:51:40Z", "day": 232, "shift": (64, 48), "edge": (506_800.0, 5_495_850.0)},
)
AERIAL_CENTRE = (506_250.0, 5_495_850.0)
SCALE, OFFSET = 0.002, -0.05
CLOUD_CODES = (3, 8, 9, 10)
BAND_CENTRES = {"blue": 0.49, "green": 0.56, "red": 0.665, "nir": 0.842, "swir16": 1.61}
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


def main(folder: Path) -> None:
    """Write everything below ``folder``, replacing what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    sentinel = [sentinel_item(folder / "sentinel-like", date) for date in SENTINEL_DATES]
    aerial = [aerial_item(folder / "aerial-like", date) for date in AERIAL_DATES]
    write_collection(folder, "sentinel-like", "Invented countryside, 10 m and 20 m, with scene classes", sentinel, 10.0)
    write_collection(folder, "aerial-like", "Invented countryside, 2.5 m, red green blue near-infrared", aerial, 2.5)
    write_json(
        folder / "catalog.json",
        {
            "type": "Catalog",
            "id": "stacchip-osml-samples",
            "stac_version": "1.1.0",
            "description": "Small synthetic images for trying out chip indexes. No place in them is real.",
            "links": [
                {"rel": "root", "href": "./catalog.json", "type": "application/json"},
                {"rel": "child", "href": "./sentinel-like/collection.json", "type": "application/json"},
                {"rel": "child", "href": "./aerial-like/collection.json", "type": "application/json"},
            ],
        },
    )


def sentinel_item(folder: Path, date: dict) -> dict:
    """Write one pass: five bands and a class band, each in its own file."""
    item_id = f"SEN_32UNA_{date['datetime'][:10].replace('-', '')}"
    grids = {10: ImageSize(576, 576), 20: ImageSize(288, 288)}
    pictures, valid, clouds = {}, {}, {}
    for gsd, size in grids.items():
        ground = north_up(gsd, SENTINEL_ORIGIN)
        clouds[gsd] = cloud_mask(size, ground=ground, **date["sky"])
        everywhere = np.ones((size.height, size.width), dtype=bool)
        valid[gsd] = swath_mask(size, edge=date["edge"], ground=ground) if date["edge"] else everywhere
        bands = ("red", "green", "blue", "nir") if gsd == 10 else ("swir16",)
        pixels = natural_scene(
            size,
            bands=bands,
            seed=SEED,
            ground=ground,
            day=date["day"],
            clouds=clouds[gsd],
            scale=SCALE,
            offset=OFFSET,
            noise=0.0006,
            supersample=2,
        )
        pixels[:, ~valid[gsd]] = 0
        pictures |= {name: (gsd, layer) for name, layer in zip(bands, pixels, strict=True)}
    classes = scene_classes(
        grids[20],
        seed=SEED,
        ground=north_up(20, SENTINEL_ORIGIN),
        day=date["day"],
        clouds=clouds[20],
        valid=valid[20],
        supersample=2,
    )
    assets = {}
    for name, (gsd, layer) in pictures.items():
        place = {"crs": SCENE_CRS, "transform": from_origin(*SENTINEL_ORIGIN, gsd, gsd)}
        path = folder / item_id / f"{name}.tif"
        write_cog(path, layer[None], names=(name,), nodata=0, scale=(SCALE, OFFSET), **place)
        assets[name] = image_asset(path, ["data", "reflectance"], gsd, title=f"{name}, {gsd} m")
        assets[name]["bands"] = [
            {
                "name": name,
                "eo:common_name": name,
                "eo:center_wavelength": BAND_CENTRES[name],
                "raster:scale": SCALE,
                "raster:offset": OFFSET,
            }
        ]
    path = folder / item_id / "scl.tif"
    place = {"crs": SCENE_CRS, "transform": from_origin(*SENTINEL_ORIGIN, 20, 20)}
    write_cog(path, classes[None], names=("scl",), nodata=0, resampling="MODE", **place)
    assets["scl"] = image_asset(path, ["data", "data-mask"], 20, title="Scene classes")
    assets["scl"]["bands"] = [{"name": "scl"}]
    assets["scl"]["classification:classes"] = [
        {"value": code, "name": name, **({"nodata": True} if code == 0 else {})} for code, name in SCENE_CLASSES.items()
    ]
    visual = np.stack([pictures[name][1] for name in ("red", "green", "blue")])
    lit = tone(visual[:, 2::4, 2::4] * SCALE + OFFSET, 0.22) * valid[10][2::4, 2::4]
    assets["thumbnail"] = write_thumbnail(folder / item_id / "thumbnail.png", lit)
    cloudy = np.isin(classes, CLOUD_CODES).sum() / max((classes != 0).sum(), 1)
    properties = {"platform": "sentinel-like", "instruments": ["msi"], "gsd": 10.0}
    properties["eo:cloud_cover"] = round(100 * float(cloudy), 2)
    return write_item(folder, item_id, date["datetime"], SCENE_CRS, assets, properties, [CLASSIFICATION])


def aerial_item(folder: Path, date: dict) -> dict:
    """Write one flight: four bands in one file, and a mask."""
    item_id = f"AIR_{date['datetime'][:10].replace('-', '')}"
    size, gsd = ImageSize(512, 512), 2.5
    to_scene = Transformer.from_crs(AERIAL_CRS, SCENE_CRS, always_xy=True)
    east, north = to_scene.transform(*AERIAL_CENTRE, direction="INVERSE")
    corner = (
        round((east - size.width / 2 * gsd) / 10) * 10 + date["shift"][0] * gsd,
        round((north + size.height / 2 * gsd) / 10) * 10 - date["shift"][1] * gsd,
    )

    def ground(col, row):
        return to_scene.transform(corner[0] + col * gsd, corner[1] - row * gsd)

    light = natural_scene(
        size,
        seed=SEED,
        ground=ground,
        day=date["day"],
        dtype=np.float32,
        scale=1.0,
        noise=0.0006,
        supersample=2,
    )
    pixels = np.concatenate([tone(light[:3], 0.3), tone(light[3:], 0.6)])
    valid = np.ones((size.height, size.width), dtype=bool)
    if date["edge"]:
        valid = swath_mask(size, edge=date["edge"], heading=-24, ground=ground)
        pixels[:, ~valid] = 0
    place = {"crs": AERIAL_CRS, "transform": from_origin(*corner, gsd, gsd)}
    names = ("red", "green", "blue", "nir")
    path = folder / item_id / "image.tif"
    write_cog(path, pixels, names=names, nodata=0, compress="ZSTD", level=22, **place)
    assets = {"image": image_asset(path, ["data"], gsd, title="Red, green, blue, near-infrared")}
    assets["image"]["bands"] = [{"name": name, "eo:common_name": name} for name in names]
    path = folder / item_id / "mask.tif"
    write_cog(path, valid[None].astype(np.uint8), names=("mask",), nodata=None, resampling="NEAREST", **place)
    assets["mask"] = image_asset(path, ["data-mask"], gsd, title="1 where the image has data")
    assets["mask"]["bands"] = [{"name": "mask"}]
    assets["thumbnail"] = write_thumbnail(folder / item_id / "thumbnail.png", pixels[:3, 2::4, 2::4])
    properties = {"platform": "aerial-like", "gsd": gsd, "eo:cloud_cover": 0.0}
    return write_item(folder, item_id, date["datetime"], AERIAL_CRS, assets, properties, [])


def tone(light: np.ndarray, white: float) -> np.ndarray:
    """Turn reflectance into eye-friendly bytes; 0 stays free for nodata."""
    return np.clip(np.rint(255 * np.clip(light / white, 0, 1) ** 0.7), 1, 255).astype(np.uint8)


def write_cog(
    path: Path,
    pixels: np.ndarray,
    *,
    names: tuple[str, ...],
    nodata: float | None,
    crs: str,
    transform: rasterio.Affine,
    scale: tuple[float, float] | None = None,
    resampling: str = "AVERAGE",
    compress: str = "DEFLATE",
    level: int = 9,
) -> None:
    """Write one cloud-optimised GeoTIFF: 256 px tiles, predictor 2, overviews."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = pixels.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", crs=crs, transform=transform, nodata=nodata, **shape) as draft:
            draft.write(pixels)
            draft.descriptions = names
            if bands == 4:
                draft.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
            if scale:
                draft.scales, draft.offsets = (scale[0],) * bands, (scale[1],) * bands
        with memory.open() as draft:
            copy_dataset(
                draft,
                path,
                driver="COG",
                BLOCKSIZE=256,
                COMPRESS=compress,
                LEVEL=level,
                PREDICTOR="YES",
                OVERVIEW_RESAMPLING=resampling,
                NUM_THREADS=1,
            )


def write_thumbnail(path: Path, pixels: np.ndarray) -> dict:
    """Write a small picture for people."""
    _, height, width = pixels.shape
    shape = {"count": 3, "height": height, "width": width, "dtype": "uint8"}
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="PNG", ZLEVEL=9, **shape) as picture,
    ):
        picture.write(pixels)
    return {
        "href": f"./{path.name}",
        "type": "image/png",
        "roles": ["thumbnail"],
        "title": "Thumbnail",
    } | file_facts(path)


def image_asset(path: Path, roles: list[str], gsd: float, *, title: str) -> dict:
    """Describe a file as STAC does, from the file itself."""
    with rasterio.open(path) as image:
        facts = {
            "gsd": gsd,
            "data_type": image.dtypes[0],
            "proj:shape": list(image.shape),
            "proj:transform": list(image.transform)[:6],
            "raster:spatial_resolution": image.res[0],
        }
        if image.nodata is not None:
            facts["nodata"] = int(image.nodata)
    return {"href": f"./{path.name}", "type": COG_TYPE, "roles": roles, "title": title} | facts | file_facts(path)


def file_facts(path: Path) -> dict:
    """Give size and checksum (a multihash: 12 20 says SHA-256, 32 bytes)."""
    data = path.read_bytes()
    return {"file:size": len(data), "file:checksum": "1220" + hashlib.sha256(data).hexdigest()}


def write_item(
    folder: Path, item_id: str, when: str, crs: str, assets: dict, properties: dict, extensions: list[str]
) -> dict:
    """Write one STAC item beside its files."""
    first = next(iter(assets.values()))
    outline = footprint(crs, first["proj:transform"], first["proj:shape"])
    lons, lats = zip(*outline, strict=True)
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS + extensions,
        "id": item_id,
        "collection": folder.name,
        "geometry": {"type": "Polygon", "coordinates": [outline]},
        "bbox": [min(lons), min(lats), max(lons), max(lats)],
        "properties": {"datetime": when, "proj:code": crs} | properties,
        "assets": assets,
        # No self link: the catalog can be moved.
        "links": [
            {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        ],
    }
    write_json(folder / item_id / f"{item_id}.json", item)
    return item


def footprint(crs: str, transform: list[float], shape: list[int]) -> list[list[float]]:
    """Follow the image edge, eight points a side, counter-clockwise, in WGS84."""
    rows, cols = shape
    along = np.linspace(0, 1, 9)[:-1]
    col = np.concatenate([0 * along, along, 0 * along + 1, 1 - along]) * cols
    row = np.concatenate([along, 0 * along + 1, 1 - along, 0 * along]) * rows
    x, y = rasterio.Affine(*transform) * (col, row)
    lon, lat = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    ring = [[round(float(a), 7), round(float(b), 7)] for a, b in zip(lon, lat, strict=True)]
    return [*ring, ring[0]]


def write_collection(folder: Path, name: str, description: str, items: list[dict], gsd: float) -> None:
    """Write a collection with the extent of its items."""
    west, south, east, north = np.array([item["bbox"] for item in items]).T
    times = sorted(item["properties"]["datetime"] for item in items)
    bbox = [float(west.min()), float(south.min()), float(east.max()), float(north.max())]
    collection = {
        "type": "Collection",
        "id": name,
        "stac_version": "1.1.0",
        "title": name,
        "description": f"{description}. Synthetic.",
        "license": "Apache-2.0",
        "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        "summaries": {"gsd": [gsd], "proj:code": sorted({item["properties"]["proj:code"] for item in items})},
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ]
        + [
            {"rel": "item", "href": f"./{item['id']}/{item['id']}.json", "type": "application/geo+json"}
            for item in items
        ],
    }
    write_json(folder / name / "collection.json", collection)


def write_json(path: Path, value: dict) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "imagery")
