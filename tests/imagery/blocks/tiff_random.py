"""TIFF files of random structure, by GDAL and by tifffile; each is a function of its number alone."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import rasterio
import tifffile
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.rpc import RPC
from rasterio.windows import Window

GDAL_TYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"),
    *("complex_int16", "complex64", "complex128"),
)
TIFFFILE_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16", "?")
BYTES = ("none", "deflate", "lzw", "zstd", "packbits", "lzma")
PREDICTED = ("deflate", "lzw", "zstd", "lzma")
OF_BYTES = ("jpeg", "webp")


def choice(rng, *options):
    return options[int(rng.integers(len(options)))]


def is_so(rng, share):
    return bool(rng.random() < share)


# ---- pixels


def values(rng, dtype, shape, *, bits=None):
    """Noise, patches and runs of anything that a type can be."""
    dtype = np.dtype({"complex_int16": "complex64"}.get(dtype, dtype))
    kind = choice(rng, "noise", "noise", "few", "smooth")
    if dtype.kind == "c":
        whole = (rng.integers(-99, 99, shape) + 1j * rng.integers(-99, 99, shape)) * (1 if kind == "few" else 7)
        return whole.astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "f":
        found = rng.normal(size=shape).astype(dtype) if kind == "noise" else rng.integers(-5, 5, shape).astype(dtype)
        if is_so(rng, 0.3):
            found.flat[rng.integers(0, found.size, 5)] = choice(rng, np.nan, np.inf, -np.inf, -0.0)
        return found
    low, high = (0, 1 << bits) if bits else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if kind == "few":
        low, high = max(low, -3), min(high, 4)
    if kind == "smooth":
        slope = np.add.outer(np.arange(shape[-2]), np.arange(shape[-1]))
        return np.broadcast_to(slope % min(high, 200), shape).astype(dtype)
    return rng.integers(low, high, shape, dtype=dtype)


def a_size(rng):
    sides = [int(rng.integers(1, 20)), int(rng.integers(1, 200)), int(rng.integers(20, 130))]
    return choice(rng, *sides), choice(rng, *sides)


# ---- files by GDAL


def write_by_gdal(path, rng):  # noqa: C901 - one choice after the other
    """Write a file with GDAL; what it does not write is an error."""
    rows, cols = a_size(rng)
    dtype, compress = choice(rng, *GDAL_TYPES), choice(rng, *BYTES, *BYTES, "jpeg", "webp", "lerc", "jxl", "ccitt")
    bands = choice(rng, 1, 1, 2, 3, 3, 4, 7)
    how = {"endianness": choice(rng, "little", "big"), "bigtiff": choice(rng, "yes", "no")}
    if compress in OF_BYTES:
        dtype = "uint8"
    if compress == "webp":
        bands, how["webp_lossless"] = choice(rng, 3, 4), choice(rng, "yes", "no")
    if compress == "jpeg" and bands == 3 and is_so(rng, 0.5):
        how["photometric"] = "ycbcr"
    if compress == "jxl":
        dtype = choice(rng, "uint8", "uint16", "float32")
    if compress == "lerc":
        dtype = choice(rng, "uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64")
        compress = choice(rng, "lerc", "lerc_deflate", "lerc_zstd")
    bits = None
    if compress == "ccitt":
        compress, dtype, bands, bits = choice(rng, "ccittrle", "ccittfax3", "ccittfax4"), "uint8", 1, 1
    elif compress in BYTES and is_so(rng, 0.25):
        if dtype in {"uint8", "uint16", "uint32"}:
            bits = int(rng.integers(*{"uint8": (1, 8), "uint16": (9, 16), "uint32": (17, 32)}[dtype]))
        elif dtype == "float32":
            bits = choice(rng, 16, 24)
    if bits:
        how["nbits"] = bits
    if compress in PREDICTED and (bits is None or bits in {16, 32}):
        how["predictor"] = choice(rng, 1, 2, 3 if dtype.startswith("float") else 2)
    if bands > 1 and compress != "webp" and "photometric" not in how:
        how["interleave"] = choice(rng, "band", "pixel")
    if is_so(rng, 0.6):
        how |= {"tiled": True, "blockxsize": choice(rng, 16, 48, 64), "blockysize": choice(rng, 16, 32, 80)}
    elif is_so(rng, 0.6):
        how["blockysize"] = int(rng.integers(1, rows + 1))
    if bands in {3, 4} and dtype in {"uint8", "uint16"} and "photometric" not in how and is_so(rng, 0.4):
        how["photometric"] = choice(rng, "rgb", "cmyk") if bands == 4 and compress in BYTES else "rgb"
    elif bands == 1 and is_so(rng, 0.2):
        how["photometric"] = "miniswhite"
    if bands in {2, 4} and is_so(rng, 0.4) and how.get("photometric") != "cmyk":
        how["alpha"] = choice(rng, "yes", "premultiplied", "unspecified")
    is_sparse = is_so(rng, 0.35)
    how |= {"SPARSE_OK": "TRUE"} if is_sparse else {}
    if is_so(rng, 0.35):
        how["nodata"] = a_nodata(rng, dtype)
    how |= a_ground(rng, rows, cols)
    pixels = values(rng, dtype, (bands, rows, cols), bits=bits if dtype.startswith("u") else None)
    how |= {"driver": "GTiff", "width": cols, "height": rows, "count": bands, "dtype": dtype}
    if compress != "none":
        how["compress"] = compress
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        with rasterio.open(path, "w", **how) as out:
            if is_sparse:
                for band, y, x in np.ndindex(bands, -(-rows // 16), -(-cols // 16)):
                    place = np.s_[band, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16]
                    if is_so(rng, 0.4):
                        window = Window(16 * x, 16 * y, *pixels[place].shape[::-1])
                        out.write(pixels[place], band + 1, window=window)
            else:
                out.write(pixels)
            if bands == 1 and dtype == "uint8" and is_so(rng, 0.3):
                with contextlib.suppress(RasterioError):
                    out.write_colormap(1, {n: tuple(rng.integers(0, 256, 4).tolist()) for n in range(1 << (bits or 8))})
            if is_so(rng, 0.2):
                out.write_mask(rng.random((rows, cols)) < 0.5)
            if is_so(rng, 0.3):
                out.update_tags(note="a < b & c", **{f"n{n}": "x" * n for n in range(int(rng.integers(4)))})
                out.scales = tuple(rng.integers(1, 4, bands) / 2)
                out.set_band_description(1, "first")
            if is_so(rng, 0.1):
                out.colorinterp = [choice(rng, ColorInterp.gray, ColorInterp.alpha, ColorInterp.red)] * bands
        # of integers of 64 bits with a nodata value GDAL may make overviews for ever
        if is_so(rng, 0.4) and min(rows, cols) > 1 and not (dtype.endswith("int64") and "nodata" in how):
            factors = choice(rng, [2], [2, 4], [3])
            with rasterio.open(path, "r+") as out:
                out.build_overviews(factors, choice(rng, Resampling.nearest, Resampling.average))


def a_nodata(rng, dtype):
    dtype = np.dtype({"complex_int16": "int16", "complex64": "f4", "complex128": "f8"}.get(dtype, dtype))
    if dtype.kind == "f":
        return choice(rng, 0.0, -9999.0, float("nan"), 1.5, float("inf"), 1e-45, 3.0)
    return choice(rng, 0, 1, 3, int(np.iinfo(dtype).max), int(np.iinfo(dtype).min), 200 % np.iinfo(dtype).max)


def a_ground(rng, rows, cols):
    kind = choice(rng, "none", "none", "map", "turned", "points", "rpc", "crs", "local")
    if kind == "map":
        crs = choice(rng, "EPSG:32633", "EPSG:4326", "EPSG:3857", "EPSG:2154")
        return {"crs": crs, "transform": Affine(choice(rng, 0.5, 10.0), 0, 500_000.25, 0, -10.0, 4_000_000)}
    if kind == "turned":
        return {"crs": "EPSG:32633", "transform": Affine(1.0, 0.25, 500_000, 0.125, -2.0, 4_000_000)}
    if kind == "points":
        places = [(0.0, 0.0), (0.0, float(cols)), (float(rows), float(cols)), (rows / 2, 0.0)]
        points = [GroundControlPoint(row, col, 9 + col / 1e3, 49 - row / 1e3, 12.5) for row, col in places]
        return {"gcps": points, "crs": "EPSG:4326"}
    if kind == "rpc":
        powers = [1.0] + [0.5] * 19
        places = {"height": 50.0, "lat": 49.0, "line": rows / 2, "long": 9.0, "samp": cols / 2}
        numbers = {f"{name}_off": place for name, place in places.items()} | {f"{name}_scale": 10.0 for name in places}
        powers = {f"{name}_coeff": powers for name in ("line_den", "line_num", "samp_den", "samp_num")}
        return {"rpcs": RPC(**numbers, **powers, err_bias=0.5, err_rand=0.5)}
    if kind == "crs":
        return {"crs": "EPSG:32633"}
    if kind == "local":
        return {"crs": 'LOCAL_CS["here",UNIT["metre",1]]', "transform": Affine(1, 0, 5, 0, -1, 9)}
    return {}


# ---- files by tifffile


def write_by_tifffile(path, rng):  # noqa: C901 - one choice after the other
    """Write a file with tifffile, perhaps of several pages and levels; what it does not write is an error."""
    rows, cols = a_size(rng)
    dtype, samples = np.dtype(choice(rng, *TIFFFILE_TYPES)), choice(rng, 1, 1, 2, 3, 4, 6)
    samples = 1 if dtype.kind == "b" else samples  # tifffile packs several by rules of its own
    compress = choice(rng, None, None, "zlib", "lzw", "zstd", "packbits", "lzma", "jpeg", "webp", "jpegxl", "jpeg2000")
    how = {"compression": compress, "metadata": None, "software": None}
    if compress in OF_BYTES:
        dtype = np.dtype("u1")
    if compress == "jpegxl":
        dtype = np.dtype(choice(rng, "u1", "u2"))
    if compress == "jpeg2000":
        dtype = np.dtype(choice(rng, "u1", "u2"))
    planar = choice(rng, "contig", "separate")
    if samples > 1:
        how["planarconfig"] = planar
    if samples == 1:
        kinds = ("minisblack", "miniswhite", "palette" if dtype.kind == "u" and dtype.itemsize < 4 else "minisblack")
        how["photometric"] = choice(rng, *kinds)
    elif samples == 3:
        how["photometric"] = choice(rng, "rgb", "minisblack", "ycbcr" if compress == "jpeg" else "rgb", "cielab")
    elif samples == 4:
        how["photometric"] = choice(rng, "rgb", "minisblack", "separated")
    else:
        how["photometric"] = "minisblack"
    color = 3 if how["photometric"] in {"rgb", "ycbcr", "cielab"} else 4 if how["photometric"] == "separated" else 1
    if samples > color:
        how["extrasamples"] = [choice(rng, "unspecified", "assocalpha", "unassalpha") for _ in range(samples - color)]
    if how["photometric"] == "palette":
        how["colormap"] = rng.integers(0, 1 << 16, (3, 1 << (8 * dtype.itemsize)), dtype=np.uint16)
    bits = None
    may_be_packed = dtype.kind == "u" and dtype.itemsize < 8 and compress in {None, "zlib", "lzw"}
    if may_be_packed and how["photometric"] != "palette" and is_so(rng, 0.25):
        bits = how["bitspersample"] = int(rng.integers(1, 8 * dtype.itemsize))
    if compress in {"zlib", "lzw", "zstd", "lzma"} and bits is None and dtype.kind in "iuf" and is_so(rng, 0.5):
        how["predictor"] = 3 if dtype.kind == "f" else 2
    if is_so(rng, 0.5):
        how["tile"] = choice(rng, 16, 32, 80), choice(rng, 16, 48, 64)
    else:
        how["rowsperstrip"] = int(rng.integers(1, rows + 1))
    if compress == "jpeg" and how["photometric"] == "ycbcr":
        how["subsampling"] = choice(rng, (1, 1), (2, 2), (2, 1))
    tags = []
    if is_so(rng, 0.25):
        text = choice(rng, "0", "3", "-9999", "nan", "1e300", "255", " 7 ", "abc")
        tags.append((42113, "s", 0, text, True))
    if is_so(rng, 0.15):
        items = (
            '<GDALMetadata><Item name="a">b</Item><Item name="SCALE" sample="0" role="scale">2</Item></GDALMetadata>'
        )
        tags.append((42112, "s", 0, items, True))
    if is_so(rng, 0.2):
        tags += [(33550, "d", 3, (10.0, 10.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True)]
        keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, choice(rng, 1, 2), 3072, 0, 1, 32633)
        tags.append((34735, "H", len(keys), keys, True))
    shape = (rows, cols, samples) if planar == "contig" or samples == 1 else (samples, rows, cols)
    shape = shape[:2] if samples == 1 else shape
    levels = choice(rng, 0, 0, 0, 1, 2) if min(rows, cols) > 3 else 0
    where = choice(rng, "subifds", "chain")
    with tifffile.TiffWriter(path, byteorder=choice(rng, "<", ">"), bigtiff=is_so(rng, 0.4)) as file:

        def write(shape, **more):
            file.write(values(rng, dtype, shape, bits=bits), **how, **more)

        write(shape, extratags=tags, **({"subifds": levels} if where == "subifds" and levels else {}))
        for level in range(1, levels + 1):
            small = tuple(-(-side >> level) if side in {rows, cols} else side for side in shape)
            if small[-1 if planar == "separate" or samples == 1 else -2] * small[0] > 0 and len(small) == len(shape):
                write(small, subfiletype=1)
        if is_so(rng, 0.15):
            file.write(values(rng, "u1", (9, 11)), metadata=None)


# ---- files by either


def write_any(path, number):
    """Make a file, and say by whom; of a number that gives none, of what GDAL or tifffile refuses, say so."""
    rng = np.random.default_rng(number)
    write = choice(rng, write_by_gdal, write_by_tifffile)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(str(path), rng)
    except Exception as error:
        path.unlink(missing_ok=True)
        return f"none: {type(error).__name__} {error}"[:90]
    return write.__name__.removeprefix("write_by_")
