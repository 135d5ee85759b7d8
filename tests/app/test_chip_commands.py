"""chip cut, chip sheet, explain."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from cli_scenes import make_item, only_error, read_red, run, run_json

from stacchip_osml import ChipIndex, Chipper

HOSTILE = ["../../escape", "/etc/passwd", "CON", "a\x00b", "..", "-rf", "x" * 300, "ümlaut", "a\nb", "$(touch x)"]


def test_cut_files_hold_the_pixels_of_the_image(index, two_dates, tmp_path):
    answer = run_json("chip", "cut", index, tmp_path / "chips", "--where", "item_id == 'first'")

    red = read_red(two_dates[0])
    rows = ChipIndex.open(index).query(where="item_id == 'first'").rows(range(16))
    assert len(answer["written"]) == len(set(answer["written"])) == 16
    assert (answer["sparse"], answer["failed"]) == (0, [])
    for path, row in zip(answer["written"], rows, strict=True):
        with rasterio.open(path) as chip:
            x, y = row["col_off"], row["row_off"]
            assert (chip.read(1) == red[y : y + 16, x : x + 16]).all()
            assert chip.transform * (0, 0) == (500_000 + 10 * x, 5_500_000 - 10 * y)
            assert chip.descriptions == ("red", "nir")


@pytest.mark.parametrize(
    ("args", "count"),
    [
        (["--rows", "0,5,7-9"], 5),
        (["--sample", "4", "--seed", "3"], 4),
        (["--where", "grid_row == 0"], 8),
        (["--where", "grid_row == 0", "--sample", "3"], 3),
        (["--limit", "2"], 2),
        (["--limit", "33"], 32),
        (["--sample", "33"], 32),
        (["--where", "grid_row == 0", "--sample", "9", "--limit", "7"], 7),
        (["--where", "grid_row == 9"], 0),
        ([], 32),
    ],
)
def test_a_selection_cuts_that_many_chips(index, tmp_path, args, count):
    answer = run_json("chip", "cut", index, tmp_path / "chips", *args)

    files = sorted(str(path) for path in tmp_path.rglob("*.tif"))
    assert len(files) == count
    assert sorted(answer["written"]) == files


def test_rows_are_cut_by_their_number_in_the_order_given(index, tmp_path):
    answer = run_json("chip", "cut", index, tmp_path, "--rows", "9,0")

    chipper = Chipper(index)
    for path, row in zip(answer["written"], (9, 0), strict=True):
        with rasterio.open(path) as chip:
            assert (chip.read() == chipper[row].pixels).all()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--rows", "32"], "the index has 32 chips, 0 to 31"),
        (["--rows", "0-999999999999"], "the index has 32 chips"),
        (["--rows", "1,0-2"], "names a row twice"),
        (["--rows", "1", "--where", "level == 0"], "cannot be combined"),
    ],
)
def test_rows_that_are_not_there_are_wrong_usage(index, tmp_path, args, message):
    assert message in only_error(run("chip", "cut", index, tmp_path / "chips", *args, code=2))
    assert not (tmp_path / "chips").exists()


def test_a_dry_run_names_the_files_that_a_run_then_writes(index, tmp_path):
    args = ["chip", "cut", index, tmp_path / "chips", "--rows", "0-3"]
    promised = run_json(*args, "--dry-run")["would_write"]
    assert not (tmp_path / "chips").exists()

    assert run_json(*args)["written"] == promised


def test_pictures_are_written_where_the_format_can_hold_the_chip(index, tmp_path):
    (path,) = run_json("chip", "cut", index, tmp_path, "--rows", "0", "--format", "png", "--display")["written"]
    picture = cv2.imread(path)
    assert picture.shape == (16, 16, 3)

    (path,) = run_json("chip", "cut", index, tmp_path, "--rows", "0", "--format", "jpg", "--display")["written"]
    assert path.endswith(".jpg")
    assert cv2.imread(path).shape == (16, 16, 3)


def test_a_format_that_cannot_hold_the_chip_is_exit_code_3(index, tmp_path):
    result = run("chip", "cut", index, tmp_path, "--rows", "0", "--format", "jpeg", code=3)

    assert "JPEG holds uint8" in only_error(result)
    assert list(tmp_path.iterdir()) == []


def test_another_chain_gives_other_files_beside_the_first(two_dates, index, tmp_path):
    run(
        "index", "build", two_dates[0], tmp_path / "scaled.parquet", "--chip-size", 16, "--assets", "red",
        "--scale-offset",
    )  # fmt: skip
    run("index", "merge", index, tmp_path / "scaled.parquet", tmp_path / "both.parquet")
    (chain,) = {row["chain"] for row in ChipIndex.open(tmp_path / "scaled.parquet").rows([0])}

    cut = ["chip", "cut", tmp_path / "both.parquet", tmp_path / "out", "--where", "chain == 'raw'", "--limit", 1]
    (plain,) = run_json(*cut)["written"]
    (scaled,) = run_json(*cut, "--chain", chain)["written"]
    assert plain != scaled
    with rasterio.open(plain) as raw, rasterio.open(scaled) as physical:
        assert (raw.dtypes[0], physical.dtypes[0]) == ("uint16", "float32")
        assert (raw.read() == physical.read()).all()
    assert "unknown processing chain 'none'" in only_error(run(*cut, "--chain", "none", code=3))


@pytest.fixture
def half_gone(tmp_path):
    """An index of two items, the images of one of which are gone."""
    paths = [
        make_item(tmp_path / "data", f"item{number}", seed=number, date="2025-01-01T00:00:00Z") for number in (0, 1)
    ]
    run("index", "build", *paths, tmp_path / "index.parquet", "--chip-size", 32, "--assets", "red")
    (paths[1].parent / "red.tif").unlink()
    return tmp_path / "index.parquet"


def test_an_image_that_is_gone_is_exit_code_4(half_gone, tmp_path):
    assert "red.tif" in only_error(run("chip", "cut", half_gone, tmp_path / "out", code=4))
    assert "red.tif" in only_error(run("chip", "sheet", half_gone, tmp_path / "out.png", code=4))
    assert not (tmp_path / "out.png").exists()


def test_skipped_chips_are_counted_and_the_others_written(half_gone, tmp_path):
    args = ["chip", "cut", half_gone, tmp_path / "out", "--on-error", "skip"]
    answer = run_json(*args, code=1)

    assert len(answer["written"]) == 4
    assert [failed["error"] for failed in answer["failed"]] == ["AssetMissing"] * 4
    assert all("item1" in failed["id"] for failed in answer["failed"])
    assert "4 written" in (text := run(*args, code=1).stdout)
    assert "4 failed" in text


def test_unreadable_chips_have_their_place_on_a_sheet(half_gone, tmp_path):
    args = ["chip", "sheet", half_gone, tmp_path / "out.png", "--on-error", "skip", "--columns", 4, "--size", 32]
    answer = run_json(*args, code=1)

    assert (answer["chips"], len(answer["failed"]), answer["sparse"]) == (8, 4, 0)
    assert cv2.imread(str(tmp_path / "out.png")).shape == (8 + 2 * (32 + 8 + 16), 8 + 4 * 40, 3)


def test_sparse_chips_are_counted_and_give_no_file(tmp_path):
    item = make_item(tmp_path / "data", "holes", seed=1, date="2025-01-01T00:00:00Z")
    path = item.parent / "red.tif"
    with rasterio.open(path) as source:
        profile, pixels = source.profile, source.read()
    profile.update(sparse_ok=True)
    path.unlink()
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels[:, :32, :32], window=((0, 32), (0, 32)))
    run("index", "build", item, tmp_path / "index.parquet", "--chip-size", 32, "--assets", "red")

    answer = run_json("chip", "cut", tmp_path / "index.parquet", tmp_path / "out")
    assert (len(answer["written"]), answer["sparse"]) == (1, 3)


def test_hostile_ids_land_in_the_folder_under_distinct_names(tmp_path):
    paths = [
        make_item(tmp_path / "data", name, seed=n, date="2025-01-01T00:00:00Z", collection="../up", name=f"n{n}")
        for n, name in enumerate(HOSTILE)
    ]
    run("index", "build", *paths, tmp_path / "index.parquet", "--chip-size", 64, "--assets", "red")
    before = sorted(path for path in tmp_path.rglob("*") if "out" not in path.parts)
    out = tmp_path / "out"
    answer = run_json("chip", "cut", tmp_path / "index.parquet", out)

    found = list(out.iterdir())
    assert sorted(answer["written"]) == sorted(map(str, found))
    assert len({path.name.lower() for path in found}) == len(HOSTILE)
    assert all(len(path.name) <= 120 and path.suffix == ".tif" and not path.name.startswith("-") for path in found)
    assert sorted(path for path in tmp_path.rglob("*") if out not in [path, *path.parents]) == before


def test_what_is_printed_of_a_hostile_id_holds_no_control_character(tmp_path):
    item = make_item(tmp_path / "data", "a\x1b[2Jb", seed=1, date="2025-01-01T00:00:00Z", name="n")
    run("index", "build", item, tmp_path / "index.parquet", "--chip-size", 64, "--assets", "red")
    for args in (["index", "query"], ["explain"]):
        text = run(*args, tmp_path / "index.parquet").stdout
        assert "\x1b" not in text
        assert r"a\x1b[2Jb" in text


def test_a_link_in_the_folder_is_replaced_and_not_followed(index, tmp_path):
    (name,) = run_json("chip", "cut", index, tmp_path / "out", "--rows", "0", "--dry-run")["would_write"]
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("mine")
    Path(name).symlink_to(tmp_path / "precious")
    run("chip", "cut", index, tmp_path / "out", "--rows", "0")

    assert (tmp_path / "precious").read_text() == "mine"
    assert stat.S_ISREG(os.lstat(name).st_mode)


def test_an_output_folder_that_is_a_file_is_wrong_usage(index, tmp_path):
    (tmp_path / "file").write_text("")

    assert "is a file, not a folder" in only_error(run("chip", "cut", index, tmp_path / "file", code=2))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_exit_code_6(index, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)

    run("chip", "cut", index, tmp_path / "locked", "--rows", "0", code=6)


def test_a_full_disk_is_exit_code_6_and_leaves_no_part(index, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stacchip_osml.encode.names.os.fsync", full)
    result = run("chip", "cut", index, tmp_path / "out", "--rows", "0", code=6)

    assert "No space left on device" in only_error(result)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_sheet_shows_the_first_hundred_and_says_so(index, tmp_path):
    answer = run_json("chip", "sheet", index, tmp_path / "all.png", "--size", 16, "--labels", "none", "--columns", 8)
    assert (answer["chips"], answer["chosen"]) == (32, 32)
    assert cv2.imread(str(tmp_path / "all.png")).shape == (8 + 4 * 24, 8 + 8 * 24, 3)

    assert "exists already" in only_error(run("chip", "sheet", index, tmp_path / "all.png", code=2))
    run("chip", "sheet", index, tmp_path / "all.png", "--limit", 3, "--stretch", "sheet", "--force")
    assert cv2.imread(str(tmp_path / "all.png")).shape[0] == 8 + 128 + 8 + 16


def test_two_stretches_and_labels_draw_different_pictures(index, tmp_path):
    pictures = set()
    for labels in ("grid", "item", "id", "none"):
        for stretch in ("chip", "sheet"):
            out = tmp_path / f"{labels}-{stretch}.png"
            run("chip", "sheet", index, out, "--rows", "0-5", "--labels", labels, "--stretch", stretch)
            pictures.add(out.read_bytes())

    assert len(pictures) == 8


def test_where_no_chip_is_chosen_a_command_says_so_and_is_done(index, tmp_path):
    nothing = ["--where", "level == 5"]

    assert "0 matches" in run("index", "query", index, *nothing).stderr
    assert "0 written" in run("chip", "cut", index, tmp_path / "chips", *nothing).stdout
    assert "0 chips" in run("explain", index, *nothing).stdout
    assert "no chip was chosen" in run("chip", "sheet", index, tmp_path / "x.png", *nothing).stdout
    answer = run_json("chip", "sheet", index, tmp_path / "x.png", *nothing)
    assert answer == {"path": None, "chips": 0, "chosen": 0, "sparse": 0, "failed": []}
    assert list(tmp_path.iterdir()) == []


def test_explain_counts_blocks_and_bytes_without_reading_a_pixel(index, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a pixel was read")

    monkeypatch.setattr("stacchip_osml.load.images.read_windows", refuse)
    answer = run_json("explain", index, "--where", "item_id == 'first'", "--limit", 2)

    assert answer["totals"] == {
        "chips": 2,
        "reads": 4,
        "files": 2,
        "blocks": 4,
        "decoded_bytes": 4 * 32 * 32 * 2,
        "pixel_bytes": 4 * 16 * 16 * 2,
    }
    assert "a pixel was read" in run("chip", "cut", index, tmp_path, "--rows", "0", code=70).stderr
    (read, _) = answer["chips"][0]["reads"]
    assert (read["asset"], read["stored_level"], read["window"][2:]) == ("red", 0, [16, 16])


def test_explain_as_a_table_ends_with_totals(index):
    result = run("explain", index, "--sample", 3)

    lines = result.stdout.splitlines()
    assert len(lines) == 1 + 6 + 1
    assert lines[-1].startswith("3 chips: 6 reads of ")
    assert np.all(["block/deflate" in line or "block/none" in line for line in lines[1:-1]])
