import subprocess
import sys

import pytest

import stacchip_osml.imagery as room


def test_importing_the_room_imports_no_gdal_and_no_opencv():
    heavy = "import sys, stacchip_osml.imagery; sys.exit(any(m in sys.modules for m in ('rasterio', 'cv2', 'obstore')))"

    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0


def test_every_public_name_is_there():
    for name in room.__all__:
        assert getattr(getattr(room, name), "__module__", "").startswith(("stacchip_osml.imagery", "collections.abc"))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = room.nothing
