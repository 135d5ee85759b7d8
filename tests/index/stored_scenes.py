"""Headers and layouts as parsers give them, and indexes that hold them."""

from dataclasses import replace

import numpy as np

from stacchip_osml import ChipIndex
from stacchip_osml.imagery.blocks.layout import BlockCodec, ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.header import BandHeader, GroundControlPoint, ImageHeader
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.index.tables import SideTables
from stacchip_osml.pixel import ImageSize

CODEC = BlockCodec(compression="deflate", dtype="uint16", stored="<u2", bits=16, samples=1, predictor=2)
HEADER = ImageHeader(
    driver="GTiff",
    levels=(ImageSize(1000, 800), ImageSize(500, 400)),
    bands=(BandHeader(dtype="uint16", nodata=0.0, color="gray"),),
    block_shape=(256, 256),
    transform=(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0),
    crs="EPSG:32632",
    mask="nodata",
    compression="DEFLATE",
    interleave="BAND",
    size_bytes=10_000_000,
    modified_ns=1_700_000_000_123_456_789,
)
FULL = replace(
    HEADER,
    bands=(
        BandHeader(dtype="float32", nodata=float("nan"), scale=1e-4, offset=-0.1, description="rouge", color="red"),
        BandHeader(dtype="float32", nodata=float("-inf"), description="vert"),
        BandHeader(dtype="float32", color="alpha"),
    ),
    gcps=(GroundControlPoint(row=0.5, col=1.5, x=9.1, y=45.2, z=-3.0),),
    gcps_crs="EPSG:4326",
    rpcs=(("LINE_OFF", "15834"), ("ERR_BIAS", "")),
    area_or_point="Point",
    acquired="2025:05:01 10:00:00",
    transform=None,
)


def level_of(size, *, codec=CODEC, planes=1, start=4096, seed=0):
    rows, cols = -(-size.height // 256), -(-size.width // 256)
    counts = np.random.default_rng(seed).integers(20_000, 60_000, (1, planes, rows, cols))
    offsets = start + np.cumsum(counts + 8).reshape(counts.shape) - counts
    return LevelLayout(
        size=size,
        block_shape=(256, 256),
        short_edge=False,
        codec=codec,
        offsets=offsets,
        counts=counts.astype(np.int64),
    )


def layout_of(header=HEADER, *, seed=0):
    codec = replace(CODEC, dtype=header.bands[0].dtype, predictor=1)
    planes = len(header.bands)
    levels = [level_of(size, codec=codec, planes=planes, seed=seed) for size in header.levels]
    return ImageLayout(levels=tuple(levels))


def stored_of(*, seed=0, header=HEADER, **version):
    made = StoredHeader.of(header, layout_of(header, seed=seed), fingerprint="f" * 32)
    return replace(made, **version)


def with_stored(index, stored):
    """Give an index with stored headers: a function of the key, or one for all."""
    headers = {
        key: replace(header, stored=stored(key) if callable(stored) else stored)
        for key, header in index.tables.headers.items()
    }
    return ChipIndex.from_table(index.to_arrow(), SideTables(index.tables.items, headers, index.tables.chains))


def require_same_layout(one, two):
    assert len(one.levels) == len(two.levels)
    for a, b in zip(one.levels, two.levels, strict=True):
        if isinstance(a, Unserved):
            assert a == b
            continue
        assert (a.size, a.block_shape, a.short_edge, a.codec) == (b.size, b.block_shape, b.short_edge, b.codec)
        np.testing.assert_array_equal(a.counts, b.counts)
        np.testing.assert_array_equal(np.where(a.counts, a.offsets, 0), np.where(b.counts, b.offsets, 0))
        assert (a.mask is None) == (b.mask is None)
        if a.mask is not None:
            require_same_layout(ImageLayout(levels=(a.mask,)), ImageLayout(levels=(b.mask,)))
