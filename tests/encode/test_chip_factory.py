"""The stages of a chip factory, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from factory_scenes import Told, add_format, decoded, in_memory, noise, opened, ramp, write

from stacchip_osml.chain import ProcessingChain, band_select, scale_offset_step
from stacchip_osml.encode import ChipFactory, image_format
from stacchip_osml.errors import ChainError, ChipError, EncodeError, LimitError, SettingError, WindowError
from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    DisplayChainFactory,
    ReadLimits,
    TiledImagePyramid,
    build_pyramid_levels,
)
from stacchip_osml.pixel import ImageSize, PixelWindow


def test_the_stages_follow_each_other_and_a_bad_window_comes_before_all(monkeypatch):
    log = []
    add_format(monkeypatch, log=log)

    class Builder:
        def build(self, src_window, output_size):
            log.append(("metadata", src_window, output_size))
            return {}

    def chain(pixels):
        log.append(("chain", pixels.shape))
        return pixels

    chain.input_bands = [1]
    source = Told(in_memory(noise()), log)
    factory = ChipFactory(TiledImagePyramid([source]), None, "fields", chain, Builder())

    with pytest.raises(WindowError, match="positive width"):
        factory.create_chip(PixelWindow(0, 0, 0, 5))
    assert log == []

    factory.create_chip(PixelWindow(3, 4, 40, 20), ImageSize(20, 10))

    assert [name for name, *_ in log] == ["read", "read", "chain", "metadata", "encode"]
    assert log[0] == ("read", 0, 0, (1,))  # only what the chain needs
    assert log[2] == ("chain", (1, 20, 40))  # before anything is resampled
    assert log[3] == ("metadata", (3, 4, 40, 20), (20, 10))
    assert log[4] == ("encode", (1, 10, 20))


@pytest.mark.parametrize(
    ("window", "size", "message"),
    [
        ((0, 0, 0, 5), None, "positive width and height"),
        ((0, 0, 5, -1), None, "positive width and height"),
        ((0, 0, float("nan"), 5), None, "positive width and height"),
        ((float("inf"), 0, 5, 5), None, "is finite"),
        ((0, 0, 5), None, "x, y, width, height"),
        ((0, 0, 5, "wide"), None, "x, y, width, height"),
        (None, None, "x, y, width, height"),
        ("1234", None, "x, y, width, height"),
        (b"abcd", None, "x, y, width, height"),
        ({0, 1, 2, 50}, None, "x, y, width, height"),
        ((0, 0, 5, 5), "55", "width, height"),
        ((0, 0, 5, 5), (0, 5), "whole, positive pixels"),
        ((0, 0, 5, 5), (5.5, 5), "whole, positive pixels"),
        ((0, 0, 5, 5), (5, 2**40), "whole, positive pixels"),
        ((0, 0, 5, 5), 5, "width, height"),
    ],
)
def test_impossible_windows_and_sizes_are_value_errors(window, size, message):
    factory = ChipFactory(in_memory(noise()), output_format="png")

    for call in (factory.create_chip, factory.read_chip):
        with pytest.raises(WindowError, match=message) as caught:
            call(window, size)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"output_format": "bmp"}, EncodeError, "unknown image format 'bmp'"),
        ({"partial": "crop"}, SettingError, "partial must be one of pad, clip, refuse"),
        ({"resampling": "cubic"}, SettingError, "resampling must be one of"),
        ({"format_options": {"quality": 3}}, EncodeError, "png has no option quality; it has display, level, mask"),
        ({"metadata_overrides": {"IC": "C8"}}, EncodeError, "png has no fields that could be given; got IC"),
        ({"metadata_builder": object()}, EncodeError, "no fields that a metadata builder could give"),
        ({"processing_chain": 3}, ChainError, "must be a function of pixels"),
        ({"processing_chain": ProcessingChain((), 1, input_bands=[2])}, ChainError, "bands that the image does not"),
        ({"nodata": (1, 2, 3)}, ValueError, "3 nodata values for an image of 2 bands"),
    ],
)
def test_impossible_settings_are_refused_before_a_pixel_is_read(settings, error, message):
    log = []

    with pytest.raises(error, match=message) as caught:
        ChipFactory(Told(in_memory(noise()), log), **{"output_format": "png", **settings})

    assert isinstance(caught.value, ValueError)
    assert log == []


@pytest.mark.parametrize("path", ["image.tif", Path("image.tif")])
def test_a_path_is_no_image_and_the_refusal_says_what_opens_it(path):
    with pytest.raises(TypeError, match=r"image\.tif.*IO\.open"):
        ChipFactory(path)


def test_a_chain_made_for_other_pixels_is_refused_at_once():
    chain = ProcessingChain.from_definition([scale_offset_step()], (3, "uint16"))

    with pytest.raises(ChainError, match="made for 3 bands of uint16, and is given 2 bands of uint16"):
        ChipFactory(in_memory(noise()), output_format="geotiff", processing_chain=chain)


@pytest.mark.parametrize("name", ["png", "geotiff"])
def test_what_is_read_is_what_is_written(name):
    scene = noise((1, 90, 120))
    factory = ChipFactory(in_memory(scene), output_format=name)
    window, size = (10.5, 3, 40, 40), (32, 20)

    chip = factory.read_chip(window, size)

    assert factory.create_chip(window, size) == image_format(name).encode(chip)
    np.testing.assert_array_equal(opened(factory.create_chip((5, 6, 30, 20)))[0], scene[:, 6:26, 5:35])


def test_nothing_stored_or_wholly_outside_is_none():
    blocks = BufferedImageAssetProvider.create("sparse", 128, 96, 1, 32, 32, "uint16")
    blocks.set_block(0, 0, noise((1, 32, 32)))
    factory = ChipFactory(blocks, output_format="png")

    assert factory.create_chip((64, 32, 32, 32)) is None
    assert factory.create_chip((64.5, 32.5, 20, 20), (10, 10)) is None
    assert factory.create_chip((128, 0, 10, 10)) is None
    assert factory.create_chip((-10, 0, 10, 10)) is None
    partly = factory.read_chip((16, 16, 32, 32))
    assert partly.mask[0, :16, :16].all()
    assert partly.mask.sum() == 16 * 16
    assert not partly.pixels[~partly.mask].any()


def test_sparse_files_and_their_levels_give_none_too(tmp_path):
    scene = np.zeros((1, 512, 512), np.uint16)
    scene[:, :32, :32] = 7
    settings = {"GDAL_TIFF_OVR_BLOCKSIZE": "64", "SPARSE_OK_OVERVIEW": "YES"}
    image = write(tmp_path / "a.tif", scene, nodata=0, SPARSE_OK=True, overviews=[2], gdal=settings)
    factory = ChipFactory(image, output_format="geotiff")

    assert factory.create_chip((64, 64, 64, 64)) is None
    assert factory.create_chip((256, 256, 128, 128), (64, 64)) is None
    assert factory.read_chip((0, 0, 128, 128), (64, 64)).level == 1
    assert factory.read_chip((0, 0, 64, 64)).mask.sum() == 32 * 32


def test_padded_pixels_are_not_valid_and_metadata_is_of_the_whole_window(tmp_path):
    image = write(tmp_path / "a.tif", noise(), nodata=9)
    factory = ChipFactory(image, output_format="geotiff")

    chip = factory.read_chip((-8, 80, 20, 20))

    assert chip.shape == (2, 20, 20)
    assert chip.origin.window == (-8, 80, 20, 20)
    assert not chip.mask[:, :, :8].any()
    assert not chip.mask[:, 10:].any()
    assert (chip.pixels[:, 10:] == 9).all()
    pixels, mask, facts = opened(factory.create_chip((-8, 80, 20, 20)))
    np.testing.assert_array_equal(mask, chip.mask)
    np.testing.assert_array_equal(pixels, chip.pixels)
    assert facts["transform"][2] == 500_000 - 80


def test_clipped_chips_are_padded_ones_without_the_pixels_outside():
    scene = ramp(100, 80)
    padded, clipped = (ChipFactory(in_memory(scene), output_format="png", partial=name) for name in ("pad", "clip"))
    random = np.random.default_rng(3)
    for _ in range(60):
        x, y, width, height = *random.uniform(-60, 90, 2), *random.uniform(5, 120, 2)
        size = tuple(int(side) for side in random.integers(3, 60, 2))
        whole, part = padded.read_chip((x, y, width, height), size), clipped.read_chip((x, y, width, height), size)
        if whole is None or part is None:
            assert whole is None or not whole.mask.any()
            continue
        left, top, wide, _ = part.origin.window
        step = width / size[0], height / size[1]
        col, row = round((left - x) / step[0]), round((top - y) / step[1])
        rows, cols = part.shape[1:]
        here = np.s_[:, row : row + rows, col : col + cols]
        np.testing.assert_array_equal(part.mask, whole.mask[here])
        np.testing.assert_array_equal(part.pixels, whole.pixels[here])
        assert whole.mask.sum() == part.mask.sum()
        assert wide == pytest.approx(cols * step[0])
        assert left > -step[0]
        assert left + wide < 100 + step[0]


def test_a_window_that_leaves_the_image_is_refused_where_that_is_asked_for():
    factory = ChipFactory(in_memory(noise()), output_format="png", partial="refuse")

    with pytest.raises(WindowError, match=r"window \(100, 0, 30, 30\) leaves the image of 120 x 90"):
        factory.create_chip((100, 0, 30, 30))
    for window in ((500, 0, 30, 30), (-0.5, 0, 9, 9), (0, -0.5, 9, 9), (111.5, 0, 9, 9), (0, 81.5, 9, 9)):
        with pytest.raises(WindowError, match="leaves the image"):
            factory.create_chip(window)
    assert factory.read_chip((90, 0, 30, 30)).mask.all()


def test_colours_and_names_follow_the_bands_that_a_chain_chooses(tmp_path):
    source = write(tmp_path / "a.tif", noise()[[0, 0, 0]].astype(np.uint8), photometric="RGB")
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.descriptions = ("one", "two", "three")

    chain = ProcessingChain((), 2, input_bands=(2, 0))
    chip = ChipFactory(source, None, "geotiff", chain).read_chip((0, 0, 9, 9))

    assert (chip.colors, chip.band_names) == (("blue", "red"), ("three", "one"))


def test_a_chip_larger_than_the_limits_is_refused_before_memory_is_taken():
    factory = ChipFactory(in_memory(noise()), output_format="png", limits=ReadLimits(request_bytes=10_000))

    with pytest.raises(LimitError, match="200 x 200 pixels of 2 bands"):
        factory.read_chip((0, 0, 50, 50), (200, 200))
    with pytest.raises(LimitError, match="1000000000 x 1000000000 pixels"):
        factory.read_chip((0, 0, 50, 50), (10**9, 10**9))


def test_a_chain_without_functions_has_its_id_and_a_choice_of_bands_is_no_processing():
    source = in_memory(noise((3, 90, 120)))
    chosen = ProcessingChain((band_select([2, 0]),), 2, "uint16")
    chip = ChipFactory(source, output_format="geotiff", processing_chain=chosen).read_chip((5, 5, 20, 20))

    assert chip.chain == chosen.id
    assert (chip.origin.bands, chip.origin.is_processed) == ((2, 0), False)
    np.testing.assert_array_equal(chip.pixels, noise((3, 90, 120))[[2, 0], 5:25, 5:25])
    made = ChipFactory(source, output_format="geotiff", processing_chain=lambda pixels: pixels // 2)
    chip = made.read_chip((5, 5, 20, 20))
    assert (chip.chain, chip.origin.bands, chip.origin.is_processed) == ("function", None, True)


def test_what_is_not_valid_goes_through_a_chain_with_the_pixels(tmp_path):
    scene = noise((3, 64, 64))
    scene[:, 10:20, 10:30] = 0
    image = write(tmp_path / "a.tif", scene, nodata=0, photometric="rgb")
    factory = ChipFactory(image, output_format="png", processing_chain=DisplayChainFactory.build(image))

    chip = factory.read_chip((0, 0, 64, 64), (32, 32))

    assert chip.pixels.dtype == np.uint8
    assert not chip.mask[:, 5:10, 5:15].any()
    assert chip.mask[:, 12:, :].all()
    assert factory.create_chip((0, 0, 64, 64), (32, 32)) == image_format("png").encode(chip)


def test_a_chain_that_gives_no_pixels_is_named():
    factory = ChipFactory(in_memory(noise()), output_format="png", processing_chain=lambda pixels: pixels.mean())

    with pytest.raises(ChainError, match=r"the processing chain, function '.*<lambda>', must give an array"):
        factory.create_chip((0, 0, 8, 8))


def test_a_chain_that_fails_is_named_with_its_cause():
    factory = ChipFactory(in_memory(noise()), output_format="png", processing_chain=lambda pixels: pixels["a"])

    with pytest.raises(
        ChainError, match=r"the processing chain, function '.*<lambda>', failed with IndexError"
    ) as caught:
        factory.create_chip((0, 0, 8, 8))
    assert isinstance(caught.value.__cause__, IndexError)


@pytest.mark.parametrize("width", [128, 131])
@pytest.mark.parametrize("function", [None, "stretched"])
def test_the_level_never_upsamples_while_a_finer_one_exists(width, function):
    from stacchip_osml.imagery.resampling.resamplers import area_resample

    levels = build_pyramid_levels(in_memory(ramp(width, 99)), 8, resample_func=area_resample if function else None)
    pyramid = TiledImagePyramid(levels)
    factory = ChipFactory(pyramid, output_format="png")
    random = np.random.default_rng(1)
    seen = set()
    for _ in range(120):
        window = (0, 0, *random.uniform(8, 99, 2))
        size = tuple(int(side) for side in random.integers(1, 90, 2))
        level = factory.read_chip(window, size).level
        seen.add(level)
        ratio = pyramid.ratio_at_level(level)
        has = window[2] / ratio[0], window[3] / ratio[1]
        assert level == 0 or (has[0] >= size[0] - 1e-6 and has[1] >= size[1] - 1e-6)
        if level + 1 < pyramid.num_levels:
            next_ratio = pyramid.ratio_at_level(level + 1)
            assert window[2] / next_ratio[0] < size[0] or window[3] / next_ratio[1] < size[1]
    assert len(seen) > 2


def test_overrides_come_before_a_builders_fields_and_neither_is_changed(monkeypatch):
    add_format(monkeypatch)

    class Builder:
        own: dict[str, object] = {"IREP": "MONO", "X": 1}  # noqa: RUF012 - shared on purpose

        def build(self, src_window, output_size):
            self.own["X"] = src_window.x
            return self.own

    overrides = {"IREP": "RGB"}
    factory = ChipFactory(in_memory(noise()), None, "fields", None, Builder(), overrides)

    first, second = (decoded(factory.create_chip((x, 0, 9, 9))) for x in (0, 30))

    assert first["fields"] == {"IREP": "RGB", "X": 0}
    assert second["fields"] == {"IREP": "RGB", "X": 30}
    assert overrides == {"IREP": "RGB"}
    overrides["IREP"] = "MULTI"
    assert decoded(factory.create_chip((0, 0, 9, 9)))["fields"]["IREP"] == "RGB"
    with pytest.raises(TypeError, match="does not support item assignment"):
        factory.metadata_overrides["IC"] = "C8"


def test_every_error_is_one_of_the_tree():
    assert issubclass(WindowError, ChipError)
    assert issubclass(EncodeError, ChipError)


def test_masks_of_files_are_heeded_through_adapters_and_datasets(tmp_path):
    from stacchip_osml.encode import IO
    from stacchip_osml.imagery import CachedImageProvider, TileCache

    mask = np.full((90, 120), 255, np.uint8)
    mask[20:30, 40:60] = 0
    image = write(tmp_path / "a.tif", noise(), mask=mask, overviews=[2])
    with IO.open(str(tmp_path / "a.tif"), "r") as reader:
        for source in (image, CachedImageProvider(image, TileCache()), TiledImagePyramid.from_dataset(reader)):
            factory = ChipFactory(source, output_format="geotiff")
            np.testing.assert_array_equal(factory.read_chip((0, 0, 120, 90)).mask[1], mask > 0)
            assert factory.read_chip((0, 0, 120, 90), (60, 45)).level == 1
    made = TiledImagePyramid(build_pyramid_levels(image, 30, use_native_levels=False))
    chip = ChipFactory(made, output_format="geotiff").read_chip((0, 0, 120, 90), (60, 45))
    assert chip.level == 0  # its own levels know nothing of the mask
    np.testing.assert_array_equal(chip.mask[0], (mask > 0)[::2, ::2])


def test_an_adapter_of_another_class_is_not_looked_through(tmp_path):
    from stacchip_osml.imagery import CachedImageProvider

    class Brighter(CachedImageProvider):
        def get_block(self, *place, **bands):
            return super().get_block(*place, **bands) + np.uint16(1)

    image = write(tmp_path / "a.tif", noise())
    chip = ChipFactory(Brighter(image), output_format="geotiff").read_chip((0, 0, 120, 90))

    np.testing.assert_array_equal(chip.pixels, noise() + 1)
