"""Several images read as one: the bands of each as it gives them alone, whatever is alike and whatever goes wrong."""

from pathlib import Path

import numpy as np
import pytest
from block_files import scene, stated_image, write_tiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_blocks import store_array, windows_of

from stacchip_osml.errors import AssetMissing, ChipError, DecodeError, LimitError, WindowError
from stacchip_osml.imagery import ReadLimits
from stacchip_osml.imagery.blocks import local, windows
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout
from stacchip_osml.imagery.blocks.target import Target
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.pixel import ImageSize, PixelWindow

SIZE = ImageSize(40, 34)


@st.composite
def alike(draw: st.DrawFn, folder: Path, number: int) -> BlockImage:
    """An image of one size and type; blocks, bands, nodata and what is stored may differ from the next one's."""
    bands = draw(st.integers(1, 3))
    block_shape = draw(st.sampled_from([(16, 16), (16, 16), (16, 16), (34, 40), (7, 13)]))
    planes = draw(st.sampled_from([1, bands]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    grid = planes, -(-SIZE.height // block_shape[0]), -(-SIZE.width // block_shape[1])
    source = store_array(
        rng.integers(0, 9, (bands, SIZE.height, SIZE.width)).astype(np.uint16),
        block_shape=block_shape,
        planes=planes,
        compression=draw(st.sampled_from(["deflate", "deflate", "none"])),
        absent=rng.random(grid) < draw(st.sampled_from([0.0, 0.4, 1.0])),
    )
    path = folder / f"image{number}.bin"
    path.write_bytes(source.data)
    nodata = draw(st.sampled_from([None, 3, 3, 7]))
    return stated_image(path, ImageLayout(levels=(source.layout,)), nodata=nodata)


def joined(images: list[BlockImage], window: PixelWindow, empty: tuple[float, ...] | None) -> MaskedPixels | None:
    """Read one image after the other, and put their bands together."""
    parts, first = [], 0
    for image in images:
        (found,) = read_windows([WindowRead(image, window)], threads=1)
        assert not isinstance(found, ChipError)
        count = image.num_bands
        if found is None:
            shape = (count, window.height, window.width)
            pixels = np.empty(shape, np.uint16)
            mask = np.ones(shape, bool)
            read_windows([WindowRead(image, window, pixels=pixels, mask=mask)], threads=1)
            if empty is not None:
                pixels[...] = np.array(empty[first : first + count])[:, None, None]
            parts.append((pixels, mask, False))
        else:
            parts.append((found.pixels, found.mask, True))
        first += count
    if not any(is_there for _, _, is_there in parts):
        return None
    return MaskedPixels(*(np.concatenate([part[each] for part in parts]) for each in (0, 1)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_bands_of_several_images_are_those_of_each_alone(tmp_path, data):
    images = [data.draw(alike(tmp_path, number)) for number in range(data.draw(st.integers(2, 4)))]
    stack = tuple(images)
    bands = sum(image.num_bands for image in images)
    empty = data.draw(st.none() | st.just(tuple(range(50, 50 + bands))))
    asked = data.draw(st.lists(windows_of(SIZE), min_size=1, max_size=5))
    cache = data.draw(st.sampled_from([None, BlockCache(), BlockCache(3000)]))
    reads = [WindowRead(stack, window, empty=empty) for window in asked]
    reads.append(WindowRead(tuple(images[::-1]), asked[0]))  # the same blocks as other bands
    reads.append(WindowRead(images[0], asked[0]))

    found = read_windows(reads, threads=data.draw(st.integers(1, 3)), cache=cache)

    wanted = [joined(images, window, empty) for window in asked]
    wanted += [joined(images[::-1], asked[0], None), joined(images[:1], asked[0], None)]
    for one, expected in zip(found, wanted, strict=True):
        if expected is None:
            assert one is None
            continue
        assert isinstance(one, MaskedPixels), one
        np.testing.assert_array_equal(one.pixels, expected.pixels)
        np.testing.assert_array_equal(one.mask, expected.mask)


def stored(folder: Path, name: str, *, seed: int = 0, damage: tuple[int, int] | None = None, **how) -> BlockImage:
    source = store_array(scene(1, "uint16", seed=seed), block_shape=(32, 48), compression="deflate")
    raw = bytearray(source.data)
    if damage is not None:
        offset = int(source.layout.offsets[0, 0, *damage])
        raw[offset + 2 : offset + 9] = b"\xff" * 7
    (folder / name).write_bytes(raw)
    return stated_image(folder / name, ImageLayout(levels=(source.layout,)), **how)


def test_images_cut_alike_are_planned_as_one(tmp_path, monkeypatch):
    stack = tuple(stored(tmp_path, f"{number}.bin", seed=number) for number in range(4))
    made = []

    def counted(*args, **kwargs):
        made.append(Target(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(windows, "Target", counted)

    read_windows([WindowRead(stack, PixelWindow(0, 0, 20, 20)), WindowRead(stack, PixelWindow(30, 10, 50, 60))])

    assert len(made) == 2


def test_pixels_of_several_images_land_in_the_arrays_that_are_given(tmp_path):
    stack = tuple(stored(tmp_path, f"{number}.bin", seed=number, nodata=0) for number in range(3))
    window = PixelWindow(20, 10, 100, 90)
    room, valid = np.full((3, 90, 100, 2), 9, np.uint16), np.zeros((3, 90, 100, 2), bool)

    (found,) = read_windows([WindowRead(stack, window, pixels=room[..., 1], mask=valid[..., 1])])

    expected = joined(list(stack), window, None)
    assert isinstance(found, MaskedPixels)
    assert found.pixels.base is room
    assert (room[..., 1] == expected.pixels).all()
    assert (valid[..., 1] == expected.mask).all()
    assert not expected.mask.all()
    assert (room[..., 0] == 9).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_of_several_images_the_first_that_fails_tells_why(tmp_path, threads):
    good = [stored(tmp_path, f"good{number}.bin", seed=number) for number in range(2)]
    torn = stored(tmp_path, "torn.bin", damage=(1, 1))
    worse = stored(tmp_path, "worse.bin", damage=(0, 0))
    gone = stored(tmp_path, "gone.bin")
    (tmp_path / "gone.bin").unlink()
    over, beside = PixelWindow(30, 20, 40, 40), PixelWindow(60, 0, 20, 20)

    found = read_windows(
        [WindowRead(stack, window) for stack in ((*good, torn, worse), (good[0], gone)) for window in (over, beside)],
        threads=threads,
    )

    assert [type(one) for one in found] == [DecodeError, MaskedPixels, AssetMissing, AssetMissing]
    assert "torn.bin: block (1, 1) of level 0: " in str(found[0])


def test_a_file_that_changes_fails_the_images_beside_it(tmp_path, monkeypatch):
    stack = tuple(stored(tmp_path, f"{number}.bin", seed=number) for number in range(3))
    decode = local._decode_run

    def touch_and_decode(*args):
        decode(*args)
        Path(stack[1].location).touch()

    monkeypatch.setattr(local, "_decode_run", touch_and_decode)

    found = read_windows(
        [WindowRead(stack, PixelWindow(0, 0, 5, 5)), WindowRead(stack[0], PixelWindow(0, 0, 5, 5))], threads=1
    )

    assert "1.bin: the file changed" in str(found[0])
    assert isinstance(found[1], MaskedPixels)


def test_alpha_bands_mask_bands_and_gdal_read_beside_other_images(tmp_path):
    pixels = scene(2, "uint16")
    valid = np.full(pixels.shape[1:], 255, np.uint8)
    valid[30:50, 20:90] = 0
    paths = [
        write_tiff(tmp_path / "plain.tif", pixels, nodata=0, tiled=True, blockxsize=32, blockysize=32),
        write_tiff(tmp_path / "mask.tif", pixels, mask=valid, tiled=True, blockxsize=32, blockysize=32),
        write_tiff(tmp_path / "alpha.tif", pixels, alpha=True, tiled=True, blockxsize=32, blockysize=32),
        write_tiff(tmp_path / "lossless.tif", pixels, compress="lzw"),
    ]
    images = [BlockImage(path) for path in paths]
    with_gdal = BlockImage(paths[0], sidecars=True)
    window = PixelWindow(10, 12, 90, 70)
    for stack in ([*images, images[0]], [images[0], with_gdal, images[0]], [with_gdal]):
        (found,) = read_windows([WindowRead(tuple(stack), window)])

        expected = joined(stack, window, None)
        assert isinstance(found, MaskedPixels), found
        np.testing.assert_array_equal(found.pixels, expected.pixels)
        np.testing.assert_array_equal(found.mask, expected.mask)


def test_windows_are_refused_by_the_smallest_image_and_the_tightest_limit(tmp_path):
    large, small = scene(1, "uint16"), scene(1, "uint16")[:, :50, :60]
    images = [
        BlockImage(write_tiff(tmp_path / "large.tif", large)),
        BlockImage(write_tiff(tmp_path / "small.tif", small)),
        BlockImage(str(tmp_path / "large.tif"), limits=ReadLimits(request_bytes=2 * 40 * 40)),
    ]

    found = read_windows(
        [
            WindowRead((images[0], images[1]), PixelWindow(0, 0, 61, 50)),
            WindowRead((images[0], images[2]), PixelWindow(0, 0, 41, 40)),
            WindowRead((images[0], images[2]), PixelWindow(0, 0, 40, 40)),
        ]
    )

    assert [type(one) for one in found] == [WindowError, LimitError, MaskedPixels]
    assert "small.tif" in str(found[0])


def test_images_of_several_types_and_bands_of_several_images_are_refused(tmp_path):
    images = [
        BlockImage(write_tiff(tmp_path / f"{dtype}.tif", scene(1, dtype))) for dtype in ("uint16", "float32", "uint8")
    ]

    with pytest.raises(ValueError, match="images of float32, uint16 in one array"):
        read_windows([WindowRead((images[0], images[1]), PixelWindow(0, 0, 5, 5))])
    with pytest.raises(ValueError, match=r"bands \(0,\) of 2 images"):
        read_windows([WindowRead((images[0], images[0]), PixelWindow(0, 0, 5, 5), bands=(0,))])
