"""chain list, chain show, and chains given to index build."""

import json

import pytest
from cli_scenes import only_error, run, run_json

from stacchip_osml import ChipIndex, Chipper
from stacchip_osml.chain import (
    align_step,
    canonical_json,
    chain_id,
    clip_step,
    iter_kinds,
    linear_step,
    normalized_difference_step,
    scale_offset_step,
)

DEFINITION = (normalized_difference_step(1, 0), clip_step(low=-0.5, high=0.5))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A chain as people write it: other key order, no defaults, floats."""
    path = tmp_path_factory.mktemp("chain") / "nd.json"
    path.write_text(
        '[{"version": 1, "a": 1.0, "step": "normalized_difference", "b": 0},'
        ' {"step": "clip", "version": 1, "high": 0.5, "low": -5e-1}]'
    )
    return path


@pytest.fixture(scope="module")
def chained(two_dates, file, tmp_path_factory):
    """An index whose chips are a normalized difference of two bands."""
    out = tmp_path_factory.mktemp("chained") / "index.parquet"
    run("index", "build", *two_dates, out, "--chip-size", 32, "--assets", "red,nir", "--chain", file, "--headers")
    return out


def test_a_chain_in_a_file_is_the_chain_of_the_rows(chained):
    index = ChipIndex.open(chained)
    (name,) = set(index.to_arrow().column("chain").to_pylist())

    assert name == chain_id(DEFINITION)
    assert index.chains[name] == DEFINITION
    chip = Chipper(index)[0]
    assert chip.pixels.shape == (1, 32, 32)
    assert abs(chip.pixels).max() <= 0.5


def test_a_chip_whose_chain_makes_other_bands_can_be_written(chained, tmp_path):
    run("chip", "cut", chained, tmp_path / "out", "--rows", "0-1")

    assert len(list((tmp_path / "out").iterdir())) == 2


def test_list_gives_the_chains_of_an_index_with_their_steps(chained):
    name = chain_id(DEFINITION)
    answer = run_json("chain", "list", chained)

    assert answer[name] == {"chips": 8, "definition": [dict(step) for step in DEFINITION]}
    assert answer["raw"] == {"chips": 0, "definition": []}
    lines = run("chain", "list", chained).stdout.splitlines()
    assert any(name in line and "normalized_difference 1 a=1 b=0 | clip 1 low=-0.5 high=0.5" in line for line in lines)


def test_list_without_an_index_gives_every_step_with_version_and_settings():
    answer = run_json("chain", "list")

    assert [(kind["step"], kind["version"]) for kind in answer] == [(kind.name, kind.version) for kind in iter_kinds()]
    clip = next(kind for kind in answer if kind["step"] == "clip")
    assert clip["settings"]["low"]["required"] is False
    gamma = next(kind for kind in answer if kind["step"] == "gamma")
    assert gamma["settings"]["gamma"]["required"] is True
    text = run("chain", "list").stdout
    assert all(kind.about in text for kind in iter_kinds())


def test_show_tells_the_id_the_one_form_and_what_comes_out(file, chained):
    name = chain_id(DEFINITION)
    wanted = {
        "id": name,
        "definition": json.loads(canonical_json(DEFINITION)),
        "input": {"bands": 2, "dtype": "uint16"},
        "output": {"bands": 1, "dtype": "float32"},
        "problem": None,
    }

    assert run_json("chain", "show", name, "--index", chained) == wanted
    assert run_json("chain", "show", file, "--bands", 2, "--dtype", "UINT16") == wanted
    assert run_json("chain", "show", file) == wanted | {"input": None, "output": None}
    text = run("chain", "show", file, "--bands", 2, "--dtype", "float64").stdout
    assert f"id      {name}" in text
    assert "output  1 band of float64, from 2 bands of float64" in text
    assert canonical_json(DEFINITION) in text
    assert "depends on what goes in" in run("chain", "show", file).stdout


def test_show_says_why_pixels_cannot_go_in(file):
    answer = run_json("chain", "show", file, "--bands", 1, "--dtype", "uint8")

    assert answer["output"] is None
    assert "bands 1 and 0 of 1" in answer["problem"]
    assert "output  none: " in run("chain", "show", file, "--bands", 1, "--dtype", "uint8").stdout


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('[{"step": "sharpen", "version": 1}]', 3, "unknown step 'sharpen' version 1"),
        ('[{"step": "clip", "version": 1, "hi": 3}]', 3, "no setting 'hi'"),
        ('[{"step": "clip", "version": 1, "high": NaN}]', 3, "must be JSON values"),
        ('{"step": "clip"}', 3, "a chain is a JSON list of steps, got dict"),
        ("[1]", 3, "step 0 of a chain must be an object"),
        ("[" * 100_000, 3, "is not JSON"),
        ("\udcff", 3, "is not JSON"),
    ],
)
@pytest.mark.parametrize("command", ["show", "build"])
def test_a_file_that_holds_no_chain_is_one_error(tmp_path, two_dates, text, code, message, command):
    path = tmp_path / "chain.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    args = ["chain", "show", path]
    if command == "build":
        args = ["index", "build", two_dates[0], tmp_path / "out.parquet", "--chain", path]
    error = only_error(run(*args, code=code))

    assert message in error
    assert str(path) in error
    assert not (tmp_path / "out.parquet").exists()


def test_wrong_usage_and_missing_files_have_their_exit_codes(tmp_path, file, chained):
    assert "No such file" in only_error(run("chain", "show", tmp_path / "none.json", code=4))
    assert "--bands and --dtype go together" in only_error(run("chain", "show", file, "--bands", 3, code=2))
    assert "the ID of a chain needs --index" in only_error(run("chain", "show", "raw", code=2))
    assert "unknown processing chain 'x'" in only_error(run("chain", "show", "x", "--index", chained, code=3))
    assert "unknown type 'pixel'" in only_error(run("chain", "show", file, "--bands", 3, "--dtype", "pixel", code=3))
    args = ["index", "build", tmp_path, tmp_path / "out.parquet", "--chain", file, "--scale-offset"]
    assert "--scale-offset is a chain of one step" in only_error(run(*args, code=2))


def test_an_index_that_names_steps_nobody_knows_here_can_still_be_looked_at(chained, tmp_path):
    from stacchip_osml.chain import register_step
    from stacchip_osml.chain.steps import STEPS

    step = register_step("gone_tomorrow", 1, lambda settings, chip: chip)
    out = tmp_path / "out.parquet"
    try:
        (tmp_path / "chain.json").write_text(canonical_json((step(),)))
        source = next(iter(ChipIndex.open(chained).items.values()))
        assert source["id"]
        from stacchip_osml import Indexer

        base = ChipIndex.open(chained).tables.headers
        path = next(iter(base.values())).image.location
        Indexer(path, 32, chain=[step()]).create_index().save(out)
    finally:
        STEPS.pop(("gone_tomorrow", 1))
    name = chain_id((step(),))
    answer = run_json("chain", "show", name, "--index", out)

    assert answer["definition"] == [{"step": "gone_tomorrow", "version": 1}]
    assert "unknown step 'gone_tomorrow' version 1" in answer["problem"]
    assert "gone_tomorrow" in run("chain", "list", out).stdout


def test_chains_that_align_show_what_comes_out_of_the_rest(two_dates, tmp_path):
    out = tmp_path / "out.parquet"
    args = ["index", "build", two_dates[0], out, "--chip-size", 32, "--assets", "red,nir"]
    run(*args, "--resampling", "bilinear", "--scale-offset")
    (name,) = set(ChipIndex.open(out).to_arrow().column("chain").to_pylist())

    assert name == chain_id((align_step(default="bilinear"), scale_offset_step()))
    given = ["--bands", 2, "--dtype", "int16"]
    assert run_json("chain", "show", name, "--index", out, *given)["output"] == {"bands": 2, "dtype": "float32"}
    # neither the items nor stored headers say what the pixels are
    assert run_json("chain", "show", name, "--index", out)["output"] is None


def test_long_settings_are_cut_short_on_a_terminal_only(tmp_path):
    path = tmp_path / "long.json"
    path.write_text(canonical_json((linear_step(scale=list(range(1, 200))),)))
    lines = run("chain", "show", path).stdout.splitlines()

    assert all(len(line) < 200 for line in lines[:-1])
    assert run_json("chain", "show", path)["definition"][0]["scale"] == list(range(1, 200))
