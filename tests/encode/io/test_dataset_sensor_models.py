"""A dataset tells where its images are: the sensor model of each comes from its own segment."""

import numpy as np
import pytest

from stacchip_osml.encode import IO, imsave
from stacchip_osml.geometry import load_sensor_model

CORNERS = [(9.0, 50.0), (9.1, 50.0), (9.1, 49.9), (9.0, 49.9)]


@pytest.mark.parametrize("ending", ["tif", "ntf", "jp2"])
def test_the_model_of_a_dataset_is_that_of_its_first_image(ending, tmp_path):
    path = tmp_path / f"image.{ending}"
    imsave(path, np.zeros((40, 50), np.uint8), corners=CORNERS, crs="EPSG:4326")

    with IO.open([path], "r") as reader:
        model, same = load_sensor_model(reader), load_sensor_model(reader.get_asset("image:0"))

    for found in (model, same):
        lon, lat = found([0, 50, 50, 0], [0, 0, 40, 40])
        np.testing.assert_allclose(np.stack([lon, lat], axis=1), CORNERS, atol=1e-7)


def test_an_image_that_is_not_there_has_no_model(tmp_path):
    imsave(tmp_path / "a.tif", np.zeros((4, 5), np.uint8))

    with IO.open([tmp_path / "a.tif"], "r") as reader:
        assert load_sensor_model(reader) is None
        with pytest.raises(KeyError, match="image:7"):
            load_sensor_model(reader, "image:7")
