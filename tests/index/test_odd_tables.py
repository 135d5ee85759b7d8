"""Index files that other programs wrote or damaged: the same rows, or an error that names column and row."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.errors import IndexSchemaError, LimitError
from stacchip_osml.index.headers import headers_to_table
from tests.stac_items import plain_item


@pytest.fixture
def index(write_tiff):
    image = write_tiff("a.tif", np.arange(48 * 64, dtype=np.uint16).reshape(48, 64))
    return Indexer(plain_item({"a": image}), 16).create_index()


@pytest.fixture
def rewritten(index, tmp_path):
    """Write the rows again with a change, under the metadata of the index."""

    def made(change, **how):
        path = index.save(tmp_path / "index.parquet")
        metadata = pq.read_metadata(path).metadata
        metadata.pop(b"ARROW:schema")
        pq.write_table(change(pq.read_table(path)).replace_schema_metadata(metadata), tmp_path / "again.parquet", **how)
        return tmp_path / "again.parquet"

    return made


def with_value(name, value, row=3):
    def change(table):
        position, values = table.schema.get_field_index(name), table[name].to_pylist()
        values[row] = value
        return table.set_column(position, name, pa.array(values, table.schema.field(name).type))

    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", 31),
        ("level", 255),
        ("width", 0),
        ("height", -5),
        ("col_off", 64),
        ("col_off", 2**31 - 1),
        ("row_off", -(2**31)),
    ],
)
def test_rows_that_no_index_has_are_not_cut(rewritten, name, value):
    chips = Chipper(ChipIndex.open(rewritten(with_value(name, value))))

    for use in (lambda: chips[3], lambda: chips.explain([3]), lambda: chips.encode(3, format="geotiff")):
        with pytest.raises(IndexSchemaError, match=f"column '{name}': row 3 is {value}, "):
            use()


def test_a_window_larger_than_any_memory_is_refused_before_any_is_taken(rewritten):
    chips = Chipper(ChipIndex.open(rewritten(with_value("width", 2**31 - 1))))

    with pytest.raises(LimitError, match="2147483647 x 16 pixels"):
        _ = chips[3]
    assert chips[2].pixels.shape == (1, 16, 16)


@pytest.mark.parametrize("name", ["id", "item_id", "reference", "chain", "level", "width"])
def test_nulls_are_refused_by_their_column(rewritten, tmp_path, index, name):
    opened = ChipIndex.open(rewritten(with_value(name, None)))

    assert any(str(found).startswith(f"column '{name}': must not be null") for found in opened.check())
    assert "12 chips" in repr(opened)
    with pytest.raises(IndexSchemaError, match=f"column '{name}' must not be null"):
        opened.save(tmp_path / "saved.parquet")
    if name != "id":
        with pytest.raises(IndexSchemaError, match=f"column '{name}' must not be null"):
            _ = Chipper(opened)[0]
        return
    with pytest.raises(IndexSchemaError, match="column 'id' must not be null"):
        index.merge(opened)


def test_shapes_that_are_none_are_named_by_their_row(rewritten):
    opened = ChipIndex.open(rewritten(with_value("geometry", b"junk")))

    for use in (opened.to_geodataframe, lambda: list(opened.to_stac()), lambda: opened.query(intersects=EVERYWHERE)):
        with pytest.raises(IndexSchemaError, match=r"column 'geometry': (row 3|a row) is no WKB"):
            use()
    assert len(opened.query(where="level == 0")) == 12


EVERYWHERE = {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]}


def test_two_columns_of_one_name_are_refused(rewritten):
    for name in ("id", "mine"):
        path = rewritten(lambda t, name=name: t.append_column("mine", t["id"]).append_column(name, t["id"]))
        with pytest.raises(IndexSchemaError, match=rf"again\.parquet: .*'{name}' .*more than one column"):
            ChipIndex.open(path)


@pytest.mark.parametrize(
    "how",
    [
        {"row_group_size": 1},
        {"row_group_size": 5, "write_statistics": False, "use_dictionary": False},
        {"compression": "none", "version": "1.0"},
        {"compression": "gzip", "data_page_version": "2.0", "store_schema": True},
    ],
)
def test_rows_are_the_same_however_they_are_laid_out(rewritten, index, how):
    words = pa.large_string()

    def change(table):
        kinds = [words if pa.types.is_dictionary(f.type) or f.name == "id" else f.type for f in table.schema]
        return table.cast(pa.schema(list(zip(table.schema.names, kinds, strict=True)))).select(table.schema.names[::-1])

    opened = ChipIndex.open(rewritten(change, **how))
    assert opened.to_arrow().equals(index.to_arrow())
    assert opened.check() == []
    assert np.array_equal(Chipper(opened)[11].pixels, Chipper(index)[11].pixels)


def with_bytes(path, old, new):
    data = path.read_bytes()
    assert len(old) == len(new)
    assert old in data
    path.write_bytes(data.replace(old, new))


def test_column_names_that_are_no_text_are_refused(index, tmp_path):
    path = index.with_column("my_own_one", list(range(12))).save(tmp_path / "index.parquet")
    with_bytes(path, b"my_own_one", b"my_\xff\xfen_one")

    with pytest.raises(IndexSchemaError, match=r"index\.parquet: its columns are not readable"):
        ChipIndex.open(path)


def test_damaged_items_of_a_directory_are_refused_by_its_name(index, tmp_path):
    path = index.save(tmp_path / "index")
    (items,) = path.glob("items-*")
    with_bytes(items, b"stac_version", b"stac_\xff\xfersion")

    with pytest.raises(IndexSchemaError, match="its items or headers are not readable"):
        ChipIndex.open(path).items  # noqa: B018


def test_a_damaged_page_of_headers_is_found_by_its_checksum(index, tmp_path):
    path = index.save(tmp_path / "index")
    (headers,) = path.glob("headers-*")
    table = headers_to_table(index.tables.headers.values())
    pq.write_table(table, headers, compression="none", use_dictionary=False, write_page_checksum=True)
    with_bytes(headers, b"a.tif", b"b.tif")

    with pytest.raises(IndexSchemaError, match="its items or headers are not readable"):
        ChipIndex.open(path).items  # noqa: B018
