"""``jbpinfo``, the command that comes with jbpy: every kind of file is told by it, and nothing in it is invalid."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from chip_sources import cut
from jbpy._jbpinfo import main as jbpinfo
from nitf_files import Complaints, image_of, written
from pixel_matrix import BANDS, ICS, IMODES, SAMPLES, cell, pixels_of
from pixel_matrix import image_of as cell_image
from test_pixels_matrix import EDGE, fields_of

from stacchip_osml.encode.nitf import (
    DataExtension,
    GraphicSegment,
    NitfFile,
    NitfImage,
    TextSegment,
    Tre,
    encode_nitf,
    read_nitf,
    write_nitf,
)

CGM = b"\x00\x20" * 4
KINDS = [
    (ic, imode, name, bands)
    for ic in ICS
    for imode in IMODES
    for bands in BANDS
    for name in SAMPLES
    if not cell(ic, imode, name, bands).refused
]


def told(path, capsys):
    """What the command prints of a file, and what jbpy finds invalid in it."""
    capsys.readouterr()
    with Complaints() as said:
        assert jbpinfo([str(path), "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out), said


@pytest.mark.parametrize("ic", ICS)
def test_every_kind_of_image_is_told_and_valid(tmp_path, capsys, ic):
    for _, imode, name, bands in [kind for kind in KINDS if kind[0] == ic]:
        expected, fields = cell(ic, imode, name, bands), fields_of(ic, imode, name, bands)
        pixels = pixels_of(name, bands, EDGE, lossy=expected.lossy)
        provider, _ = cell_image(pixels, int(fields["NPPBH"]), sparse=ic[0] in "M" or ic == "NM")
        path = tmp_path / "image.ntf"
        write_nitf(path, NitfFile(images=(NitfImage(pixels=provider, fields=fields),)))

        found, said = told(path, capsys)
        subheader = found["ImageSegments"][0]["subheader"]
        assert (subheader["NROWS"], subheader["NCOLS"], subheader["IMODE"]) == (*EDGE, imode)
        # jbpy 0.6 has no high throughput
        assert said == ([f"IC: Invalid field value: b'{ic}'"] * len(said) if ic[1] == "D" else [])


@pytest.mark.parametrize("version", ["NITF02.10", "NSIF01.00"])
def test_a_file_with_all_kinds_of_segments_is_told_by_the_command_itself(tmp_path, capsys, version):
    tres = tuple(Tre(f"T{number}", bytes(60_000)) for number in range(3))
    path = tmp_path / "all.ntf"
    path.write_bytes(
        written(
            NitfFile(
                version=version,
                fields={"FSCLAS": "R", "FSCLSY": "US", "OSTAID": "HERE"},
                tres=(Tre("VENDOR", b"bytes"),),
                images=(image_of((3, 40, 60), "uint16", tres=tres, ISCLAS="R", ISCLSY="US"), image_of((1, 9, 7))),
                graphics=(GraphicSegment(fields={"SID": "g", "SLOC": "0000000000"}, data=CGM),),
                texts=(TextSegment(fields={"TEXTID": "note"}, data=b"hello"),),
                extensions=(DataExtension(fields={"DESID": "OTHER", "DESVER": "01"}, data=b"data"),),
            )
        )
    )

    found, said = told(path, capsys)
    assert said == (["FVER: Invalid field value: b'01.00'"] if version == "NSIF01.00" else [])  # jbpy 0.6 has no NSIF
    counts = ("NUMI", "NUMS", "NUMT", "NUMDES")
    assert [found["FileHeader"][name] for name in counts] == [2, 1, 1, 2]  # a TRE_OVERFLOW too
    command = Path(sys.executable).with_name("jbpinfo")
    done = subprocess.run([command, path], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == said
    assert "TRE_OVERFLOW" in done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "nitf/shareloc__wv3_20.NTF",
        "nitf/imaging-nitf__i_3128b.ntf",
        "nitf/imaging-nitf__ns3321a.nsf",
        "nitf/imaging-nitf__p1_05b.ntf",
        "sicd_sidd/six-library__cropped_sicd_120.nitf",
        "sicd_sidd/six-library__cropped_sidd.nitf",
    ],
)
def test_copies_and_chips_of_real_files_have_no_fault_that_is_not_their_parents(real_data, tmp_path, capsys, name):
    source = str(real_data / name)
    with Complaints() as before:
        try:
            jbpinfo([source])
        except AssertionError:
            assert "ns3321a" in name  # jbpy does not read what was written as a stream
    copy = tmp_path / "copy.ntf"
    write_nitf(copy, read_nitf(source))
    assert set(told(copy, capsys)[1]) <= set(before)
    chip = tmp_path / "chip.ntf"
    chip.write_bytes(encode_nitf(cut(source, (1, 1, 4, 4))))
    assert set(told(chip, capsys)[1]) <= set(before)
