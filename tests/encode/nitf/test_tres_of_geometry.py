"""What geometry reads of TREs stands where their layouts have it."""

import re

import pytest

from stacchip_osml.encode.nitf.tre_layouts import layouts_of
from stacchip_osml.geometry import raster_frames, tre_models

WIDTHS = {
    "ICHIPB": tre_models._ICHIPB,
    "CSCRNA": tre_models._CSCRNA,
    "BLOCKA": tre_models._BLOCKA,
    "RPC00A": tre_models._RPC,
    "RPC00B": tre_models._RPC,
}


def fields_of(tag):
    """Name → length; that of coefficients is of all twenty."""
    found = {}
    for field in layouts_of(tag)[0]({}):
        name = re.sub(r"COEFF_\d+", "COEFF", field.name)
        found[name] = found.get(name, 0) + field.length
    return found


@pytest.mark.parametrize("tag", WIDTHS)
def test_widths_are_those_of_the_layout(tag):
    ours = {name.lower(): length for name, length in WIDTHS[tag].items()}
    theirs = {name.lower(): length for name, length in fields_of(tag).items()}

    assert list(ours.items()) == list(theirs.items())


def places_of(tag, values):
    at, found = 0, {}
    for field in layouts_of(tag)[0](values):
        found[field.name] = at, at + field.length
        at += field.length
    return found


def test_slices_are_those_of_the_layout():
    geopsb, geolob, maplob = (places_of(tag, {}) for tag in ("GEOPSB", "GEOLOB", "MAPLOB"))
    prjpsb = places_of("PRJPSB", {"NUM_PRJ": "3"})

    assert geopsb["DCD"] == (86, 90)
    assert geolob == {"ARV": (0, 9), "BRV": (9, 18), "LSO": (18, 33), "PSO": (33, 48)}
    assert maplob == {"UNILOA": (0, 3), "LOD": (3, 8), "LAD": (8, 13), "LSO": (13, 28), "PSO": (28, 43)}
    assert (prjpsb["PCO"], prjpsb["NUM_PRJ"]) == ((80, 82), (82, 83))
    assert [prjpsb[name] for name in ("PRJ1", "PRJ2", "PRJ3", "XOR", "YOR")] == [
        (83 + 15 * number, 98 + 15 * number) for number in range(5)
    ]
    header = places_of("RPFHDR", {})
    assert raster_frames.HEADER.size == header["LOCATION_SECTION_LOCATION"][1] == 48
    assert header["FILENAME"] == (3, 15)
