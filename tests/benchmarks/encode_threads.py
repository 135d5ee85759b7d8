"""What threads gain when images and chips are written: two and eight against one.

Large images are written block by block, by threads of the writer (``workers``). ``Chipper.encoded`` cuts chips out of
the COGs that the benchmark of ``create_chip`` reads, at random, and writes them by threads of its own. The others are
threads of a caller that stay from round to round, as those of a server do, and take small images and chips one after
the other, whole files each; chips of ``create_chip`` are read, too, out of the same COGs, by one factory for all
threads. Files are let go as they come, but have to be the same by any number of threads: the writes that warm up are
compared. What one thread does
in less than ``SPAN`` seconds is done over and over. Rows are told as they come; what takes long is smaller, as the
table says. On a busy machine wall time says little: the column ``cores`` tells how many cores the threads got beside
how many one thread got. Two rows say what the machine gives at best: hashing, which needs nothing but cores, and
copying, which needs memory.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.encode import Chip, ChipFactory, encode_chip, imsave
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.benchmarks.create_chip import make_scene
from tests.benchmarks.encode import CHIP, SCENE, countryside, cut_chips
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Samples, Side, alternate, timed

__all__ = ["CHIP_FORMATS", "IMAGES", "Image", "run"]

SIDE, SMALL_SIDE, SLOW_SIDE, QUICK_SIDE = 4096, 1024, 2048, 256
CHIPS, SLOW_CHIPS, QUICK_CHIPS = 128, 16, 4
IMAGES_TOGETHER = 8
THREADS = (1, 2, 8)
TARGET = 1.7
SPAN = 0.3
"""Seconds that one thread works, at least: the time of shorter work is that of its beginning and its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One kind of large file."""

    name: str
    format: str
    dtype: str = "uint16"
    side: int = SIDE
    """Pixels, where one image is written."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of ``imsave``."""


IMAGES = (
    Image(name="GeoTIFF deflate", format="tiff"),
    Image(name="GeoTIFF zstd", format="tiff", side=SLOW_SIDE, options={"compression": "zstd"}),
    Image(name="NITF NC", format="nitf", options={"compression": "none"}),
    Image(name="NITF C8", format="nitf", side=SLOW_SIDE),
    Image(name="NITF CD", format="nitf", options={"compression": "htj2k"}),
    Image(name="NITF C3", format="nitf", dtype="uint8", options={"compression": "jpeg"}),
    Image(name="JPEG 2000", format="jp2", side=SLOW_SIDE),
    Image(name="JPEG", format="jpeg", dtype="uint8"),
    Image(name="PNG", format="png", dtype="uint8"),
)
"""A file is a row."""

CHIP_FORMATS = {
    "png": ("uint8", CHIPS),
    "jpeg": ("uint8", CHIPS),
    "geotiff": ("uint16", CHIPS),
    "nitf": ("uint16", CHIPS),
    "jp2": ("uint16", SLOW_CHIPS),
    "jph": ("uint16", CHIPS),
}
"""Format of chips → their dtype, and how many are written."""
FDT = "20260321101112"
"""The date that NITF files get, so that they are the same each time."""

Take = Callable[[int, bytes | None], None]
"""Takes a file by its number."""
Write = Callable[[int, Take], None]
"""Does a row's work by so many threads, and gives the files away."""


class _Pools:
    """Pools of threads that stay."""

    def __init__(self) -> None:
        self._pools = {threads: ThreadPoolExecutor(threads) for threads in THREADS}

    def each(self, work: Callable[[Any], bytes | None], items: Sequence[Any], threads: int, take: Take) -> None:
        """Do the work on all items; every thread takes the next one as long as there are any."""
        waiting = iter(enumerate(items))

        def one(_: int) -> None:
            for number, item in waiting:
                take(number, work(item))

        if threads == 1:
            one(0)
        else:
            list(self._pools[threads].map(one, range(threads)))


def run(options: Options) -> list[Report]:
    """Write the same by one, two and eight threads, in turns."""
    rounds, quick = options.rounds or (1 if options.quick else 5), options.quick
    rows: list[dict[str, Any]] = []
    targets: list[Target] = []
    best = 1.0
    for kind, name, size, write in _rows(options, _Pools()):
        found, repeats = _timed(write, rounds, span=0 if quick else SPAN)
        if name == "hashing":
            best = found[8].times_faster(found[1])
        rows.append(_row(kind, name, size, found, repeats, best))
        if kind != "machine":
            targets += _targets(f"{kind}, {name}", found)
    notes = [
        f"Three bands. Medians of {rounds} rounds, in turns; in memory; {len(os.sched_getaffinity(0))} cores.",
        "times faster: the median of what rounds gain, whose sides stand together; a machine's speed changes.",
        "cores: CPU seconds by wall seconds. Where one thread got less than 0.9, the machine was busy.",
    ]
    return [
        Report(title="encode_threads: wall seconds", rows=rows, notes=notes),
        report_targets("encode_threads: targets", targets),
    ]


def _rows(options: Options, pools: _Pools) -> Iterator[tuple[str, str, str, Write]]:
    """Give kind, name, size and work of each row."""
    quick = options.quick
    data = [np.random.default_rng(seed).integers(0, 256, 1 << 21, np.uint8) for seed in range(16)]
    copies = [np.empty_like(each) for each in data]
    yield "machine", "hashing", "16 of 2 MB", partial(pools.each, _hash, data)
    yield "machine", "copying", "16 of 2 MB", partial(pools.each, _copy, [*zip(copies, data, strict=True)])
    for image in IMAGES:
        side = QUICK_SIDE if quick else image.side
        pixels = _pixels(image.dtype, side)
        yield "image", image.name, f"{side} x {side}", partial(_image, image, pixels)
    side = QUICK_SIDE * 2 if quick else SIDE
    for name, (dtype, many) in CHIP_FORMATS.items():
        count = QUICK_CHIPS if quick else 4 * many
        index = Indexer(str(make_scene(options.folder, side, dtype)), CHIP, stride=CHIP // 2).create_index()
        order = np.random.default_rng(0).permutation(len(index))[:count]
        yield "encoded", name, f"{len(order)} of {CHIP} x {CHIP}", partial(_encoded, name, index, order)
    side = QUICK_SIDE if quick else SMALL_SIDE
    for image in IMAGES:
        several = [_pixels(image.dtype, side)] * IMAGES_TOGETHER
        work = partial(pools.each, partial(_one_image, image, 1), several)
        yield "images", image.name, f"{IMAGES_TOGETHER} of {side} x {side}", work
    for name, (dtype, many) in CHIP_FORMATS.items():
        chips = cut_chips(dtype, QUICK_CHIPS if quick else many)
        work = partial(pools.each, partial(_one_chip, name), chips)
        yield "chips", name, f"{len(chips)} of {CHIP} x {CHIP}", work
    side = QUICK_SIDE * 2 if quick else SIDE
    for name, (dtype, many) in CHIP_FORMATS.items():
        count = QUICK_CHIPS if quick else many
        scene = make_scene(options.folder, side, dtype)
        places = np.random.default_rng(0).integers(0, side - CHIP, (count, 2)).tolist()
        yield "create_chip", name, f"{count} of {CHIP} x {CHIP}", partial(_created, name, scene, places, pools)


def _timed(write: Write, rounds: int, *, span: float) -> tuple[dict[int, Samples], int]:
    """Time one row by all numbers of threads, and say how often the work was done each time."""
    begun = time.perf_counter()
    first = _files(write, THREADS[0])
    repeats = max(round(span / (time.perf_counter() - begun)), 1)
    if any(_files(write, threads) != first for threads in THREADS[1:]):
        raise AssertionError("other bytes by other threads")

    def side(threads: int) -> Side:
        return timed(lambda: [write(threads, _let_go) for _ in range(repeats)])

    found = alternate({str(threads): side(threads) for threads in THREADS}, rounds=rounds, warmup=0)
    return {threads: found[str(threads)] for threads in THREADS}, repeats


def _row(kind: str, name: str, size: str, found: Mapping[int, Samples], repeats: int, best: float) -> dict[str, Any]:
    """Tell what was found; ``best`` is what eight threads gain at hashing."""
    one, two, eight = (found[threads] for threads in THREADS)
    row = {
        "what": f"{kind}, {name}",
        "pixels": size,
        "1 thread, s": one.median / repeats,
        "CPU s": one.median_cpu / repeats,
        "2 threads, times faster": two.times_faster(one),
        "8 threads, times faster": eight.times_faster(one),
        "of hashing's gain": eight.times_faster(one) / best,
        "cores, 1": one.median_cpu / one.median,
        "cores, 8": eight.median_cpu / eight.median,
        "CPU, 8 by 1": eight.median_cpu / one.median_cpu,
    }
    sys.stderr.write(
        f"{kind}, {name}, {size}: {row['1 thread, s']:.3g} s, {row['2 threads, times faster']:.2f} and "
        f"{row['8 threads, times faster']:.2f} times faster\n"
    )
    sys.stderr.flush()
    return row


def _targets(case: str, found: Mapping[int, Samples]) -> list[Target]:
    """Compare with what was to be reached."""
    one, two, eight = (found[threads] for threads in THREADS)
    return [
        Target(what=what, case=case, target=TARGET, reached=many.times_faster(one))
        for what, many in (("one thread to two", two), ("eight threads on two cores", eight))
    ]


def _pixels(dtype: str, side: int) -> NDArray[Any]:
    """Lay a piece of countryside side by side."""
    piece = min(side, SCENE)
    return np.tile(countryside(dtype)[:, :piece, :piece], (1, side // piece, side // piece))


def _files(write: Write, threads: int) -> dict[int, bytes | None]:
    """Do a row's work once, and keep the files."""
    found: dict[int, bytes | None] = {}
    write(threads, found.__setitem__)
    return found


def _let_go(number: int, file: bytes | None) -> None:
    """Keep nothing."""


def _hash(data: NDArray[Any]) -> bytes:
    return hashlib.sha256(data).digest()


def _copy(pair: tuple[NDArray[Any], NDArray[Any]]) -> None:
    np.copyto(*pair)


def _one_image(image: Image, threads: int, pixels: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    metadata = {"FDT": FDT} if image.format == "nitf" else None
    imsave(out, pixels, format=image.format, workers=threads, metadata=metadata, **image.options)
    return out.getvalue()


def _image(image: Image, pixels: NDArray[Any], threads: int, take: Take) -> None:
    take(0, _one_image(image, threads, pixels))


def _one_chip(name: str, chip: Chip) -> bytes:
    return encode_chip(chip, name, overrides=_overrides(name))


def _encoded(name: str, index: ChipIndex, order: NDArray[np.int64], threads: int, take: Take) -> None:
    """Cut and write chips of an index; nothing is kept of an earlier round."""
    files = Chipper(index, threads=threads).encoded(order, format=name, metadata_overrides=_overrides(name))
    for number, file in enumerate(files):
        take(number, file.data)


def _created(name: str, scene: Path, places: Sequence[Sequence[int]], pools: _Pools, threads: int, take: Take) -> None:
    """Cut and write chips at random places; nothing is kept of an earlier round."""
    factory = ChipFactory(BlockImage(str(scene)), output_format=name, metadata_overrides=_overrides(name), threads=1)
    pools.each(lambda place: factory.create_chip((*place, CHIP, CHIP)), places, threads, take)


def _overrides(name: str) -> dict[str, str] | None:
    return {"FDT": FDT} if name == "nitf" else None
