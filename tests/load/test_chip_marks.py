"""Chips as files: the security marking of a NITF image goes along, or is let go by name."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from stacchip_osml import Chipper, Indexer
from stacchip_osml.app.cli import cli
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf, write_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
PLACE = {"ICORDS": "N", "IGEOLO": "325000004400000325006304400000325006304399937325000004399937"}


def chipper_of(folder, **images):
    """A chipper of one item whose assets are NITF images with these fields."""
    assets = {}
    for name, fields in images.items():
        image = NitfImage(pixels=BufferedImageAssetProvider.from_array(PIXELS), fields={"IC": "NC", **PLACE, **fields})
        write_nitf(folder / f"{name}.ntf", NitfFile(images=(image,)))
        assets[name] = {"href": f"{name}.ntf"}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "x", "geometry": None, "links": [], "assets": assets}
    item["properties"] = {"datetime": "2024-01-01T00:00:00Z"}
    (folder / "item.json").write_text(json.dumps(item))
    return Chipper(Indexer(str(folder / "item.json"), chip_size=32, assets=list(images)).create_index())


@pytest.mark.parametrize("kind", ["geotiff", "png", "jp2", "j2k"])
def test_a_format_without_a_place_for_a_marking_is_refused_unless_told_to(tmp_path, kind):
    chipper = chipper_of(tmp_path, a={"ISCLAS": "S", "ISCLSY": "US"})

    expected = rf"asset a is marked ISCLAS S, FSCLAS S, and {kind} has no place for a marking: write nitf, or drop"
    with pytest.raises(EncodeError, match=expected):
        chipper.encode(0, format=kind)
    assert chipper.encode(0, format=kind, drop_marking=True)


def test_what_is_not_marked_is_written_in_any_format(tmp_path):
    chipper = chipper_of(tmp_path, a={"ISCLAS": "U"}, b={})

    for kind in ("geotiff", "jp2", "nitf"):
        assert chipper.encode(0, format=kind)


def test_a_chip_of_several_images_is_not_marked_below_any(tmp_path):
    secret = {"ISCLAS": "S", "ISCLSY": "US", "ISCODE": "AB"}
    chipper = chipper_of(tmp_path, a={"ISCLAS": "U"}, b=secret)

    with pytest.raises(EncodeError, match=r"asset b, cut together with a: ISCLAS 'U' .* is below the source's 'S'"):
        chipper.encode(0, format="nitf")
    with pytest.raises(EncodeError, match=r"asset b, .*: ISCODE cannot be left out, the source's is 'AB'"):
        chipper.encode(0, format="nitf", metadata_overrides={"ISCLAS": "S", "ISCLSY": "US"})
    made = read_nitf(chipper.encode(0, format="nitf", metadata_overrides=secret))
    assert (made.fields["FSCLAS"], made.images[0].fields["ISCODE"]) == ("S", "AB")


def test_a_chip_of_images_that_are_marked_alike_has_their_marking(tmp_path):
    secret = {"ISCLAS": "S", "ISCLSY": "US"}
    made = read_nitf(chipper_of(tmp_path, a=secret, b=secret).encode(0, format="nitf"))

    assert (made.fields["FSCLAS"], made.images[0].fields["ISCLAS"]) == ("S", "S")


def test_a_sheet_of_marked_images_is_refused_unless_told_to(tmp_path):
    chipper_of(tmp_path, a={"ISCLAS": "S", "ISCLSY": "US"}).index.save(tmp_path / "index.parquet")
    args = ["chip", "sheet", str(tmp_path / "index.parquet"), str(tmp_path / "sheet.png")]

    refused = CliRunner().invoke(cli, args)
    assert refused.exit_code == 3
    assert "asset a is marked ISCLAS S" in refused.stderr
    assert not (tmp_path / "sheet.png").exists()
    assert CliRunner().invoke(cli, [*args, "--drop-marking"]).exit_code == 0
    cut = ["chip", "cut", args[2], str(tmp_path / "out"), "--format"]
    codes = [CliRunner().invoke(cli, [*cut, *how]).exit_code for how in (["png"], ["png", "--drop-marking"], ["nitf"])]
    assert codes == [3, 0, 0]
