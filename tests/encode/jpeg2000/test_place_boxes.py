"""The GeoTIFF in a JP2: made once for a CRS, and the same as one made for the image."""

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.encode.jpeg2000.boxes import _degenerate_geotiff, _written_geotiff
from stacchip_osml.encode.placement import Placement

SIZES = st.floats(1e-9, 1e6)
PLACES = st.floats(-1e8, 1e8)


@given(width=SIZES, height=SIZES, x=PLACES, y=PLACES, crs=st.sampled_from(["EPSG:32632", "EPSG:4326"]))
def test_north_up_places_are_filled_in(width, height, x, y, crs):
    placement = Placement(transform=Affine(width, 0, x, 0, -height, y), crs=crs)

    assert _degenerate_geotiff(placement) == _written_geotiff(placement)


@pytest.mark.parametrize(
    "matrix", [(1, 0, 2, 0, 3, 4), (-1, 0, 2, 0, -3, 4), (1, 0.5, 2, 0, -3, 4), (0, 1, 2, 1, 0, 4)]
)
def test_others_are_written_as_they_are(matrix):
    placement = Placement(transform=Affine(*matrix), crs="EPSG:32632")

    assert _degenerate_geotiff(placement) == _written_geotiff(placement)
