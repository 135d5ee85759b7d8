"""What a TIFF says of itself: named and numeric, written, read, copied and changed."""

import io

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from rasterio.control import GroundControlPoint as Gcp
from rasterio.io import MemoryFile
from rasterio.rpc import RPC

from stacchip_osml.encode import TagNameResolver, tiff_metadata, write_tiff
from stacchip_osml.encode.tiff.geokeys_named import crs_code
from stacchip_osml.errors import DecodeError, EncodeError, ReadError
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.imagery.header import GroundControlPoint
from tests.encode.encode_chips import NORTH_UP, pixels_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PIXELS = pixels_of("uint8", (3, 40, 50))
UTM = {
    "GeoModelType": "Projected",
    "GeoRasterType": "PixelIsArea",
    "GeoProjectedCRS": "32618",
    "GeoPixelScale": "[0.5, 0.5, 0.0]",
    "GeoTiepoints": "[0, 0, 0, 300000.0, 4500000.0, 0.0]",
}


def written(pixels=PIXELS, **options):
    out = io.BytesIO()
    write_tiff(out, BufferedImageAssetProvider.from_array(pixels), **options)
    return out.getvalue()


def read(data, what):
    with MemoryFile(data) as memory, memory.open() as dataset:
        return what(dataset)


def place(data):
    return read(data, lambda dataset: (dataset.crs and dataset.crs.to_epsg(), dataset.transform))


def test_readable_names_of_the_writers_guide_give_a_georeferenced_deflate_file():
    tags = {}
    resolver = TagNameResolver(tags)
    resolver["Compression"] = "Deflate"
    resolver["TileWidth"] = "256"
    resolver["TileLength"] = "256"
    resolver["Predictor"] = "Horizontal"
    data = written(metadata={**tags, **UTM})

    assert tags == {"259": 8, "322": "256", "323": "256", "317": 2}
    assert place(data) == (32618, Affine(0.5, 0, 300000, 0, -0.5, 4500000))
    profile = read(data, lambda dataset: dataset.profile)
    assert (profile["compress"], profile["blockxsize"], profile["blockysize"]) == ("deflate", 256, 256)
    found = TagNameResolver(tiff_metadata(data))
    assert [found.readable(name) for name in ("Compression", "Predictor", "TileWidth")] == [
        "Deflate",
        "Horizontal",
        "256",
    ]
    assert found.by_number(259) == 8
    assert "PhotometricInterpretation" in found
    assert found.readable("PhotometricInterpretation") == "RGB"
    assert dict(found)["ImageWidth"] == 50
    assert found.get("Artist", "nobody") == "nobody"


def test_the_resolver_keeps_what_has_no_name():
    tags = {"65000": 7}
    resolver = TagNameResolver(tags, {"Mine": 65000})

    assert (resolver["Mine"], len(resolver), list(resolver)) == (7, 1, [("Mine", 7)])
    resolver.set("GeoModelType", "Projected")
    assert tags["GeoModelType"] == "Projected"
    with pytest.raises(KeyError, match="9"):
        resolver.by_number(9)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (UTM, (32618, Affine(0.5, 0, 300000, 0, -0.5, 4500000))),
        ({**UTM, "GeoRasterType": "PixelIsPoint"}, (32618, Affine(0.5, 0, 299999.75, 0, -0.5, 4500000.25))),
        ({"GeoProjectedCRS": 32633, "GeoTransform": [5e5, 10, 0, 4e6, 0, -10]}, (32633, NORTH_UP)),
        (
            {"GeoProjectedCRS": 32633, "GeoTransform": "(5e5, 10, 0.5, 4e6, 1, -10)", "GeoRasterType": 2},
            (32633, Affine(10, 0.5, 5e5, 1, -10, 4e6)),
        ),
        (
            {"GeoModelType": "Geographic", "GeoGeographicCRS": "EPSG:4326", "GeoTransform": [9, 0.1, 0, 50, 0, -0.1]},
            (4326, Affine(0.1, 0, 9, 0, -0.1, 50)),
        ),
        ({"GeoProjectedCRS": 32618, "GeoGeographicCRS": 4326}, (32618, Affine.identity())),
        ({34264: [0, 2, 0, 5, 2, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1]}, (None, Affine(0, 2, 5, 2, 0, 6))),
    ],
)
def test_named_keys_place_the_image(metadata, expected):
    crs, transform = place(written(metadata=metadata))

    assert crs == expected[0]
    assert transform.almost_equals(expected[1], 1e-9)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({**UTM, "GeoModelType": "Flat"}, r"GeoModelType must be one of .*\(GeoTIFF 1.1, 7.2.2\)"),
        ({**UTM, "GeoModelType": "Geographic"}, "GeoModelType Geographic does not go with EPSG:32618"),
        ({**UTM, "GeoProjectedCRS": 4326}, "GeoProjectedCRS: EPSG:4326 is no projected CRS"),
        ({"GeoGeographicCRS": 32618}, "GeoGeographicCRS: EPSG:32618 is no geographic CRS"),
        ({**UTM, "GeoProjectedCRS": "UTM"}, r"GeoProjectedCRS \(3072\) must be an EPSG code"),
        ({**UTM, "GeoProjectedCRS": 32767}, "user-defined: give crs="),
        ({"GeoModelType": "Projected"}, "GeoModelType .1024. without GeoProjectedCRS"),
        ({**UTM, "GeoPixelScale": "[1, 2]"}, r"GeoPixelScale must be 3 numbers, finite \(GeoTIFF 1.1, 7.3.2\)"),
        ({**UTM, "GeoPixelScale": "[1, -2, 0]"}, "must be positive"),
        ({**UTM, "GeoTiepoints": "[0, 0, 0, nan, 0, 0]"}, "GeoTiepoints must be 6 numbers a point"),
        ({**UTM, "GeoTiepoints": "__import__('os')"}, "GeoTiepoints must be 6 numbers a point"),
        ({"GeoPixelScale": [1, 1, 0]}, "without GeoTiepoints"),
        ({**UTM, "GeoTransform": [0, 1, 0, 0, 0, -1]}, "contradicts GeoPixelScale and GeoTiepoints"),
        ({"IC": "NC"}, "metadata 'IC' is no tag of TIFF"),
        ({330: [5]}, "tag 330 tells places of another file"),
        ({"DateTime": "2024-01-02"}, r"DateTime \(306\) is YYYY:MM:DD HH:MM:SS \(TIFF 6.0, section 8\)"),
        ({"Artist": "Zoë"}, r"tag 315 is ASCII \(TIFF 6.0, section 2\)"),
        ({"Artist": "a\0b"}, "tag 315 is a text and cannot hold NUL"),
        ({"XResolution": -1}, "tag 282 holds rationals"),
        ({"Orientation": 70000}, "tag 274 holds whole numbers from 0 to 65535"),
        ({"Orientation": "north"}, "tag 274 holds numbers"),
        ({"Compression": "JPEG 2000"}, "compression must be one of"),
        ({259: 4}, "compression must be one of"),
        ({284: 3}, r"PlanarConfiguration \(284\) must be 1 or 2"),
        ({322: 100, 323: 100}, "multiple of 16"),
        ({50844: [1, 2]}, "RPCCoefficientTag .50844. has 92 numbers"),
        ({320: [0] * 768}, r"ColorMap \(320\) goes with one band"),
    ],
)
def test_metadata_that_cannot_be_honoured_is_refused_by_name_and_clause(metadata, message):
    with pytest.raises(EncodeError, match=message):
        written(metadata=metadata)


def test_hints_in_the_metadata_are_honoured_and_arguments_win():
    hints = {"259": 5, "317": 1, "284": 2, "278": "10"}
    data = written(metadata=hints)
    tags = tiff_metadata(data)
    assert (tags["259"], tags["284"], tags["278"], "317" in tags) == (5, 2, 10, False)

    other = tiff_metadata(written(metadata={**hints, "317": 2}, compression="packbits", tile=32, interleave="pixel"))
    assert (other["259"], other["284"], other["322"], "317" in other) == (32773, 1, 32, False)


def test_tags_that_say_in_another_way_what_samples_are_are_not_carried_over():
    data = written(metadata={"32996": [0, 0, 0], "32997": 1, "32998": 1}, compression="lerc")

    assert np.array_equal(read(data, lambda dataset: dataset.read()), PIXELS)
    assert not {"32996", "32997", "32998"} & tiff_metadata(data).keys()


def test_texts_numbers_and_private_tags_are_written_as_they_read():
    told = {
        "270": "a scene",
        "305": "ours",
        "306": "2024:01:02 03:04:05",
        "282": 72.5,
        "296": 2,
        "315": b"Zo\xeb",
        "700": b"<x/>    ",
        "65000": [1.5, -2.0],
        "65001": b"\0\1\2\3\4",
        "65002": "text",
        "65003": 70000,
    }
    data = written(metadata=told)
    found = tiff_metadata(data)

    assert {key: found[key] for key in told} == told
    assert tifffile.TiffFile(io.BytesIO(data)).pages[0].tags["Software"].value == "ours"


# ---- what GDAL wrote, copied and read by GDAL again


def everything(path, **profile):
    """A file with all that GDAL writes into tags."""
    with rasterio.open(
        path, "w", driver="GTiff", width=50, height=40, count=2, dtype="int16", nodata=-9999, **profile
    ) as dataset:
        dataset.write(pixels_of("int16", (2, 40, 50)))
        dataset.update_tags(TITLE="an <image> & more", AREA_OR_POINT=profile.get("raster", "Area"))
        dataset.update_tags(1, MEAN="4.5")
        dataset.set_band_description(1, "near infrared")
        dataset.scales, dataset.offsets = (0.1, 2.0), (5.0, 0.0)
    return path


def facts(path):
    with rasterio.open(path) as dataset:
        return {
            "crs": dataset.crs,
            "transform": dataset.transform,
            "gcps": [(p.row, p.col, p.x, p.y, p.z) for p in dataset.gcps[0]],
            "gcps_crs": dataset.gcps[1],
            "rpcs": dataset.rpcs and dataset.rpcs.to_gdal(),
            "nodata": dataset.nodatavals,
            "tags": dataset.tags(),
            "bands": [dataset.tags(band) for band in dataset.indexes],
            "names": dataset.descriptions,
            "scales": dataset.scales,
            "offsets": dataset.offsets,
            "colors": dataset.colorinterp,
            "table": dataset.colormap(1) if dataset.colorinterp[0].name == "palette" else None,
            "pixels": dataset.read().tobytes(),
        }


def copied(path, target, **options):
    from stacchip_osml.imagery.blocks.image import BlockImage

    write_tiff(target, BlockImage(str(path)), metadata=tiff_metadata(path), **options)
    return target


RPCS = RPC(
    height_off=10, height_scale=500, lat_off=40, lat_scale=1, line_off=20, line_scale=21, long_off=9, long_scale=1.5,
    samp_off=25, samp_scale=26, line_num_coeff=[0.25 * n for n in range(20)], line_den_coeff=[1.0] + [1e-7] * 19,
    samp_num_coeff=[-0.5 * n for n in range(20)], samp_den_coeff=[1.0] + [0.125] * 19, err_bias=2.5, err_rand=0.5,
)  # fmt: skip
GCPS = [Gcp(0.5, 0.25, 9, 50, 100), Gcp(0, 50, 10, 50.5, 0), Gcp(40, 0, 9.1, 49, -3)]


@pytest.mark.parametrize(
    "profile",
    [
        {"crs": "EPSG:32633", "transform": NORTH_UP},
        {"crs": "EPSG:32633", "transform": NORTH_UP, "raster": "Point"},
        {"crs": "EPSG:4979", "transform": Affine(0.1, 0.01, 9, 0.02, -0.1, 50)},
        {"crs": "+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80 +units=m", "transform": NORTH_UP},
        {"crs": "EPSG:32633+5773", "transform": NORTH_UP},
        {"gcps": GCPS, "crs": "EPSG:4326"},
        {"rpcs": RPCS},
        {"crs": "EPSG:32633", "transform": NORTH_UP, "BIGTIFF": "YES", "ENDIANNESS": "BIG"},
        {"crs": "EPSG:32633", "transform": NORTH_UP, "compress": "zstd", "tiled": True, "blockxsize": 32,
         "blockysize": 16, "interleave": "pixel"},
    ],
)  # fmt: skip
def test_a_copy_keeps_all_that_gdal_reads(tmp_path, profile):
    path = everything(tmp_path / "image.tif", **profile)
    copy = copied(path, tmp_path / "copy.tif")

    assert facts(copy) == facts(path)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("photometric", ["palette", "minisblack"])
def test_a_copy_keeps_its_colour_table(tmp_path, dtype, photometric):
    path = tmp_path / "table.tif"
    profile = {"width": 20, "height": 20, "count": 1, "dtype": dtype, "photometric": photometric}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.arange(400).reshape(1, 20, 20).astype(dtype) % 4)
        dataset.write_colormap(1, {0: (255, 0, 0, 255), 1: (1, 2, 3, 255), 3: (9, 8, 7, 255)})

    assert facts(copied(path, tmp_path / "copy.tif")) == facts(path)


def test_a_colour_table_is_written_and_what_tiff_cannot_say_is_refused():
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) % 4
    table = [(255, 0, 0), (1, 2, 3), (4, 5, 6, 255), (0, 0, 0, 0)]
    data = written(pixels, color_table=table, nodata=3)
    assert read(data, lambda dataset: [dataset.colormap(1)[index] for index in range(4)]) == [
        (255, 0, 0, 255),
        (1, 2, 3, 255),
        (4, 5, 6, 255),
        (0, 0, 0, 0),
    ]
    with pytest.raises(EncodeError, match=r"ColorMap \(320\) has no transparency"):
        written(pixels, color_table=table)
    with pytest.raises(EncodeError, match="at most 256 colours of 3 or 4 numbers from 0 to 255"):
        written(pixels, color_table=[(256, 0, 0)])


def test_a_copys_crs_and_place_change_by_name_and_the_rest_stays(tmp_path):
    path = everything(tmp_path / "image.tif", crs="EPSG:32633", transform=NORTH_UP)
    metadata = tiff_metadata(path)
    moved = {**metadata, "GeoProjectedCRS": "32634", "GeoTransform": [1.5, 2, 0, 3.5, 0, -4]}
    data = written(pixels_of("int16", (2, 40, 50)), metadata=moved)
    assert place(data) == (32634, Affine(2, 0, 1.5, 0, -4, 3.5))
    assert read(data, lambda dataset: dataset.tags()["TITLE"]) == "an <image> & more"

    as_point = written(pixels_of("int16", (2, 40, 50)), metadata={**metadata, "GeoRasterType": "PixelIsPoint"})
    assert read(as_point, lambda dataset: dataset.tags()["AREA_OR_POINT"]) == "Point"
    assert place(as_point)[1] == NORTH_UP @ Affine.translation(-0.5, -0.5)  # its tie point is now a pixel's centre

    given = written(pixels_of("int16", (2, 40, 50)), metadata=metadata, crs="EPSG:3857", transform=Affine.scale(2))
    assert place(given) == (3857, Affine.scale(2))


def test_a_file_that_lists_a_geographic_crs_besides_is_projected():
    directory = [1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 2048, 0, 1, 4326, 3072, 0, 1, 32618]
    for model in (1, 2):  # also where the model type says something else
        directory[7] = model
        found = tiff_metadata(written(metadata={34735: directory}))

        assert (found["GeoModelType"], found["GeoProjectedCRS"], found["GeoGeographicCRS"]) == (
            "Projected",
            32618,
            4326,
        )
        assert crs_code(found) == "EPSG:32618"
    assert crs_code({"GeoGeographicCRS": 4326}) == "EPSG:4326"
    assert crs_code({"GeoProjectedCRS": 32767, "GeoGeographicCRS": 4326}) is None
    assert crs_code({}) is None


def test_points_and_rpcs_are_written_from_records():
    points = [GroundControlPoint(row=0.5, col=1.25, x=9, y=50, z=7), GroundControlPoint(row=3, col=4, x=10, y=51, z=0)]
    data = written(gcps=points, crs="EPSG:4326", rpcs={key: str(value) for key, value in RPCS.to_gdal().items()})
    with MemoryFile(data) as memory, memory.open() as dataset:
        found, crs = dataset.gcps
        assert [(p.row, p.col, p.x, p.y, p.z) for p in found] == [(p.row, p.col, p.x, p.y, p.z) for p in points]
        assert crs.to_epsg() == 4326
        assert dataset.rpcs == RPCS
    with pytest.raises(EncodeError, match="rpcs lack LINE_OFF"):
        written(rpcs={"SAMP_OFF": "1"})
    with pytest.raises(EncodeError, match="rpcs SAMP_OFF must be 1 finite"):
        written(rpcs={**RPCS.to_gdal(), "SAMP_OFF": "inf"})
    with pytest.raises(EncodeError, match="transform= or by gcps=, not by both"):
        written(gcps=points, transform=NORTH_UP)


def test_names_scales_nodata_and_colours_are_arguments_too():
    data = written(
        nodata=7, band_names=("a", None, "c & d"), scales=(2, 1, 1), offsets=(0, 1, 0), items={"K": "<v>"},
        colors=("gray", "nir", "alpha"),
    )  # fmt: skip
    with MemoryFile(data) as memory, memory.open() as dataset:
        assert dataset.nodatavals == (7, 7, 7)
        assert dataset.descriptions == ("a", None, "c & d")
        assert (dataset.scales, dataset.offsets) == ((2, 1, 1), (0, 1, 0))
        assert dataset.tags()["K"] == "<v>"
        assert [color.name for color in dataset.colorinterp] == ["gray", "nir", "alpha"]
    for options, message in (
        ({"nodata": (1, 2)}, "2 nodata values of 3 bands"),
        ({"scales": (1,)}, "1 scales of 3 bands"),
        ({"colors": ("gray",)}, "1 colours of 3 bands"),
        ({"scales": (1, 1, 2), "metadata": {42112: "<GDALMetadata/>"}}, r"GDAL_METADATA \(42112\) is given, and"),
        ({"crs": "EPSG:1"}, "the CRS is not readable"),
    ):
        with pytest.raises(EncodeError, match=message):
            written(**options)


# ---- reading what is no good


def test_metadata_is_read_from_paths_bytes_and_files(tmp_path):
    data = written(metadata={"270": "here"})
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert tiff_metadata(path) == tiff_metadata(str(path)) == tiff_metadata(data) == tiff_metadata(io.BytesIO(data))
    with pytest.raises(IndexError, match="no directory 1"):
        tiff_metadata(data, page=1)
    with pytest.raises(ReadError, match="absent"):
        tiff_metadata(tmp_path / "absent.tif")


@pytest.mark.parametrize("data", [b"", b"II*\0", b"GIF89a..........", b"II*\0\x08\0\0\0\xff\xff"])
def test_what_is_no_tiff_is_a_typed_error(data):
    with pytest.raises(DecodeError, match="TIFF"):
        tiff_metadata(data)


def test_any_damaged_byte_of_the_directory_gives_values_or_a_typed_error():
    data = bytearray(written(metadata={"270": "here", **UTM}))
    for at in range(0, 700, 3):
        broken = data.copy()
        broken[at] ^= 0xFF
        try:
            tiff_metadata(bytes(broken))
        except DecodeError:
            continue


def test_points_of_a_raster_of_points_tie_the_same_corners_to_the_ground():
    """The file counts from pixel centres then; readers know."""
    points = [GroundControlPoint(row=r, col=c, x=10 + c, y=50 - r, z=0.0) for r, c in ((0, 0), (0, 50), (40, 9.5))]
    data = written(gcps=points, crs="EPSG:4326", metadata={"GeoRasterType": "PixelIsPoint"})

    assert read(data, lambda dataset: dataset.tags()["AREA_OR_POINT"]) == "Point"
    found = read(data, lambda dataset: [(point.row, point.col, point.x, point.y) for point in dataset.gcps[0]])
    assert found == [(point.row, point.col, point.x, point.y) for point in points]
