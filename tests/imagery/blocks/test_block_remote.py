"""Windows of remote images: the same pixels, few requests, and faults that stay with their window."""

import threading
from pathlib import Path

import numpy as np
import pytest
from block_files import HEIGHT, WIDTH, require_same, scene, some_windows, stated_image, write_tiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_blocks import StoredArray, store_array, stored_arrays, windows_of

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, RemoteReadError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks import remote
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout
from stacchip_osml.imagery.blocks.objects import RemoteObject
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.pixel import PixelWindow
from tests.imagery.patience import PATIENT


def served(server, source: StoredArray, *, path: str = "/image.bin", **stated) -> BlockImage:
    url = server.serve(path, source.data)
    return stated_image(url, ImageLayout(levels=(source.layout,)), fetch=PATIENT, **stated)


def require(found, source: StoredArray, window: PixelWindow) -> None:
    here = np.s_[:, window.y : window.y + window.height, window.x : window.x + window.width]
    if not source.stored[here].any():
        assert found is None
        return
    assert isinstance(found, MaskedPixels), found
    np.testing.assert_array_equal(found.pixels, source.pixels[here])
    np.testing.assert_array_equal(found.mask, source.stored[here])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_any_batch_from_any_layout_gives_what_was_stored(server, monkeypatch, data):
    monkeypatch.setattr(remote, "GAP", data.draw(st.sampled_from([0, 20, 1 << 16])))
    monkeypatch.setattr(remote, "MOST", data.draw(st.sampled_from([100, 1 << 20])))
    source = data.draw(stored_arrays())
    image = served(server, source)
    windows = data.draw(st.lists(windows_of(source.layout.size), min_size=1, max_size=4))
    cache = data.draw(st.sampled_from([None, BlockCache(0), BlockCache()]))

    for threads in (1, 3):
        found = read_windows([WindowRead(image=image, window=w) for w in windows], threads=threads, cache=cache)
        for one, window in zip(found, windows, strict=True):
            require(one, source, window)


def test_blocks_that_touch_are_one_request_and_blocks_that_do_not_are_their_own(server, monkeypatch):
    source = store_array(scene(1, "uint16"), block_shape=(16, 50), compression="deflate", gap=8)
    image = served(server, source)
    monkeypatch.setattr(remote, "GAP", 8)
    first_row = PixelWindow(0, 0, 150, 16)

    found = read_windows([WindowRead(image=image, window=w) for w in (first_row, PixelWindow(0, 70, 10, 5), first_row)])

    assert all(isinstance(one, MaskedPixels) for one in found)
    offsets, counts = source.layout.offsets[0, 0], source.layout.counts[0, 0]
    assert sorted(asked.range for asked in server.asked()) == [
        (offsets[0, 0], offsets[0, 2] + counts[0, 2] - offsets[0, 0]),
        (offsets[4, 0], counts[4, 0]),
    ]


def test_of_uncompressed_rows_far_apart_only_the_columns_wanted_are_asked_for(server, monkeypatch):
    source = store_array(scene(1, "uint16"), block_shape=(HEIGHT, WIDTH))
    image = served(server, source)
    window = PixelWindow(40, 30, 10, 3)

    (whole,) = read_windows([WindowRead(image=image, window=window)])
    assert [asked.range for asked in server.asked()] == [(8 + 30 * 300 + 80, 2 * 300 + 20)]
    monkeypatch.setattr(remote, "GAP", 16)
    (by_row,) = read_windows([WindowRead(image=image, window=window)])
    assert sorted(asked.range for asked in server.asked()) == [(8 + row * 300 + 80, 20) for row in (30, 31, 32)]
    require(whole, source, window)
    require(by_row, source, window)


def test_all_requests_of_a_batch_are_under_way_together(server):
    source = store_array(scene(1, "uint16"), block_shape=(32, 32), compression="deflate")
    images = [served(server, source, path=f"/{number}.bin") for number in range(16)]
    server.set(together=16)  # none is answered before all have come

    found = read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 9, 9)) for image in images], threads=1)

    assert all(isinstance(one, MaskedPixels) for one in found)
    assert len(server.asked()) == 16


def test_the_caller_decodes_while_answers_are_awaited(server, monkeypatch):
    source = store_array(scene(1, "uint16"), block_shape=(16, 16), compression="deflate")
    image = served(server, source)
    monkeypatch.setattr(remote, "GAP", -1)
    has_decoded = threading.Event()
    read, finish = RemoteObject.read_exactly, remote._finish

    def late_at_the_end(self, offset, size, call=None):
        is_last = offset == int(source.layout.offsets.max())
        assert not is_last or has_decoded.wait(60), "nothing was decoded by the caller before the last answer"
        return read(self, offset, size, call)

    def noted(*arguments):
        if threading.get_ident() == caller:
            has_decoded.set()
        else:
            has_decoded.wait(60)  # the helper is long in its first block
        finish(*arguments)

    caller = threading.get_ident()
    monkeypatch.setattr(RemoteObject, "read_exactly", late_at_the_end)
    monkeypatch.setattr(remote, "_finish", noted)
    window = PixelWindow(0, 0, WIDTH, HEIGHT)

    (found,) = read_windows([WindowRead(image=image, window=window)], threads=2)

    require(found, source, window)


def test_a_cache_asks_for_nothing_twice(server):
    source = store_array(scene(1, "uint16"), block_shape=(32, 32), compression="deflate")
    image = served(server, source)
    cache = BlockCache()
    window = PixelWindow(0, 0, WIDTH, HEIGHT)
    (first,) = read_windows([WindowRead(image=image, window=window)], cache=cache)
    server.asked()
    (second,) = read_windows([WindowRead(image=image, window=window)], cache=cache)

    assert server.asked() == []
    require(first, source, window)
    require(second, source, window)


def test_blocks_that_come_from_afar_are_kept_in_a_full_cache_and_those_of_a_file_are_not(server, tmp_path):
    source = store_array(scene(1, "uint16"), block_shape=(8, 8), compression="deflate")
    far, near = served(server, source), tmp_path / "image.bin"
    near.write_bytes(source.data)
    file = stated_image(near, ImageLayout(levels=(source.layout,)))
    _, _, down, across = source.layout.offsets.shape
    windows = [PixelWindow(col * 8, row * 8, 8, 8) for row in range(down - 1) for col in range(across - 1)]
    kept = []
    for image in (far, file):
        cache = BlockCache(4 * 8 * 8 * 2)
        for window in [*windows, windows[-1]]:
            (found,) = read_windows([WindowRead(image=image, window=window)], cache=cache)
            require(found, source, window)
        kept.append(cache.counts.hits)

    assert kept == [1, 0]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_fails_fails_alone(server, threads):
    source = store_array(scene(1, "uint16"), block_shape=(32, 32), compression="deflate")
    good = served(server, source)
    gone = stated_image(f"{server.url}/gone.bin", ImageLayout(levels=(source.layout,)), fetch=PATIENT)
    broken = served(server, source, path="/broken.bin")
    server.fault(503, path="/broken")
    changed = served(server, source, path="/changed.bin", etag='"another"')
    cut = stated_image(
        server.serve("/cut.bin", source.data[: int(source.layout.offsets[0, 0, 2, 1])]),
        ImageLayout(levels=(source.layout,)),
        fetch=PATIENT,
    )
    window, below = PixelWindow(0, 0, WIDTH, 64), PixelWindow(0, 0, WIDTH, 90)

    found = read_windows(
        [WindowRead(image=image, window=window) for image in (good, gone, broken, changed, cut)]
        + [WindowRead(image=cut, window=below)],
        threads=threads,
    )

    assert [type(one) for one in found] == [
        MaskedPixels,
        AssetMissing,
        RemoteReadError,
        AssetChanged,
        MaskedPixels,
        DecodeError,
    ]
    require(found[0], source, window)
    require(found[4], source, window)


def test_an_object_that_changes_between_reads_is_noticed(server):
    source = store_array(scene(1, "uint16"), block_shape=(32, 32), compression="deflate")
    image = served(server, source)
    read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 5, 5))])
    server.serve("/image.bin", source.data[::-1])

    (found,) = read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 5, 5))])

    assert isinstance(found, AssetChanged)


def test_without_header_and_layout_a_remote_image_finds_them_out(server, tmp_path):
    path = write_tiff(
        tmp_path / "a.tif", scene(2, "uint16"), nodata=0, levels=(2,), tiled=True, blockxsize=16, blockysize=16
    )
    url = server.serve("/a.tif", Path(path).read_bytes())
    image, oracle = BlockImage(url), GdalImage(path)

    assert image.served_by(1) == "block/none"
    for level, size in enumerate(oracle.header.levels):
        for window in some_windows(size, 4):
            require_same(image, oracle, window, level)
    np.testing.assert_array_equal(image.get_block(1, 2), oracle.get_block(1, 2))


def test_an_image_that_cannot_be_reached_is_asked_for_once_a_batch(server):
    server.fault(503, path="/dead")
    image = BlockImage(f"{server.url}/dead.tif", fetch=PATIENT)
    with pytest.raises(RemoteReadError, match="status 503"):
        image.read(PixelWindow(0, 0, 5, 5))
    once = len(server.asked())

    found = read_windows([WindowRead(image=image, window=PixelWindow(0, 0, 5, 5))] * 9)

    assert {type(one) for one in found} == {RemoteReadError}
    assert len(server.asked()) == once
