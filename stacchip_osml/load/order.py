"""In which order an epoch visits its rows: a pure function of a seed and the number of the epoch.

Rules: random numbers are raw words of a counter-based generator, and rows are
sorted by integers made of them, so that every platform and every version of
numpy gives the same order. Nothing here knows of ranks, workers or files.

The block-coherent shuffle puts the stored blocks into random order and moves
every row from its block's place by up to half a window, in either direction.
That is a shuffle buffer of ``window`` blocks, without a beginning and an end
that are shuffled less: at any time the rows of at most ``window`` blocks have
begun and not ended.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import WindowError
from stacchip_osml.pixel.arguments import one_of
from stacchip_osml.pixel.counts import whole_number

__all__ = ["SHUFFLES", "block_decodes", "draw_rows", "epoch_order", "mixing", "random_words", "spare_draws"]

SHUFFLES = ("none", "rows", "blocks")
"""Orders: as they come; every permutation as likely; block by block, mixed within a window."""
MOST = 2**31
"""Blocks of a window, lanes, rows of a chunk."""
MOST_ROWS = 2**48
SEEDS = 2**127
"""Seeds lie above its negative."""
_FRACTION = 32
"""Bits of a block's place that lie below one block."""


def random_words(count: int, *, seed: int, epoch: int, purpose: str) -> NDArray[np.uint64]:
    """Draw 64-bit words that depend on the arguments alone.

    Args:
        count: how many; a longer draw begins with the shorter one.
        seed: any integer.
        epoch: any integer.
        purpose: keeps draws for different ends apart.
    """
    seed, epoch = whole_number("seed", seed, least=-SEEDS), whole_number("epoch", epoch, least=-SEEDS)
    key = hashlib.blake2b(f"{purpose}:{seed}:{epoch}".encode(), digest_size=16).digest()
    # The raw stream of a bit generator is fixed for good; the distributions drawn from it are not.
    return np.random.Philox(key=int.from_bytes(key, "little")).random_raw(count)


def epoch_order(
    rows: int | NDArray[np.integer],
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: str = "blocks",
    window: int = 256,
    lanes: int = 1,
    chunk: int = 1,
) -> NDArray[np.int64]:
    """Put the rows of one epoch into order.

    Args:
        rows: how many rows; or the block of each row, which ``blocks`` needs.
        seed: which of all shuffles.
        epoch: number of the epoch; each has another order.
        shuffle: ``none``, ``rows`` or ``blocks``.
        window: blocks whose rows are mixed; the more, the better mixed, and the more decoded blocks are held.
        lanes: parts of the epoch that share no block (but the one at a border); chunk ``j`` is of lane ``j % lanes``,
            so that workers that take every ``n``-th chunk, ``n`` a divisor of ``lanes``, decode no block twice.
        chunk: rows taken from a lane at a time: the batch size.

    Returns:
        ``(rows,)``, a permutation.

    Raises:
        WindowError: an argument that is not what its name says.
    """
    one_of("shuffle", shuffle, SHUFFLES)
    window, lanes, chunk = (
        whole_number(name, value, least=1, most=MOST)
        for name, value in (("window", window), ("lanes", lanes), ("chunk", chunk))
    )
    blocks = None if np.ndim(rows) == 0 else np.asarray(rows)
    count = whole_number("rows", rows, least=0, most=MOST_ROWS) if blocks is None else len(blocks)
    if shuffle == "none" or count == 0:
        return np.arange(count, dtype=np.int64)
    if shuffle == "rows":
        return np.argsort(random_words(count, seed=seed, epoch=epoch, purpose="rows"), kind="stable")
    if blocks is None:
        raise WindowError("shuffle 'blocks' needs to know the block of each row")
    codes, rank = _block_ranks(blocks, seed=seed, epoch=epoch)
    places = rank[codes]
    arranged = np.argsort(places, kind="stable")
    words = random_words(count, seed=seed, epoch=epoch, purpose="mix")
    ends = np.cumsum(_lane_lengths(count, lanes, chunk))
    mixed = [
        lane[_mix(places[lane] - places[lane[0]], words[lane], window)]
        for lane in np.split(arranged, ends[:-1])
        if len(lane)
    ]
    return _interleave(mixed, chunk)


def draw_rows(weights: NDArray[np.floating], count: int, *, seed: int = 0, epoch: int = 0) -> NDArray[np.int64]:
    """Draw rows with replacement, each as often as its weight says, in ascending draw order.

    Args:
        weights: one a row, 0 or more.
        count: how many rows.
        seed: which of all draws.
        epoch: number of the epoch; each has another draw.

    Raises:
        WindowError: a negative or infinite weight, or none above 0.
    """
    shares = np.asarray(weights, np.float64)
    if shares.ndim != 1 or not np.isfinite(shares).all() or (shares < 0).any() or not shares.any():
        raise WindowError("weights must be one number a row, finite, 0 or more, and not all of them 0")
    limits = np.cumsum(shares)
    words = random_words(count, seed=seed, epoch=epoch, purpose="draw")
    points = (words >> np.uint64(11)).astype(np.float64) * (limits[-1] * 2.0**-53)
    # Rounding can lift a point onto the last limit; the last row that has a weight takes it.
    last = int(np.flatnonzero(shares)[-1])
    return np.asarray(np.minimum(np.searchsorted(limits, points, side="right"), last), np.int64)


def spare_draws(
    places: NDArray[np.integer], tries: int, count: int, *, seed: int = 0, epoch: int = 0
) -> NDArray[np.int64]:
    """Draw numbers below ``count`` for places of an epoch; a place's numbers do not depend on the other places.

    Returns:
        ``(places, tries)``.
    """
    (salt,) = random_words(1, seed=seed, epoch=epoch, purpose="spare")
    word = np.asarray(places, np.uint64)[:, None] * np.uint64(tries) + np.arange(tries, dtype=np.uint64)
    # The finalizer of SplitMix64 (Steele, Lea, Flood 2014) on a Weyl sequence.
    word = salt + word * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((word ^ (word >> np.uint64(31))) % np.uint64(count), np.int64)


def mixing(order: NDArray[np.integer], blocks: NDArray[np.integer], batch_size: int) -> float:
    """Count the pairs of rows in a batch that share a block: the mean over the epoch's full batches.

    The fewer, the closer the batch is to an independent sample; a global shuffle is the measure.

    Args:
        order: rows of an epoch.
        blocks: the block of each row.
        batch_size: rows in a batch.
    """
    order, blocks = _order_and_blocks(order, blocks)
    full = len(order) // whole_number("batch_size", batch_size, least=1)
    if full == 0:
        return 0.0
    _, codes = np.unique(blocks, return_inverse=True)
    seen = codes[order[: full * batch_size]]
    keys = np.repeat(np.arange(full), batch_size) * (int(codes.max()) + 1) + seen
    _, counts = np.unique(keys, return_counts=True)
    return float((counts * (counts - 1) // 2).sum() / full)


def block_decodes(order: NDArray[np.integer], blocks: NDArray[np.integer], *, held: int, batch_size: int) -> float:
    """Count how often a block is decoded in an epoch, on average, where the last ``held`` blocks used are kept.

    Args:
        order: rows of an epoch.
        blocks: the block of each row.
        held: decoded blocks that fit the memory.
        batch_size: rows read at once; a batch decodes a block once, whatever is held.
    """
    held, batch_size = whole_number("held", held, least=0), whole_number("batch_size", batch_size, least=1)
    order, blocks = _order_and_blocks(order, blocks)
    seen = blocks[order]
    kept: OrderedDict[int, None] = OrderedDict()
    decodes = 0
    for first in range(0, len(seen), batch_size):
        here = np.unique(seen[first : first + batch_size]).tolist()
        decodes += sum(block not in kept for block in here)
        for block in here:
            kept[block] = None
            kept.move_to_end(block)
        while len(kept) > held:
            kept.popitem(last=False)
    return decodes / max(len(np.unique(seen)), 1)


def _order_and_blocks(order: ArrayLike, blocks: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take an order of rows, and their blocks, as a caller has them."""
    numbers, names = np.asarray(order), np.asarray(blocks)
    for name, found in (("order", numbers), ("blocks", names)):
        if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
            raise WindowError(f"{name} must be whole numbers, (rows,); got {found.dtype} {found.shape}")
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise WindowError(f"order must be of rows that blocks have one number each for, which are {len(names)}")
    return numbers.astype(np.int64, copy=False), names.astype(np.int64, copy=False)


def _block_ranks(blocks: NDArray[np.integer], *, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the blocks, and give each number a place in random order."""
    names, codes = np.unique(blocks, return_inverse=True)
    shuffled = np.argsort(random_words(len(names), seed=seed, epoch=epoch, purpose="blocks"), kind="stable")
    rank = np.empty(len(names), np.int64)
    rank[shuffled] = np.arange(len(names))
    return codes, rank


def _lane_lengths(count: int, lanes: int, chunk: int) -> NDArray[np.int64]:
    """Give each lane its rows: whole chunks in turn, the last of which may be short."""
    chunks = -(-count // chunk)
    lengths = (chunks - np.arange(lanes) + lanes - 1) // lanes * chunk
    lengths[(chunks - 1) % lanes] -= chunks * chunk - count
    return np.maximum(lengths, 0)


def _mix(places: NDArray[np.int64], words: NDArray[np.uint64], window: int) -> NDArray[np.int64]:
    """Sort rows, given by the places of their blocks in ascending order from 0, as the shuffle buffer lets them out."""
    blocks = int(places[-1]) + 1
    if window >= blocks:
        return np.argsort(words, kind="stable")
    span = blocks << _FRACTION
    moved = ((words >> np.uint64(64 - _FRACTION)) * np.uint64(window)).astype(np.int64)
    key = (places << _FRACTION) + (1 << (_FRACTION - 1)) + moved - (window << (_FRACTION - 1))
    # What would leave at an end is reflected, so that rows lie as dense there as in the middle.
    key = np.where(key < 0, -1 - key, key)
    key = np.where(key >= span, 2 * span - 1 - key, key)
    return np.argsort(key, kind="stable")


def _interleave(lanes: list[NDArray[np.int64]], chunk: int) -> NDArray[np.int64]:
    if len(lanes) == 1:
        return lanes[0]
    rounds = np.concatenate([np.arange(len(lane)) // chunk for lane in lanes])
    number = np.concatenate([np.full(len(lane), place) for place, lane in enumerate(lanes)])
    return np.concatenate(lanes)[np.lexsort((number, rounds))]
