"""TREs that a caller gives as bytes have to be what their layout says; those that were read are copied as they are."""

import io
import pickle
from copy import deepcopy

import pytest
from io_scenes import scene

from stacchip_osml.encode import IO, BufferedMetadataProvider, imsave
from stacchip_osml.encode.nitf import NitfFile, NitfImage, Tre, read_nitf, write_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

SHORT = b"0" * 123
"""Of STDIDC, whose length is 89."""
MESSAGE = r"STDIDC: 123 bytes, its fields are 89 \(123 bytes are given; it has 89; STDI-0002 volume 1 appendix D\)"


def tres_of(metadata):
    out = io.BytesIO()
    imsave(out, scene(1), format="nitf", metadata=metadata)
    return read_nitf(out.getvalue()).images[0].tres


@pytest.mark.parametrize("given", [SHORT, bytearray(SHORT)])
def test_bytes_of_a_wrong_length_are_refused_by_name(given):
    with pytest.raises(EncodeError, match=MESSAGE):
        tres_of({"STDIDC": given})


def test_right_bytes_unknown_tags_and_tres_as_they_are_are_written():
    given = {"STDIDC": b"0" * 89, "VENDOR": b"bytes", "SECTGA": Tre("SECTGA", b"another version")}

    assert tres_of(given) == tuple(Tre(tag, getattr(each, "data", each)) for tag, each in given.items())


def test_a_tre_of_another_tag_is_no_value():
    with pytest.raises(EncodeError, match="STDIDC"):
        tres_of({"STDIDC": Tre("SECTGA", b"0" * 28)})


@pytest.mark.parametrize("through", [lambda found: found, deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_those_of_a_file_that_is_read_are_written_back(tmp_path, through):
    pixels = BufferedImageAssetProvider.from_array(scene(1))
    path = tmp_path / "parent.ntf"
    write_nitf(path, NitfFile(images=(NitfImage(pixels=pixels, tres=(Tre("STDIDC", SHORT), Tre("SECTGA", b""))),)))
    with IO.open(str(path)) as dataset:
        metadata = through(BufferedMetadataProvider(dataset.get_asset("image:0").metadata))

    assert metadata["STDIDC"] == SHORT
    assert tres_of(metadata) == (Tre("STDIDC", SHORT), Tre("SECTGA", b""))
