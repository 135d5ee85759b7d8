"""Pairs of chips by place and time: what comparing every row with every other finds, and no more."""

import datetime as dt
import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import SettingError
from stacchip_osml.index import merged, pair_chips, pairing, parquet
from stacchip_osml.index.merged import MergedStore
from stacchip_osml.index.schema import CHIP_SCHEMA
from stacchip_osml.index.tables import SideTables

DAY = dt.timedelta(days=1)
SIDES = ("xmin", "ymin", "xmax", "ymax")
START = dt.datetime(2025, 5, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Chip:
    """A chip of whole degrees and days; west of east it crosses ±180°."""

    box: tuple[int, int, int, int] | None
    days: tuple[int, int] | None

    @property
    def boxes(self):
        if self.box is None:
            return []
        west, south, east, north = self.box
        return [self.box] if west < east else [(west, south, 180, north), (-180, south, east, north)]

    def area(self):
        return sum(area(*box) for box in self.boxes)

    def common(self, other):
        met = (
            (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
            for a, b in itertools.product(self.boxes, other.boxes)
        )
        return sum(area(*box) for box in met if box[0] < box[2] and box[1] < box[3])

    def offset(self, other):
        if self.days is None or other.days is None:
            return None
        return max(other.days[0] - self.days[1], 0) - max(self.days[0] - other.days[1], 0)


def area(west, south, east, north):
    """The area of a box on the sphere, but for a factor."""
    return (east - west) * (np.sin(np.radians(north)) - np.sin(np.radians(south)))


def table_of(chips, name):
    """Give rows of chips; what is of no matter here is the same in all."""
    rows = []
    for number, chip in enumerate(chips):
        shape = shapely.union_all([shapely.box(*box) for box in chip.boxes]) if chip.boxes else None
        days = (None, None) if chip.days is None else tuple(START + day * DAY for day in chip.days)
        moment = days[0] == days[1]
        rows.append(
            {field.name: "" if field.type == pa.string() or field.name in ("item_id", "chain") else None
             for field in CHIP_SCHEMA} | {
                "id": f"{name}{number}", "item_id": name, "assets": "a", "reference": "a", "chain": "raw",
                "datetime": days[0], "start_datetime": None if moment else days[0],
                "end_datetime": None if moment else days[1],
                **dict.fromkeys(("grid_col", "grid_row", "col_off", "row_off", "level"), 0), "width": 1, "height": 1,
                "geometry": None if shape is None else shapely.to_wkb(shape),
                "bbox": None if shape is None else dict(zip(SIDES, shape.bounds, strict=True)),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, CHIP_SCHEMA)


def index_of(chips, name):
    return ChipIndex.from_table(table_of(chips, name), SideTables())


def brute_force(one, other, *, overlap, of, within):
    """Compare every chip with every other: {(row, row): (share, days or None)}."""
    found = {}
    for (i, a), (j, b) in itertools.product(enumerate(one), enumerate(other)):
        common = a.common(b)
        if not common:
            continue
        base = {"one": a.area(), "other": b.area()}
        base |= {"smaller": min(base.values()), "union": a.area() + b.area() - common}
        share, offset = common / base[of], a.offset(b)
        if share >= overlap - 1e-9 and (within is None or (offset is not None and abs(offset) <= within)):
            found[i, j] = share, offset
    return found


def best(found, keep):
    """Of each row of the first the one pair that ``keep`` means."""
    chosen = {}
    for (i, j), (share, offset) in found.items():
        away = np.inf if offset is None else abs(offset)
        rank = (away, -round(share, 9)) if keep == "nearest" else (-round(share, 9), away)
        chosen[i] = min(chosen.get(i, ((np.inf, np.inf), 0)), (rank, j))
    return {(i, j) for i, (_, j) in chosen.items()}


sides = st.tuples(st.integers(-180, 180), st.integers(-89, 88), st.integers(-180, 180), st.integers(1, 20)).filter(
    lambda box: box[0] != box[2] and box[0] != 180 and box[2] != -180
)
near = st.tuples(st.integers(0, 6), st.integers(40, 44), st.integers(1, 4), st.integers(1, 4))
boxes = st.one_of(
    sides.map(lambda s: (s[0], s[1], s[2], min(s[1] + s[3], 89))),
    near.map(lambda s: (s[0], s[1], s[0] + s[2], s[1] + s[3])),
    near.map(lambda s: (177 + s[0] % 3, s[1], -180 + s[2], s[1] + s[3])),
    st.none(),
)
days = st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(0, 3)).map(lambda s: (s[0], s[0] + s[1])))
chip_lists = st.lists(st.builds(Chip, boxes, days), max_size=12)


@settings(max_examples=200)
@given(
    chip_lists,
    chip_lists,
    st.sampled_from([0, 0.25, 0.5, 1]),
    st.sampled_from(list(pairing.SHARES)),
    st.sampled_from([None, 0, 2]),
    st.sampled_from([1, 3, 100]),
)
def test_pairs_are_those_that_comparing_every_row_with_every_other_finds(one, other, overlap, of, within, size):
    question = {"overlap": overlap, "of": of, "within": None if within is None else within * DAY}
    wanted = brute_force(one, other, overlap=overlap, of=of, within=within)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BLOCK", "ASKED", "MEASURED", "EXPANDED"):
            patch.setattr(pairing, name, size)
        indexes = index_of(one, "a"), index_of(other, "b")
        found = pair_chips(*indexes, **question)
        chosen = {keep: pair_chips(*indexes, **question, keep=keep) for keep in ("nearest", "largest")}

    assert list(map(tuple, found.rows.tolist())) == sorted(wanted)
    np.testing.assert_allclose(found.overlap, [wanted[pair][0] for pair in sorted(wanted)], atol=2e-9)
    offsets = [wanted[pair][1] for pair in sorted(wanted)]
    np.testing.assert_array_equal(found.offset_s, [np.nan if day is None else day * 86_400 for day in offsets])
    for keep, pairs in chosen.items():
        assert set(map(tuple, pairs.rows.tolist())) == best(wanted, keep)
        assert len(set(pairs.rows[:, 0].tolist())) == len(pairs)


@pytest.fixture(scope="module")
def sensors(make_item):
    """Two sensors of other sizes and dates over one ground, in two zones, one across ±180°."""
    optical, radar = [], []
    for day, (place, crs, x) in enumerate((("a", "EPSG:32632", 500_000), ("c", "EPSG:32601", 205_000))):
        for number in range(3):
            when = (START + (3 * number + day) * DAY).isoformat()
            facts = {"crs": crs, "size": (300, 300)}
            optical.append(make_item(f"{place}{number}", transform=(10, 0, x, 0, -10, 5e6), when=when, **facts))
            radar.append(make_item(f"{place}{number}", collection="radar", transform=(10, 0, x + 130, 0, -10, 5e6 - 90),
                                   when=(START + (3 * number + 1) * DAY).isoformat(), **facts))  # fmt: skip
    return Indexer(optical, 20).create_index(), Indexer(radar, 30).create_index()


@pytest.mark.parametrize("form", ["file", "directory", "merged"])
def test_pairs_of_stored_indexes_are_those_of_rows_in_memory(sensors, tmp_path, monkeypatch, form):
    question = {"overlap": 0.4, "within": 2 * DAY}
    wanted = pair_chips(*sensors, **question)
    assert len(wanted) > 1000
    monkeypatch.setattr(parquet, "ROW_GROUP", 64)
    monkeypatch.setattr(pairing, "BLOCK", 50)
    if form == "merged":
        monkeypatch.setattr(merged, "IN_MEMORY", 10)
        monkeypatch.setattr(merged, "GROUP", 70)
        halves = [[side.query(where=f"proj:code == 'EPSG:326{zone}'") for zone in ("32", "01")] for side in sensors]
        stored = [merge(*half) for half in halves]
        assert all(isinstance(side._store, MergedStore) for side in stored)
    else:
        names = (f"{side}{'.parquet' if form == 'file' else ''}" for side in "ab")
        stored = [ChipIndex.open(side.save(tmp_path / name)) for side, name in zip(sensors, names, strict=True)]
    found = pair_chips(*stored, **question)

    assert found.to_arrow().equals(wanted.to_arrow())
    assert {*found.to_arrow()["id"].to_pylist()} == {stored[0].row(row)["id"] for row in set(found.rows[:, 0].tolist())}


def test_blocks_that_cannot_meet_are_not_read(sensors, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 64)
    stored = [ChipIndex.open(side.save(tmp_path / name)) for side, name in zip(sensors, "ab", strict=True)]
    read = []
    whole = pairing._load
    monkeypatch.setattr(pairing, "_load", lambda store, *given: read.append(store) or whole(store, *given))
    elsewhere = stored[0].query(where="proj:code == 'EPSG:32632' and grid_row == 0")

    assert len(pair_chips(elsewhere, stored[1], within=100 * DAY))
    groups = len(stored[1].run_starts) - 1
    assert 0 < read.count(stored[1]._store) < groups / 3
    read.clear()
    assert not len(pair_chips(stored[1].query(where="proj:code == 'EPSG:32601'"), elsewhere))
    assert read == []


def test_an_index_is_paired_with_itself_but_no_chip_with_itself(sensors):
    optical, _ = sensors
    both = pair_chips(optical, optical, overlap=0.9)

    assert (both.rows[:, 0] != both.rows[:, 1]).all()
    assert set(map(tuple, both.rows.tolist())) == set(map(tuple, both.rows[:, ::-1].tolist()))
    assert len(both) == 2 * len(optical)  # three dates of each place
    part = optical.query(where="grid_col > 3")
    assert len(pair_chips(part, optical, overlap=0.9)) == 2 * len(part)


def test_each_chip_has_its_nearest_partner_beside_it_as_columns(sensors, tmp_path):
    optical, radar = sensors
    pairs = pair_chips(optical, radar, overlap=0.4, keep="nearest")
    index = optical.join(pairs.to_arrow())

    assert repr(pairs) == f"ChipPairs({len(pairs)} of {len(optical)} and {len(radar)} chips)"
    assert index.columns == [*optical.columns, "other_id", "overlap", "offset_s"]
    assert len(index.query(where="overlap >= 0.4 and offset_s <= 86400 and offset_s >= -86400")) == len(index)
    ids = radar.query(columns=["id"])["id"].to_pylist()
    assert index.query(columns=["other_id"])["other_id"].to_pylist() == [ids[row] for row in pairs.rows[:, 1].tolist()]


def test_a_time_that_is_not_known_is_null(build):
    undated = index_of([Chip((9, 44, 10, 46), None)], "a")
    chips = build("A", size=(200, 200))

    pairs = pair_chips(undated, chips)
    assert pairs.to_arrow()["offset_s"].to_pylist() == [None]
    assert len(pair_chips(undated, chips, within=10_000 * DAY)) == 0


def test_a_footprint_that_crosses_itself_is_no_obstacle():
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    table = table_of([Chip((0, 0, 2, 2), (0, 0))], "a")
    crossed = table.set_column(table.schema.get_field_index("geometry"), table.schema.field("geometry"),
                               [[shapely.to_wkb(bow)]])  # fmt: skip
    crossed = ChipIndex.from_table(crossed, SideTables())

    assert pair_chips(crossed, index_of([Chip((0, 0, 2, 2), (0, 0))], "b")).overlap.tolist() == [1.0]
    assert pair_chips(crossed, index_of([Chip((0, 0, 2, 2), (0, 0))], "b"), of="other").overlap[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"overlap": 1.5}, SettingError, "overlap must be a number from 0 to 1"),
        ({"of": "both"}, SettingError, "of must be one of smaller, one, other, union"),
        ({"keep": "first"}, SettingError, "keep must be one of all, nearest, largest"),
        ({"within": 14}, TypeError, "within must be a timedelta or None, not int"),
        ({"within": -DAY}, SettingError, "within must be a time of at least 0"),
        ({"other": "index.parquet"}, TypeError, "other must be a ChipIndex, not str"),
    ],
)
def test_what_makes_no_pair_is_refused(sensors, given, error, message):
    with pytest.raises(error, match=message):
        pair_chips(**{"one": sensors[0], "other": sensors[1]} | given)
