"""Any provider, block by block: read once, in bounded memory, by threads, in segments."""

from __future__ import annotations

import io
import threading
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from pixel_readers import READERS

from stacchip_osml.encode.nitf import pixels_raw
from stacchip_osml.encode.nitf.pixels import prepare_image
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider


class Lazy:
    """A provider with no more than the protocol asks for; counts what is read, and by whom."""

    def __init__(self, shape: tuple[int, int], block: tuple[int, int], *, bands: int = 1, dtype: str = "uint8") -> None:
        self.num_rows, self.num_columns = shape
        self.num_bands = bands
        self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal = block
        self.pixel_value_type = dtype
        self.reads: Counter[tuple[int, int]] = Counter()
        self.threads: set[int] = set()
        self.fail_at: tuple[int, int] | None = None

    def get_block(self, row: int, col: int, level: int = 0, bands: Any = None) -> np.ndarray:
        assert level == 0
        self.reads[row, col] += 1
        self.threads.add(threading.get_ident())
        if (row, col) == self.fail_at:
            raise OSError("the disk is gone")
        high, wide = self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal
        y = np.arange(row * high, min((row + 1) * high, self.num_rows))[:, None]
        x = np.arange(col * wide, min((col + 1) * wide, self.num_columns))[None]
        chosen = range(self.num_bands) if bands is None else bands
        return np.stack([(3 * y + 5 * x + 11 * band) % 199 for band in chosen]).astype(self.pixel_value_type)

    def whole(self) -> np.ndarray:
        y, x = np.mgrid[: self.num_rows, : self.num_columns]
        bands = [(3 * y + 5 * x + 11 * band) % 199 for band in range(self.num_bands)]
        return np.stack(bands).astype(self.pixel_value_type)


def data_of(provider: Any, *, workers: int = 1, **fields: str) -> bytes:
    out = io.BytesIO()
    prepare_image(NitfImage(pixels=provider, fields=fields))[0].write(out, workers=workers)
    return out.getvalue()


@pytest.mark.parametrize("source", [(50, 70), (1, 300), (64, 64), (200, 300), (7, 11)])
@pytest.mark.parametrize(("ic", "imode", "bands"), [("NC", "B", 1), ("NC", "S", 3), ("C3", "P", 3), ("C8", "B", 1)])
def test_each_source_block_is_read_once(source, ic, imode, bands):
    image = Lazy((200, 300), source, bands=bands)

    data_of(image, IC=ic, IMODE=imode, NPPBH="64", NPPBV="64")

    assert set(image.reads.values()) == {1}
    assert len(image.reads) == -(-200 // source[0]) * -(-300 // source[1])


def test_bands_that_are_streamed_one_by_one_are_read_so():
    image = Lazy((200, 300), (50, 70), bands=3)

    data_of(image, IC="C3", IMODE="S", IREP="MULTI", NPPBH="64", NPPBV="64")

    assert set(image.reads.values()) == {3}


@pytest.mark.parametrize("ic", ["NC", "NM", "C3", "C8", "CD"])
def test_the_bytes_do_not_depend_on_threads_and_the_provider_is_asked_by_one(ic):
    fields = {"IC": ic, "NPPBH": "64", "NPPBV": "64"}
    image = Lazy((200, 300), (50, 70), bands=3)

    assert len({data_of(image, workers=workers, **fields) for workers in (1, 2, 8)}) == 1
    assert image.threads == {threading.get_ident()}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("ic", ["NC", "C3", "C8"])
def test_what_a_provider_raises_comes_out_and_no_thread_stays(ic, workers, tmp_path):
    image = Lazy((200, 300), (64, 64))
    image.fail_at = (2, 1)
    before = threading.active_count()
    path = tmp_path / "image.ntf"
    file = NitfFile(images=(NitfImage(pixels=image, fields={"IC": ic, "NPPBH": "64", "NPPBV": "64"}),))

    with pytest.raises(Exception, match="the disk is gone") as raised:
        write_nitf(path, file, workers=workers)

    assert isinstance(raised.value, OSError)
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_is_not_what_the_provider_says_is_refused():
    image = Lazy((64, 64), (32, 32))
    image.get_block = lambda *_, **__: np.zeros((1, 31, 32), np.uint8)  # type: ignore[method-assign]

    with pytest.raises(DecodeError, match=r"Lazy: block \(0, 0\) of level 0 is \(1, 31, 32\), not \(1, 32, 32\)"):
        data_of(image)


@pytest.mark.parametrize(
    ("imode", "bands", "fields"),
    [
        *[(imode, 3, {}) for imode in "BPRS"],
        ("B", 1, {}),
        *[(imode, 3, {"NBPP": "12", "ABPP": "12"}) for imode in "BPRS"],
    ],
)
@pytest.mark.parametrize("block", ["64", "45"])
def test_blocks_are_written_in_strips_and_into_memory_or_not_which_changes_nothing(
    imode, bands, fields, block, monkeypatch, tmp_path
):
    image = Lazy((100, 150), (40, 40), bands=bands, dtype="uint16")
    fields = {"IMODE": imode, "NPPBH": block, "NPPBV": block, **fields}

    def in_a_file() -> bytes:
        with (tmp_path / "data").open("w+b") as out:
            prepare_image(NitfImage(pixels=image, fields=fields))[0].write(out)
            out.seek(0)
            return out.read()

    whole = data_of(image, **fields)
    assert in_a_file() == whole
    monkeypatch.setattr(pixels_raw, "STRIP_BYTES", 5 * int(block) * bands * 2)

    assert data_of(image, **fields) == data_of(image, workers=3, **fields) == in_a_file() == whole


@pytest.mark.parametrize("block", ["0", "512"])
def test_memory_is_bounded(block):
    class Sink(io.RawIOBase):
        at = end = 0

        def seek(self, offset, whence=0):
            self.at = offset
            return offset

        def tell(self):
            return self.at

        def write(self, data):
            self.at += len(data)
            self.end = max(self.end, self.at)
            return len(data)

    image = Lazy((4000, 4000), (500, 500), dtype="uint16")
    prepared = prepare_image(NitfImage(pixels=image, fields={"NPPBH": block, "NPPBV": block}))
    tracemalloc.start()
    out = Sink()
    written = prepared[0].write(out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert out.end == out.at == written.length >= 32_000_000
    assert peak < 25_000_000  # some of it is what the provider makes


def test_rows_are_divided_into_segments_that_together_are_the_image():
    image = Lazy((200, 90), (64, 64), bands=2)
    prepared = prepare_image(NitfImage(pixels=image, fields={"NPPBH": "32", "NPPBV": "32"}), segment_rows=70)

    assert [tuple(segment.window) for segment in prepared] == [
        (0, 0, 90, 64),
        (0, 64, 90, 64),
        (0, 128, 90, 64),
        (0, 192, 90, 8),
    ]
    assert [segment.fields["NROWS"] for segment in prepared] == ["00000064"] * 3 + ["00000008"]
    assert [segment.fields["NBPC"] for segment in prepared] == ["0002", "0002", "0002", "0001"]
    parts = []
    for segment in prepared:
        out = io.BytesIO()
        segment.write(out)
        blocks = np.frombuffer(out.getvalue(), np.uint8).reshape(-1, 3, 2, 32, 32)
        rows = blocks.transpose(2, 0, 3, 1, 4).reshape(2, -1, 96)
        parts.append(rows[:, : segment.window.height, :90])
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), image.whole())


def test_an_unblocked_image_is_divided_by_bytes_and_radar_images_by_rows():
    image = Lazy((250_000, 20_000), (1000, 1000), bands=2, dtype="float32")

    fields = {"NPPBH": "0", "NPPBV": "0", "IMODE": "P"}
    plain = prepare_image(NitfImage(pixels=image, fields=fields))
    radar = prepare_image(NitfImage(pixels=image, fields={**fields, "IID1": "SICD001"}))

    heights = [[segment.window.height for segment in each] for each in (plain, radar)]
    assert heights == [[62_499] * 4 + [4]] * 2
    small = Lazy((100_001, 10), (1000, 10))
    assert len(prepare_image(NitfImage(pixels=small, fields={}))) == 1
    counted = prepare_image(NitfImage(pixels=small, fields={"IID1": "SICD000", "NPPBV": "0"}))
    assert [segment.fields["NROWS"] for segment in counted] == ["00099999", "00000002"]


def test_a_segment_that_holds_no_row_of_blocks_is_refused():
    with pytest.raises(
        EncodeError, match=r"NPPBV: 64 rows of blocks of 128 bytes a row are more than a segment of 8191"
    ):
        prepare_image(
            NitfImage(pixels=Lazy((100, 100), (64, 64)), fields={"NPPBH": "64", "NPPBV": "64"}), segment_bytes=8191
        )


def test_progress_is_told_to_the_end():
    told: list[tuple[int, int]] = []
    image = Lazy((200, 300), (64, 64))
    prepared = prepare_image(NitfImage(pixels=image, fields={"IC": "C3", "NPPBH": "64", "NPPBV": "64"}))

    prepared[0].write(io.BytesIO(), workers=2, progress=lambda done, all_: told.append((done, all_)))

    assert told == [(number, 20) for number in range(1, 21)]


def test_pixels_begin_where_the_file_stands():
    image = Lazy((70, 90), (64, 64), bands=2)
    for fields in ({"IC": "NM", "IMODE": "S"}, {"IC": "M3", "IREP": "MULTI"}, {"IC": "M8"}, {"IC": "CD"}):
        prepared = prepare_image(NitfImage(pixels=image, fields={"NPPBH": "64", "NPPBV": "64", **fields}))
        out = io.BytesIO(b"x" * 100)
        out.seek(100)
        written = prepared[0].write(out)

        alone = io.BytesIO()
        prepared[0].write(alone)
        assert out.tell() == 100 + written.length
        assert out.getvalue() == b"x" * 100 + alone.getvalue()


def test_usual_blocks_are_the_providers_or_1024():
    def blocks(provider: Any, **fields: str) -> tuple[str, str]:
        found = prepare_image(NitfImage(pixels=provider, fields=fields))[0].fields
        return found["NPPBV"], found["NPPBH"]

    assert blocks(Lazy((3000, 4000), (256, 512))) == ("0256", "0512")
    assert blocks(Lazy((3000, 4000), (1, 4000))) == ("1024", "1024")
    assert blocks(Lazy((3000, 4000), (500, 500)), IC="C8") == ("1024", "1024")
    assert blocks(Lazy((700, 4000), (64, 64))) == ("0700", "1024")


def test_a_provider_of_bits_is_written_as_bits():
    pixels = np.random.default_rng(0).random((1, 40, 64)) > 0.5
    out = io.BytesIO()
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(pixels), fields={})
    write_nitf(out, NitfFile(images=(image,)))

    for reader in ("gdal", "blocks", "jbpy"):
        np.testing.assert_array_equal(READERS[reader](out.getvalue(), fill=0), pixels)
