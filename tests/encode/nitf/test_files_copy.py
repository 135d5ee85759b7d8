"""Real files, copied: nothing is lost, and other readers read the same."""

import io
import logging

import numpy as np
import pytest
import rasterio
from nitf_files import jbpy_of
from rasterio.errors import RasterioError

from stacchip_osml.encode.nitf import NitfImage, nitf_info, read_nitf, write_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.pixel import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SHARE = (  # compressions, modes, graphics, texts, extensions, several images, fields against the rules, both versions
    "nitf/gdal__SENSRB_TRE.ntf",
    "nitf/gdal__rgb.ntf",
    "nitf/imaging-nitf__001_006_64x64_s_8_1_mono_jp2.ntf",
    "nitf/imaging-nitf__LUinBand2.ntf",
    "nitf/imaging-nitf__TimeStep103498.ntf.r5",
    "nitf/imaging-nitf__WithBE.ntf",
    "nitf/imaging-nitf__i_3034f.ntf",
    "nitf/imaging-nitf__i_3051e.ntf",
    "nitf/imaging-nitf__i_3301h.ntf",
    "nitf/imaging-nitf__ns3050a.nsf",
    "nitf/imaging-nitf__ns3301e.nsf",
    "nitf/imaging-nitf__ns3301j.nsf",
    "nitf/imaging-nitf__ns3321a.nsf",
    "nitf/imaging-nitf__rgb16_11ABPP.ntf",
    "nitf/imaging-nitf__test_des_read.ntf",
    "nitf/imaging-nitf__two_images_jpeg.ntf",
    "nitf/osml-imagery-io__nitf21-8x8-1band-8bit-nc.ntf",
    "nitf/shareloc__wv3_20.NTF",
    "sicd_sidd/gdal__sar_sicd.ntf",
    "sicd_sidd/sarpy__iq.nitf",
    "sicd_sidd/six-library__cropped_sicd_040.nitf",
    "sicd_sidd/six-library__cropped_sicd_120.nitf",
    "sicd_sidd/six-library__cropped_sicd_extra_des.nitf",
    "sicd_sidd/six-library__cropped_sidd.nitf",
)
COMPUTED = {"FL", "HL", "CLEVEL", "IDLVL"}
"""Fields that a copy has of its own, where its parent's were wrong."""


def gdal_pixels(path):
    """All images as GDAL reads them, or that it does not."""
    try:
        with rasterio.open(path, driver="NITF") as dataset:
            names = dataset.subdatasets or [path]
        pixels = []
        for name in names:
            with rasterio.open(name) as dataset:
                pixels.append(dataset.read() if dataset.count else None)
    except (RasterioError, ValueError) as error:
        return type(error).__name__
    return pixels


def alike(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    return len(ours) == len(theirs) and all(
        (one is None and other is None) or np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
        for one, other in zip(ours, theirs, strict=True)
    )


def same_fields(ours, theirs):
    return {name: text for name, text in ours.items() if name not in COMPUTED} == {
        name: text for name, text in theirs.items() if name not in COMPUTED
    }


@pytest.mark.parametrize("name", SHARE)
def test_a_copy_has_all_that_its_parent_has(real_data, tmp_path, name, caplog):
    caplog.set_level(logging.CRITICAL, "jbpy")
    path, copy = real_data / name, tmp_path / "copy.ntf"
    parent = read_nitf(path)
    write_nitf(copy, parent)
    found = read_nitf(copy)

    assert (found.version, found.tres) == (parent.version, parent.tres)
    assert same_fields(found.fields, parent.fields)
    for group in ("images", "graphics", "texts", "extensions"):
        for ours, theirs in zip(getattr(found, group), getattr(parent, group), strict=True):
            assert same_fields(ours.fields, theirs.fields)
            if group == "images":
                assert ours.tres == theirs.tres
            else:
                assert ours.data == theirs.data
    theirs = jbpy_of(copy.read_bytes())
    assert theirs["FileHeader"]["FL"].value == copy.stat().st_size
    assert alike(gdal_pixels(copy), gdal_pixels(path))
    assert nitf_info(copy)["version"] == parent.version


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nitf/six-library__GHSarNITF21_good.ntf", "'PATCHB' of 121 bytes leaves its area"),
        ("hostile/gdal__U_0002A.NTF", "begins with 'NITF01.10'"),
    ],
)
def test_what_a_copy_could_not_keep_is_refused(real_data, name, message):
    with pytest.raises(DecodeError, match=message):
        read_nitf(real_data / name)


RECODED = (
    "nitf/imaging-nitf__i_3301h.ntf",
    "sicd_sidd/six-library__sicd_1.1.0.nitf",
)


@pytest.mark.parametrize("name", RECODED)
def test_an_image_whose_storage_is_changed_is_encoded_anew(real_data, tmp_path, name):
    path, copy = real_data / name, tmp_path / "copy.ntf"
    parent = read_nitf(path)
    image = parent.images[0]
    wanted = {"B": "P", "P": "B", "R": "B"}[image.fields["IMODE"]]
    changed = NitfImage(
        pixels=image.pixels, fields={**image.fields, "IMODE": wanted}, tres=image.tres, stored=image.stored
    )
    out = io.BytesIO()
    write_nitf(out, type(parent)(version=parent.version, fields=parent.fields, images=(changed,)))
    copy.write_bytes(out.getvalue())

    assert read_nitf(copy).images[0].fields["IMODE"] == wanted
    assert alike(gdal_pixels(copy), gdal_pixels(path))


def test_pixels_are_read_from_memory_as_from_the_file(real_data):
    path = real_data / "nitf/imaging-nitf__two_images_jpeg.ntf"
    named, held = read_nitf(path), read_nitf(path.read_bytes())
    for ours, theirs in zip(held.images, named.images, strict=True):
        window = PixelWindow(0, 0, ours.pixels.num_columns, ours.pixels.num_rows)
        np.testing.assert_array_equal(ours.pixels.read(window).pixels, theirs.pixels.read(window).pixels)


# ---- SICD and SIDD


def consistency(path, checker):
    """What sarkit's checker finds wrong."""
    with path.open("rb") as file:
        checks = checker.from_file(file)
        checks.check()
    return {name for name, result in checks.failures().items() if result}


@pytest.mark.parametrize("name", ["six-library__cropped_sicd_110.nitf", "six-library__sicd_1.1.0.nitf"])
def test_a_copied_sicd_is_one_for_sarkit(real_data, tmp_path, name):
    sicd = pytest.importorskip("sarkit.sicd")
    verification = pytest.importorskip("sarkit.verification")
    path, copy = real_data / "sicd_sidd" / name, tmp_path / "copy.nitf"
    write_nitf(copy, read_nitf(path))
    with path.open("rb") as one, copy.open("rb") as other:
        parent, found = sicd.NitfReader(one), sicd.NitfReader(other)
        np.testing.assert_array_equal(found.read_image(), parent.read_image())
        xml = found.metadata.xmltree
        assert xml.getroot().tag == parent.metadata.xmltree.getroot().tag
        namespace = xml.getroot().nsmap[None]
    schema = sicd.VERSION_INFO[namespace]["schema"]
    from lxml import etree

    valid = etree.XMLSchema(file=str(schema))
    assert valid.validate(xml) == valid.validate(parent.metadata.xmltree)
    assert consistency(copy, verification.SicdConsistency) <= consistency(path, verification.SicdConsistency)
