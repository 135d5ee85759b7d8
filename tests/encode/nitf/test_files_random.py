"""Files of all kinds that jbpy made at random: read, copied, chipped and chipped again, they are what jbpy made."""

import io

import jbpy
import numpy as np
import pytest

from stacchip_osml.encode import IO, ChipFactory
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery import read_window
from tests.imagery.blocks.nitf_block_files import blocks_of, fields_of, masked, write_nitf

KINDS = ("u1", "u2", "u4", "i2", "i4", "f4", "f8", "c8")
MOST_BANDS = 11


def choice(rng, *options):
    return options[int(rng.integers(len(options)))]


def an_image(rng):
    """Fields, image data and pixels; blocks that are not recorded hold the pad pixel, or 0."""
    dtype, bands = np.dtype(choice(rng, *KINDS)), choice(rng, 1, 2, 3, MOST_BANDS)
    rows, cols = (int(side) for side in rng.integers(4, 60, 2))
    block = choice(rng, (rows, cols), (8, 16), (17, 9), (64, 5), (rows, 8))
    raw = rng.integers(0, 256, (bands, rows, cols, dtype.itemsize), np.uint8)
    pixels = raw.reshape(bands, rows, -1).view(dtype) if dtype.kind in "ui" else rng.normal(size=(bands, rows, cols))
    pixels = pixels.astype(dtype)
    imode = choice(rng, "B", "P", "R", "S") if bands > 1 else "B"
    fields = fields_of(pixels, block, imode, IC="NC", ICAT=choice(rng, "VIS", "MS", "SL"), **a_place(rng))
    if dtype.kind in "ui" and choice(rng, True, False):
        spare = int(rng.integers(1, 8 * dtype.itemsize))
        fields |= {"ABPP": 8 * dtype.itemsize - spare, "PJUST": choice(rng, "L", "R")}
        pixels = pixels >> spare
        pixels = pixels << spare if fields["PJUST"] == "L" else pixels
    blocks = list(blocks_of(pixels, block, imode))
    if choice(rng, True, False):
        pad, count = choice(rng, None, 7) if dtype.itemsize == 1 else None, fields["NBPR"] * fields["NBPC"]
        for number in np.flatnonzero(rng.random(len(blocks)) < 0.3):
            blocks[number] = None
            band = slice(number // count, number // count + 1) if imode == "S" else slice(None)
            down, across = divmod(number % count, fields["NBPR"])
            place = np.s_[band, down * block[0] :, across * block[1] :]
            pixels[place][:, : block[0], : block[1]] = pad or 0
        return fields | {"IC": "NM"}, masked(blocks, pad=pad), pixels
    return fields, b"".join(blocks), pixels


def a_place(rng):
    """Corners of a map, of whole units, about 1,000 pixels of it a side."""
    kind = choice(rng, "", "G", "N", "D")
    west, north = int(rng.integers(-170, 160)), int(rng.integers(-70, 70))
    if kind == "D":
        corners = (f"{lat:+07.3f}{lon:+08.3f}" for lon, lat in ring(west, north, 1.0))
    elif kind == "N":
        corners = (f"33{x:06.0f}{y:07.0f}" for x, y in ring(500_000, 4_000_000, 9_000.0))
    else:
        corners = (
            f"{abs(lat):02.0f}0000{'NS'[lat < 0]}{abs(lon):03.0f}0000{'EW'[lon < 0]}"
            for lon, lat in ring(west, north, 1.0)
        )
    return {"ICORDS": kind, "IGEOLO": "".join(corners)} if kind else {}


def ring(west, north, side):
    return ((west, north), (west + side, north), (west + side, north - side), (west, north - side))


def segments(path):
    """Each image as jbpy has it: its subheader, and its data."""
    data = path.read_bytes()
    file = jbpy.Jbp()
    file.load(io.BytesIO(data))
    for segment in file["ImageSegments"]:
        at, size = segment["Data"].get_offset(), segment["Data"].size
        yield {name: field.encoded_value for name, field in segment["subheader"].items()}, data[at : at + size]


def filled(image, window=None):
    window = (0, 0, image.num_columns, image.num_rows) if window is None else window
    return read_window(image, window, fill_value=image.pad_pixel_value or 0)


@pytest.mark.parametrize("seed", range(12))
def test_what_jbpy_made_is_read_copied_and_chipped_as_it_is(tmp_path, seed):
    rng = np.random.default_rng(seed)
    made = [an_image(rng) for _ in range(int(rng.integers(1, 4)))]
    path, copy = tmp_path / "a.ntf", tmp_path / "copy.ntf"
    write_nitf(path, [(fields, data) for fields, data, _ in made], nsif=seed % 4 == 3)

    convert(path, copy, format="nsif" if seed % 4 == 3 else "nitf")

    assert list(segments(path)) == list(segments(copy))
    with IO.open(path) as dataset:
        for number, (_, _, pixels) in enumerate(made):
            image = dataset.get_asset(f"image:{number}")
            np.testing.assert_array_equal(filled(image), pixels)
            model = load_sensor_model(dataset, image.key)
            chip_twice(tmp_path, image, model, pixels, rng)


def chip_twice(folder, image, model, pixels, rng):
    """Cut a part, and a part of that at another size: their ground is the image's."""
    rows, cols = pixels.shape[1:]
    x, y = (int(rng.integers(0, side - 3)) for side in (cols, rows))
    width, height = (int(rng.integers(3, side - at)) if side - at > 3 else 3 for side, at in ((cols, x), (rows, y)))
    first, expected = folder / "first.ntf", pixels[:, y : y + height, x : x + width]
    data = ChipFactory(image, sensor_model=model).create_chip((x, y, width, height))
    if data is None:
        assert (expected == (image.pad_pixel_value or 0)).all()
        return
    first.write_bytes(data)
    with IO.open(first) as dataset:
        chip, place = dataset.get_asset("image:0"), load_sensor_model(dataset)
        found = filled(chip)
        is_hole = found == (chip.pad_pixel_value or 0)
        assert ((found == expected) | is_hole).all()
        again = ChipFactory(chip, sensor_model=place).create_chip((0, 0, 3, 3), (5, 4))
    if model is None:
        assert place is None
        return
    across, down = np.array([0.0, 1.25, 2.5]), np.array([0.0, 0.5, 3.0])
    assert_lies(place, across, down, on=model, at=(x + across, y + down))
    if again is not None:
        assert_lies(
            load_sensor_model(read_nitf(again)), across, down, on=model, at=(x + across * 3 / 5, y + down * 3 / 4)
        )


def assert_lies(chip, cols, rows, *, on, at):
    """Ground of a chip's pixels is seen in the image where they are cut from: BLOCKA is good to some centimetres."""
    np.testing.assert_allclose(on.world_to_image(*chip.image_to_world(cols, rows)), at, rtol=0, atol=0.01)
