"""Blocks of differences give the pixels of any part, however often they are asked, and by whom."""

from __future__ import annotations

import threading
import zlib
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from decode_cases import codec_of
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks import differences
from stacchip_osml.imagery.blocks.arena import Arena
from stacchip_osml.imagery.blocks.decode import Scratch, decode_differences, decode_sums
from stacchip_osml.imagery.blocks.differences import ENOUGH, has_differences
from stacchip_osml.imagery.blocks.layout import BlockCodec

ROWS, COLS = 160, 96
PACKERS = {"deflate": zlib.compress, "zstd": imagecodecs.zstd_encode, "lzma": imagecodecs.lzma_encode}
sides = st.integers(1, 24)


def stored_block(
    shape: tuple[int, int, int], stored: str = "<u2", *, compression: str = "deflate", seed: int = 0
) -> tuple[BlockCodec, bytes, np.ndarray]:
    """Give a codec, a stream, and its pixels ``(samples, rows, cols)``: differences by numpy's own arithmetic."""
    kind = np.dtype(stored)
    octets = np.random.default_rng(seed).integers(0, 256, (*shape, kind.itemsize), np.uint8)
    if kind.kind == "f":
        octets &= 0x3F  # numbers, not NaN
    pixels = octets.view(kind.newbyteorder("="))[..., 0]
    whole = pixels.view(f"u{kind.itemsize}").transpose(1, 2, 0)
    steps = np.diff(whole, axis=1, prepend=np.zeros_like(whole[:, :1]))
    data = PACKERS[compression](steps.astype(steps.dtype.newbyteorder(kind.byteorder)).tobytes())
    codec = codec_of(compression, kind.newbyteorder("=").name, stored=stored, samples=shape[0], predictor=2)
    assert has_differences(codec)
    return codec, data, pixels


@given(
    shape=st.tuples(st.integers(1, 4), sides, sides),
    stored=st.sampled_from(["u1", "i1", "<u2", ">u2", ">i2", "<i4", ">u4", "<u8", "<f4", ">f8"]),
    compression=st.sampled_from(sorted(PACKERS)),
    share=st.floats(0, 1),
    data=st.data(),
)
def test_any_rectangles_are_what_was_stored(shape, stored, compression, share, data):
    codec, octets, pixels = stored_block(shape, stored, compression=compression)
    rows, cols = max(1, round(shape[1] * share)), shape[2]
    scratch = Scratch()

    block = decode_differences(codec, octets, shape=shape[1:], rows=rows, scratch=scratch, arena=Arena())

    assert block.shape == (shape[0], rows, cols)
    assert block.nbytes == pixels[:, :rows].nbytes
    for _ in range(data.draw(st.integers(1, 5))):
        top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
        down = slice(top, data.draw(st.integers(top + 1, rows)))
        across = slice(left, data.draw(st.integers(left + 1, cols)))
        part = block.cut(down, across, scratch)
        assert part.dtype == pixels.dtype
        np.testing.assert_array_equal(part, pixels[:, down, across])
        once = decode_sums(codec, octets, shape=shape[1:], rows=down.stop, scratch=scratch, first=top, cols=across.stop)
        assert once.dtype == pixels.dtype
        np.testing.assert_array_equal(once, pixels[:, down, : across.stop])
    whole = decode_sums(codec, octets, shape=shape[1:], rows=rows, scratch=scratch)
    np.testing.assert_array_equal(whole, pixels[:, :rows])


def test_a_kept_block_stays_what_it_is_when_its_thread_decodes_others():
    scratch, arena = Scratch(), Arena()
    several = [stored_block((3, ROWS, COLS), seed=seed) for seed in range(6)]
    kept = [
        decode_differences(codec, data, shape=(ROWS, COLS), rows=rows, scratch=scratch, arena=arena)
        for (codec, data, _), rows in zip(several, (ROWS, 20, 150, 60, 100, ROWS), strict=True)
    ]

    for block, (_, _, pixels) in zip(kept, several, strict=True):
        np.testing.assert_array_equal(block.cut(slice(3, 20), slice(5, 90), scratch), pixels[:, 3:20, 5:90])


def test_a_block_asked_for_again_and_again_is_added_up_whole_once(monkeypatch):
    codec, data, pixels = stored_block((3, ROWS, COLS))
    added = []
    real = differences.add_up

    def noted(steps, out, scratch):
        added.append(steps.shape[0] * steps.shape[1])
        real(steps, out, scratch)

    monkeypatch.setattr(differences, "add_up", noted)
    scratch = Scratch()
    block = decode_differences(codec, data, shape=(ROWS, COLS), rows=ROWS, scratch=scratch, arena=Arena())
    first = block.cut(slice(10, 20), slice(30, 40), scratch)
    assert first.shape == (3, 10, 10)
    assert added == [10 * 40]
    for number in range(60):
        top = number % 8 * 20
        np.testing.assert_array_equal(
            block.cut(slice(top, top + 20), slice(8, COLS), scratch), pixels[:, top : top + 20, 8:]
        )

    assert added[-1] == ROWS * COLS
    assert sum(added) < (1 + ENOUGH) * ROWS * COLS
    with pytest.raises(ValueError, match="read-only"):
        block.cut(slice(0, 1), slice(0, 1), scratch)[...] = 0


def test_threads_that_ask_for_one_block_at_once_get_theirs():
    codec, data, pixels = stored_block((3, ROWS, COLS))
    wrong = []
    for _ in range(20):
        block = decode_differences(codec, data, shape=(ROWS, COLS), rows=ROWS, scratch=Scratch(), arena=Arena())
        start = threading.Barrier(6)

        def work(seed, block=block, start=start):
            scratch = Scratch()
            start.wait()
            for top in np.random.default_rng(seed).permutation(ROWS - 40).tolist()[:12]:
                rows, cols = slice(top, top + 40), slice(top % 50, COLS)
                if not np.array_equal(block.cut(rows, cols, scratch), pixels[:, rows, cols]):
                    wrong.append(top)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    "change",
    [
        {"predictor": 1},
        {"predictor": 3},
        {"compression": "none"},
        {"compression": "jpeg"},
        {"order": "band"},
        {"lsb_first": True},
        {"dtype": "float32"},
        {"invert": True},
        {"bits": 12},
        {"pairs": True},
    ],
    ids=str,
)
def test_blocks_that_need_another_step_are_not_kept_as_differences(change):
    codec, _, _ = stored_block((2, 4, 4))

    assert not has_differences(replace(codec, **change))


@pytest.mark.parametrize("rows", [20, ROWS])
def test_damage_is_told_when_a_block_is_decoded(rows):
    codec, data, _ = stored_block((3, ROWS, COLS))

    with pytest.raises(DecodeError, match="deflate"):
        decode_differences(
            codec, data[:40] + b"\xff" * 9, shape=(ROWS, COLS), rows=rows, scratch=Scratch(), arena=Arena()
        )
    with pytest.raises(DecodeError, match="deflate"):
        decode_sums(codec, data[:40] + b"\xff" * 9, shape=(ROWS, COLS), rows=rows, scratch=Scratch())


def test_more_rows_than_a_block_has_are_refused():
    codec, data, _ = stored_block((3, 4, 4))

    with pytest.raises(DecodeError, match="5 rows of a block of 4 x 4"):
        decode_differences(codec, data, shape=(4, 4), rows=5, scratch=Scratch(), arena=Arena())
    with pytest.raises(DecodeError, match="5 rows of a block of 4 x 4"):
        decode_sums(codec, data, shape=(4, 4), rows=5, scratch=Scratch())
