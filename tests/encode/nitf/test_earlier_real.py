"""Real NITF 2.0 files copied, and chipped twice in a row: what other readers see of them stays."""

import io
import pickle

import numpy as np
import pytest
import rasterio
from chip_sources import cut
from nitf_files import jbpy_complaints
from rasterio.transform import RPCTransformer
from rasterio.warp import transform

from stacchip_osml.encode.nitf import encode_nitf, read_nitf, write_nitf
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

FRAMES = ("imageio-ext__001zc013.on1", "imaging-nitf__U_3058B.NTF")
POLAR = ("imaging-nitf__bug3337.ntf", "gdal__00027010.ON9")
IMAGES = (
    "gdal__U_4017A.NTF",
    "imaging-nitf__U_1034A.NTF",
    "imaging-nitf__U_1036A.NTF",
    "imaging-nitf__U_1050A.NTF",
    "imaging-nitf__U_1125C.NTF",
    "imaging-nitf__U_2001A.NTF",
    "imaging-nitf__U_3002A.NTF",
    "imaging-nitf__U_3010A.NTF",
    "imaging-nitf__U_4002A.NTF",
    "imaging-nitf__U_4003B.NTF",
    "imaging-nitf__U_4007A.NTF",
)
NO_IMAGES = ("imaging-nitf__U_0006A.NTF", "imaging-nitf__U_1060A.NTF")
RENAMED = {"IID": "IID1", "ITITLE": "IID2"}
OTHERWISE = frozenset(
    ("FHDR", "CLEVEL", "STYPE", "FDT", "IDATIM", "ICORDS", "IGEOLO", "IC", "PVTYPE", "ONAME", "FSCOP", "FSCPYS")
) | {f"{part}S{name}" for part in "FI" for name in ("DWNG", "DEVT")}
"""Fields whose values are other ones in NITF 2.1, each with tests of its own."""


@pytest.mark.parametrize("name", [*IMAGES, *FRAMES, *POLAR])
def test_a_copy_is_the_same_for_gdal(real_data, tmp_path, name):
    path, copy = real_data / "nitf" / name, tmp_path / "copy.ntf"
    write_nitf(copy, read_nitf(path))

    assert jbpy_complaints(copy.read_bytes()) == []
    with rasterio.open(path) as parent, rasterio.open(copy) as found:
        np.testing.assert_array_equal(found.read(), parent.read())
        np.testing.assert_array_equal(found.read_masks(), parent.read_masks())
        if parent.colorinterp[0].name == "palette":
            ours, theirs = found.colormap(1), parent.colormap(1)
            assert {index: ours[index] for index in theirs} == theirs
        before, after = (
            {key.removeprefix("NITF_"): text for key, text in each.tags().items()} for each in (parent, found)
        )
    for key, text in before.items():
        if key not in OTHERWISE and not key.startswith(("RPF_", "SERIES_")):
            assert after[RENAMED.get(key, key)] == text, key


@pytest.mark.parametrize("name", IMAGES)
def test_image_data_that_needs_no_tables_of_its_file_is_copied_byte_for_byte(real_data, tmp_path, name):
    path, copy = real_data / "nitf" / name, tmp_path / "copy.ntf"
    write_nitf(copy, read_nitf(path))

    parent, found = (read_nitf(each).images[0].stored for each in (path, copy))
    assert found.read(found.offset, found.size) == parent.read(parent.offset, parent.size)


@pytest.mark.parametrize("name", NO_IMAGES)
def test_a_file_without_images_is_copied(real_data, name):
    parent = read_nitf(real_data / "nitf" / name)
    out = io.BytesIO()
    write_nitf(out, parent)

    assert jbpy_complaints(out.getvalue()) == []
    found = read_nitf(out.getvalue())
    assert [each.data for each in found.texts] == [each.data for each in parent.texts]
    assert [each.data for each in found.graphics] == [each.data for each in parent.graphics]
    assert len(found.texts) + len(found.graphics) == 1


def window_in(size):
    return size.width // 3, size.height // 4, max(size.width // 2, 1), max(size.height // 2, 1)


def twice(path, folder):
    """Chips of chips: place in the whole image, chip, its file, the parent's record."""
    source, offset = str(path), (0, 0)
    for step in ("first", "second"):
        window = window_in(BlockImage(source).header.size)
        chip, offset = cut(source, window), (offset[0] + window[0], offset[1] + window[1])
        found = folder / f"{step}.ntf"
        found.write_bytes(encode_nitf(chip))
        yield offset, chip, found, read_nitf(source)
        source = str(found)


@pytest.mark.parametrize("name", [*IMAGES, *FRAMES, *POLAR])
def test_a_chip_of_a_chip_keeps_pixels_markings_and_what_is_told(real_data, tmp_path, name):
    for _, chip, path, parent in twice(real_data / "nitf" / name, tmp_path):
        assert jbpy_complaints(path.read_bytes()) == []
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), chip.pixels)
        found = read_nitf(path)
        np.testing.assert_array_equal(found.images[0].pixels.read(chip.window._replace(x=0, y=0)).pixels, chip.pixels)
        for part, before, after in (
            ("F", parent.fields, found.fields),
            ("I", parent.images[0].fields, found.images[0].fields),
        ):
            for key, text in before.items():
                if key.startswith(f"{part}S") and not key.startswith(("ISUBCAT", "ISYNC")):
                    assert after[key] == text, key
        told = [text.data for text in parent.texts if text.fields["TEXTID"] == "NITF2.0"]
        assert [text.data for text in found.texts] == told


@pytest.mark.parametrize("name", [*FRAMES, *POLAR])
def test_a_chip_of_a_chip_of_a_frame_lies_where_the_frame_does(real_data, tmp_path, name):
    whole = load_sensor_model(str(real_data / "nitf" / name))
    for offset, chip, path, _ in twice(real_data / "nitf" / name, tmp_path):
        width, height = chip.size
        cols, rows = np.array([0.5, width - 0.5, width / 2]), np.array([0.5, height - 0.5, height / 3])

        back = whole.world_to_image(*load_sensor_model(str(path)).image_to_world(cols, rows))

        np.testing.assert_allclose(back, (cols + offset[0], rows + offset[1]), atol=0.01)


@pytest.mark.parametrize("name", POLAR)
def test_gdal_finds_the_map_of_a_frame_about_a_pole_in_the_polynomials_of_a_copy(real_data, tmp_path, name):
    path, copy = real_data / "nitf" / name, tmp_path / "copy.ntf"
    write_nitf(copy, read_nitf(path))
    cols, rows = (each.ravel() + 0.5 for each in np.meshgrid(np.arange(0, 1536, 150), np.arange(0, 1536, 150)))

    with rasterio.open(path) as parent, rasterio.open(copy) as found:
        lons, lats = transform(parent.crs, "+proj=longlat +R=6378137", *(parent.transform * (cols, rows)))
        with RPCTransformer(found.rpcs) as by_polynomials:
            back = by_polynomials.rowcol(lons, lats, op=np.asarray)

    np.testing.assert_allclose(back, (rows, cols), atol=0.01)


def test_what_is_transparent_in_a_frame_is_not_recorded_in_a_copy(real_data, tmp_path):
    path, copy = real_data / "nitf" / "imaging-nitf__bug3337.ntf", tmp_path / "copy.ntf"
    parent = read_nitf(path)
    write_nitf(copy, parent)

    fields = read_nitf(copy).images[0].fields
    assert (fields["IC"], fields["NELUT1"]) == ("NM", "00217")
    image = pickle.loads(pickle.dumps(parent.images[0].pixels))
    stored = [image.has_block(row, col) for row in range(6) for col in range(6)]
    assert stored.count(False) == 27
    assert copy.stat().st_size < (36 - 27 + 1) * 256 * 256


def test_every_real_file_of_nitf_20_is_read_or_refused_by_name(real_data):
    found = []
    for path in sorted((real_data / "nitf").iterdir()):
        with path.open("rb") as file:
            is_one = file.read(9) == b"NITF02.00"
        if is_one:
            assert read_nitf(path).version == "NITF02.10"
            found.append(path.name)
    assert found == sorted((*IMAGES, *FRAMES, *POLAR, *NO_IMAGES))
