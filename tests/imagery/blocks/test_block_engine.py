"""Reading windows: what was stored, whatever the layout, the order, the threads, the cache or the destination."""

import threading
from pathlib import Path

import numpy as np
import pytest
from block_files import HEIGHT, WIDTH, scene, stated_image, write_tiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_blocks import StoredArray, store_array, stored_arrays, windows_of

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, WindowError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks import local
from stacchip_osml.imagery.blocks.arena import Arena
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.pixel import PixelWindow


def stored_image(folder: Path, source: StoredArray, *, number: int = 0, **stated) -> BlockImage:
    path = folder / f"image{number}.bin"
    path.write_bytes(source.data)
    return stated_image(path, ImageLayout(levels=(source.layout,)), **stated)


def expected_of(source: StoredArray, window: PixelWindow, bands: tuple[int, ...] | None, nodata: float | None):
    chosen = range(len(source.pixels)) if bands is None else bands
    here = np.s_[list(chosen), window.y : window.y + window.height, window.x : window.x + window.width]
    pixels, stored = source.pixels[here].copy(), source.stored[here]
    pixels[~stored] = 0 if nodata is None else nodata
    mask = stored if nodata is None else stored & (pixels != nodata)
    return MaskedPixels(pixels, mask) if stored.any() else None


def require(found, expected):
    if expected is None:
        assert found is None
        return
    assert isinstance(found, MaskedPixels), found
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.mask, expected.mask)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_any_batch_from_any_layout_gives_what_was_stored(tmp_path, data):
    sources = data.draw(st.lists(stored_arrays(), min_size=1, max_size=3))
    nodata = data.draw(st.sampled_from([None, 7, int(sources[0].pixels.max())]))
    images = [stored_image(tmp_path, source, number=n, nodata=nodata) for n, source in enumerate(sources)]
    reads, wanted = [], []
    for _ in range(data.draw(st.integers(1, 6))):
        number = data.draw(st.integers(0, len(sources) - 1))
        window = data.draw(windows_of(sources[number].layout.size))
        some = st.lists(st.integers(0, len(sources[number].pixels) - 1), min_size=1, max_size=4).map(tuple)
        bands = data.draw(st.none() | some)
        reads.append(WindowRead(image=images[number], window=window, bands=bands))
        wanted.append(expected_of(sources[number], window, bands, nodata))
    cache = data.draw(st.sampled_from([None, BlockCache(), BlockCache(3000), BlockCache(0)]))

    for _ in range(2):
        found = read_windows(reads, threads=data.draw(st.integers(1, 8)), cache=cache)
        for one, expected in zip(found, wanted, strict=True):
            require(one, expected)
        order = data.draw(st.permutations(range(len(reads))))
        again = read_windows([reads[place] for place in order], threads=2, cache=cache)
        for one, place in zip(again, order, strict=True):
            require(one, wanted[place])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(source=stored_arrays(("none",)), seed=st.integers(0, 99), gap=st.sampled_from([0, 4, 1 << 14]))
def test_uncompressed_rows_are_read_straight_or_through_a_buffer_alike(tmp_path, monkeypatch, source, seed, gap):
    monkeypatch.setattr(local, "GAP", gap)
    monkeypatch.setattr(local, "PIECE", 64)
    image = stored_image(tmp_path, source)
    rng = np.random.default_rng(seed)
    size = source.layout.size
    x, y = int(rng.integers(size.width)), int(rng.integers(size.height))
    for window in (PixelWindow(x, y, size.width - x, size.height - y), PixelWindow(0, 0, *size)):
        for strided in (False, True):
            bands = len(source.pixels)
            room = np.empty((bands, window.height, window.width, 1 + strided), source.pixels.dtype)
            (found,) = read_windows([WindowRead(image=image, window=window, pixels=room[..., 0])], threads=1)
            require(found, expected_of(source, window, None, None))


def image_of(tmp_path: Path, *, bands: int = 1, **how) -> tuple[BlockImage, StoredArray]:
    pixels = scene(bands, "uint16")
    source = store_array(pixels, block_shape=(32, 48), **{"compression": "deflate", **how})
    return stored_image(tmp_path, source), source


def test_pixels_land_in_the_arrays_that_are_given(tmp_path):
    image, source = image_of(tmp_path, bands=2)
    batch, masks = np.full((3, 2, 20, 30), 9, np.uint16), np.zeros((3, 2, 20, 30), bool)
    windows = [PixelWindow(5, 6, 30, 20), PixelWindow(90, 60, 30, 20)]

    found = read_windows(
        [
            WindowRead(image=image, window=window, pixels=batch[place], mask=masks[place])
            for place, window in enumerate(windows)
        ]
    )

    for place, (one, window) in enumerate(zip(found, windows, strict=True)):
        assert isinstance(one, MaskedPixels)
        assert one.pixels.base is batch
        require(MaskedPixels(batch[place], masks[place]), expected_of(source, window, None, None))
    assert (batch[2] == 9).all()


@pytest.mark.parametrize("nodata", [np.nan, 0.0, -3.4e38])
@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_validity_lands_in_strided_arrays_too(tmp_path, nodata, compression):
    pixels = scene(2, "float32")
    pixels[pixels == 0] = nodata
    source = store_array(pixels, block_shape=(32, 48), compression=compression, stored="<f4")
    image = stored_image(tmp_path, source, nodata=nodata)
    room, valid = np.empty((2, 90, 100, 3), np.float32), np.empty((2, 90, 100, 3), bool)

    read_windows([WindowRead(image, PixelWindow(20, 10, 100, 90), pixels=room[..., 1], mask=valid[..., 1])])

    expected = pixels[:, 10:100, 20:120]
    np.testing.assert_array_equal(room[..., 1], expected)
    np.testing.assert_array_equal(valid[..., 1], ~np.isnan(expected) if np.isnan(nodata) else expected != nodata)


@pytest.mark.parametrize(
    "wrong",
    [{"pixels": np.empty((1, 5, 6), np.uint16)}, {"pixels": np.empty((1, 6, 5))}, {"mask": np.empty((1, 6, 5))}],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, wrong):
    image, _ = image_of(tmp_path)

    with pytest.raises(ValueError, match="a destination of \\(1, 6, 5\\)"):
        read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 5, 6), **wrong)])


def test_a_window_that_holds_nothing_fills_its_destination(tmp_path):
    source = store_array(scene(1, "uint16"), block_shape=(110, 150), absent=np.ones((1, 1, 1), bool))
    image = stored_image(tmp_path, source, nodata=4)
    pixels, mask = np.ones((1, 6, 5), np.uint16), np.ones((1, 6, 5), bool)

    (found,) = read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 5, 6), pixels=pixels, mask=mask)])

    assert found is None
    assert (pixels == 4).all()
    assert not mask.any()


def test_what_goes_wrong_with_one_window_is_its_result_alone(tmp_path):
    good, source = image_of(tmp_path)
    torn = bytearray(source.data)
    offset = int(source.layout.offsets[0, 0, 1, 1])
    torn[offset + 2 : offset + 9] = b"\xff" * 7
    path = tmp_path / "torn.bin"
    path.write_bytes(torn)
    bad = stated_image(path, ImageLayout(levels=(source.layout,)))
    short = tmp_path / "short.bin"
    short.write_bytes(source.data[:offset])
    cut = stated_image(short, ImageLayout(levels=(source.layout,)))
    gone = stated_image(tmp_path / "gone.bin", ImageLayout(levels=(source.layout,)))
    other = stated_image(path, ImageLayout(levels=(source.layout,)), expect=(3, None))
    over = PixelWindow(30, 20, 40, 40)
    beside = PixelWindow(0, 0, 20, 20)
    for threads in (1, 3):
        for cache in (None, BlockCache()):
            found = read_windows(
                [
                    WindowRead(image=image, window=window)
                    for image in (good, bad, cut, gone, other)
                    for window in (over, beside)
                ]
                + [WindowRead(image=good, window=PixelWindow(0, 0, 151, 1))],
                threads=threads,
                cache=cache,
            )

            kinds = [type(one) for one in found]
            assert kinds[:6] == [MaskedPixels, MaskedPixels, DecodeError, MaskedPixels, DecodeError, MaskedPixels]
            assert kinds[6:] == [AssetMissing, AssetMissing, AssetChanged, AssetChanged, WindowError]
            assert "torn.bin: block (1, 1) of level 0: " in str(found[2])
            assert "short.bin: block (1, 1) of level 0: its bytes end before it does, " in str(found[4])


def test_an_uncompressed_block_cut_off_is_named(tmp_path):
    source = store_array(scene(1, "uint16"), block_shape=(HEIGHT, WIDTH))
    path = tmp_path / "short.bin"
    path.write_bytes(source.data[: 8 + WIDTH * 2 * 50])
    image = stated_image(path, ImageLayout(levels=(source.layout,)))

    found = read_windows(
        [WindowRead(image=image, window=PixelWindow(0, top, wide, 20)) for top in (10, 40) for wide in (20, WIDTH)]
    )

    assert [type(one) for one in found] == [MaskedPixels, MaskedPixels, DecodeError, DecodeError]
    assert "block (0, 0) of level 0: its bytes end" in str(found[3])


def test_a_file_that_changes_under_a_read_gives_no_pixels(tmp_path, monkeypatch):
    image, _ = image_of(tmp_path)
    decode = local._decode_run

    def touch_and_decode(*args):
        decode(*args)
        Path(image.location).touch()

    monkeypatch.setattr(local, "_decode_run", touch_and_decode)

    (found,) = read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 5, 5))])
    assert isinstance(found, AssetChanged)


def test_each_block_is_decoded_once_a_batch_and_once_a_cache(tmp_path, monkeypatch):
    image, _ = image_of(tmp_path)
    decoded: list[tuple[int, int, int]] = []
    from stacchip_osml.imagery.blocks import batch

    def counted(codec, data, *, rows, decode=batch.decode_block, **how):
        decoded.append((len(data), rows, threading.get_ident()))
        return decode(codec, data, rows=rows, **how)

    monkeypatch.setattr(batch, "decode_block", counted)
    reads = [
        WindowRead(image=image, window=PixelWindow(x, y, 20, 20)) for x in range(0, 120, 9) for y in range(0, 80, 9)
    ]
    under = {
        (row, col)
        for read in reads
        for row in (read.window.y // 32, (read.window.y + 19) // 32)
        for col in (read.window.x // 48, (read.window.x + 19) // 48)
    }

    read_windows(reads, threads=4)
    assert len(decoded) == len(under)
    decoded.clear()
    cache = BlockCache()
    for read in reads:
        read_windows([read], cache=cache)
    assert len(decoded) <= 2 * len(under)  # once in part, once whole
    decoded.clear()
    read_windows(reads, threads=4, cache=cache)
    assert decoded == []


@pytest.mark.parametrize("cache", [None, BlockCache(1 << 20)])
def test_many_threads_at_once_read_the_same(tmp_path, cache):
    image, source = image_of(tmp_path, bands=2)
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(12):
            windows = [PixelWindow(int(rng.integers(100)), int(rng.integers(80)), 50, 30) for _ in range(3)]
            for one, window in zip(
                read_windows([WindowRead(image=image, window=w) for w in windows], threads=3, cache=cache),
                windows,
                strict=True,
            ):
                expected = expected_of(source, window, None, None)
                if not isinstance(one, MaskedPixels) or (one.pixels != expected.pixels).any() or not one.mask.all():
                    wrong.append(one)

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)

    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_steady_reading_takes_no_new_memory(tmp_path):
    image, _ = image_of(tmp_path, bands=4)
    arena = Arena()
    places = set()
    for _ in range(30):
        (found,) = read_windows([WindowRead(image=image, window=PixelWindow(0, 0, WIDTH, HEIGHT))], arena=arena)
        assert isinstance(found, MaskedPixels)
        places.add(found.pixels.ctypes.data)
        del found

    assert len(places) == 1
    assert arena.free_bytes >= 4 * WIDTH * HEIGHT * 3


def test_levels_that_gdal_serves_and_levels_of_blocks_share_a_batch(tmp_path):
    path = write_tiff(tmp_path / "image.tif", scene(2, "uint8"), levels=(2,), tiled=True, blockxsize=16, blockysize=16)
    image = BlockImage(path)
    layout = image.layout
    stranger = BlockImage(path, sidecars=True)
    oracle = GdalImage(path)
    window = PixelWindow(10, 11, 40, 30)

    found = read_windows(
        [WindowRead(image=each, window=window, level=level) for level in (0, 1) for each in (image, stranger)]
    )

    assert all(isinstance(level, LevelLayout) for level in layout.levels)
    assert stranger.served_by(0).startswith("gdal/")
    for place, one in enumerate(found):
        require(one, oracle.read(window, level=place // 2))


def test_nothing_to_read_is_nothing_read():
    assert read_windows([]) == []
