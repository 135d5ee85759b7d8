"""Writers that meet: what others have written is neither lost nor taken for an index."""

import pytest

from stacchip_osml import ChipIndex
from stacchip_osml.errors import CommitConflict, IndexSchemaError
from stacchip_osml.index.summary import size_on_disk

FORMS = ["index.parquet", "index"]


@pytest.mark.parametrize("form", FORMS)
def test_what_was_opened_before_another_commit_is_not_appended_to(build, tmp_path, form):
    path = build("A").save(tmp_path / form)
    early = ChipIndex.open(path)
    ChipIndex.open(path).append(build("B"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CommitConflict, match="another writer committed first"):
        early.append(build("C"))

    assert sorted(tmp_path.rglob("*")) == before
    ChipIndex.open(path).append(build("C"))
    assert [key[1] for key in ChipIndex.open(path).items] == ["A", "B", "C"]


@pytest.mark.parametrize("form", FORMS)
def test_an_index_grows_by_one_append_after_the_other(build, tmp_path, form):
    grown = ChipIndex.open(build("A").save(tmp_path / form))
    for name in ("B", "C"):
        grown = grown.append(build(name))

    assert [key[1] for key in ChipIndex.open(tmp_path / form).items] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("items.parquet", "is no chip index; choose another"), ("image.tif", "a folder unless its name ends in .parquet")],
)
def test_a_file_that_is_no_index_is_not_replaced_by_one(build, tmp_path, name, message):
    (tmp_path / name).write_bytes(b"somebody's work")
    with pytest.raises(IndexSchemaError, match=message):
        build("A").save(tmp_path / name)

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"somebody's work"]


def test_an_empty_file_is_replaced(build, tmp_path):
    (tmp_path / "new.parquet").touch()
    assert len(ChipIndex.open(build("A").save(tmp_path / "new.parquet"))) == len(build("A"))


def test_files_that_go_while_they_are_counted_are_of_no_size(build, tmp_path, monkeypatch):
    path = build("A").save(tmp_path / "index")
    size = size_on_disk(path)
    files = list(path.rglob("*"))
    monkeypatch.setattr(type(path), "rglob", lambda *_: [*files, path / "headers-of-another-writer.tmp"])

    assert size_on_disk(path) == size > 0


@pytest.mark.parametrize("name", ["chips.csv", "chips.GPKG", "chips.geoparquet", "chips.pq"])
def test_a_name_of_another_kind_of_file_makes_no_folder(build, tmp_path, name):
    with pytest.raises(IndexSchemaError, match=r"chips\.\w+: an index is a file that ends in \.parquet or a folder"):
        build("A").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
