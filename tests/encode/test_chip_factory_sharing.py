"""A chip factory in many threads and processes: the same bytes, and nothing of one call in another."""

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from factory_scenes import add_format, decoded, in_memory, noise, pyramid

from stacchip_osml.chain import ProcessingChain, scale_offset_step
from stacchip_osml.encode import ChipFactory
from stacchip_osml.geometry import AffineLocator
from stacchip_osml.imagery import TiledImagePyramid, build_pyramid_levels

WINDOWS = [((x, y, 40, 33), size) for x in (-5, 0.5, 30, 77) for y in (0, 12.25, 50) for size in (None, (20, 16))]
PHYSICAL = ProcessingChain.from_definition([scale_offset_step()], (2, "uint16"))


def a_factory(folder):
    source = pyramid(folder / "a.tif", noise(), overviews=[2], nodata=7)
    return ChipFactory(source, output_format="geotiff", processing_chain=PHYSICAL, partial="clip")


def chips(factory):
    return [factory.create_chip(*asked) for asked in WINDOWS]


def into(queue, factory):
    queue.put(chips(factory))


def test_threads_give_the_same_bytes_as_one(tmp_path):
    expected = chips(a_factory(tmp_path))
    shared = a_factory(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda asked: shared.create_chip(*asked), WINDOWS * 6))

    assert found == expected * 6


def test_chips_of_many_sizes_from_one_factory_are_those_of_a_factory_each(tmp_path):
    source = pyramid(tmp_path / "a.tif", noise(), overviews=[2], nodata=7)
    asked = [((3, 5, 40, 33), size) for size in (None, (20, 16), (21, 16), (40, 33), (80, 66), (20, 16), None)]
    shared = ChipFactory(source)
    found = [shared.read_chip(*each) for each in asked]
    shared.resampling = "nearest"
    nearest = shared.read_chip(*asked[2])

    expected = [ChipFactory(source).read_chip(*each) for each in asked]
    expected.append(ChipFactory(source, resampling="nearest").read_chip(*asked[2]))
    for chip, own in zip([*found, nearest], expected, strict=True):
        assert chip.level == own.level
        np.testing.assert_array_equal(chip.pixels, own.pixels)
        np.testing.assert_array_equal(chip.mask, own.mask)
    assert {chip.level for chip in found} == {0, 1}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_give_the_same_bytes_as_one(tmp_path, method):
    factory = a_factory(tmp_path)
    expected = chips(factory)
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    workers = [context.Process(target=into, args=(queue, factory)) for _ in range(2)]
    for worker in workers:
        worker.start()

    found = [queue.get() for _ in workers]

    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert found == [expected] * 2


def test_a_factory_pickles_with_all_its_settings(tmp_path, monkeypatch):
    add_format(monkeypatch)
    factory = ChipFactory(
        TiledImagePyramid(build_pyramid_levels(in_memory(noise()), 30)),
        AffineLocator((10, 0, 5e5, 0, -10, 5e6), "EPSG:32632"),
        "fields",
        PHYSICAL,
        None,
        {"IC": "C8"},
        partial="clip",
        resampling="lanczos",
        nodata=3,
        format_options={"spaced": True},
        cache_bytes=0,
        threads=1,
    )

    again = pickle.loads(pickle.dumps(factory))

    assert chips(again) == chips(factory)
    assert again.read_chip((0, 0, 9, 9)).transform == factory.read_chip((0, 0, 9, 9)).transform
    for name in ("partial", "resampling", "nodata", "cache_bytes", "threads", "limits", "output_format"):
        assert getattr(again, name) == getattr(factory, name)
    assert dict(again.metadata_overrides) == {"IC": "C8"}


def test_fields_of_one_chip_never_reach_another_from_any_thread(monkeypatch):
    add_format(monkeypatch)

    class Builder:
        def build(self, src_window, output_size):
            return {"WINDOW": list(src_window), "IREP": "MONO"}

    overrides = {"IREP": "RGB"}
    factory = ChipFactory(in_memory(noise()), None, "fields", None, Builder(), overrides)
    windows = [(x, y, 8, 8) for x in range(0, 100, 5) for y in range(0, 80, 20)]

    with ThreadPoolExecutor(8) as pool:
        told = [decoded(data) for data in pool.map(factory.create_chip, windows * 3)]

    assert [each["fields"] for each in told] == [{"WINDOW": list(w), "IREP": "RGB"} for w in windows] * 3
    assert [each["window"] for each in told] == [[float(value) for value in w] for w in windows] * 3
    assert overrides == {"IREP": "RGB"}


def test_a_chip_keeps_its_pixels_when_others_are_cut(tmp_path):
    factory = a_factory(tmp_path)
    first = factory.read_chip((0, 0, 64, 64))
    kept = first.pixels.copy(), first.mask.copy()

    for _ in range(20):
        factory.read_chip((30, 20, 64, 64))

    np.testing.assert_array_equal(first.pixels, kept[0])
    np.testing.assert_array_equal(first.mask, kept[1])
