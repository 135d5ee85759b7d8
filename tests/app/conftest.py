"""A small catalog and its index."""

import pytest
from cli_scenes import make_item, run


@pytest.fixture(scope="session")
def two_dates(tmp_path_factory):
    """Paths of two items of one place."""
    folder = tmp_path_factory.mktemp("catalog")
    return [
        make_item(folder, "first", seed=1, date="2025-05-01T10:00:00Z"),
        make_item(folder, "second", seed=2, date="2025-08-01T10:00:00Z"),
    ]


@pytest.fixture(scope="session")
def index(two_dates, tmp_path_factory):
    """An index of 16 chips a date, half of them cloudy."""
    out = tmp_path_factory.mktemp("index") / "index.parquet"
    run("index", "build", *two_dates, out, "--chip-size", 16, "--assets", "red,nir", "--quality", "scl")
    return out
