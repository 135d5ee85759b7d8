"""Statistics as GDAL keeps them: real GDAL writes what is read here, and reads what is written."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import Affine

from stacchip_osml.chain import (
    compute_statistics,
    merge_statistics,
    statistics_from_gdal_metadata,
    statistics_to_gdal_metadata,
)

FIELDS = ("min", "max", "mean", "stddev", "count", "m2")


def scene(dtype="uint8", bands=2):
    return np.random.default_rng(0).integers(3, 90, (bands, 40, 50)).astype(dtype)


def item(name, text, sample=0):
    return f'<Item name="STATISTICS_{name}" sample="{sample}">{text}</Item>'


def document(*items):
    return f"<GDALMetadata>{''.join(items)}</GDALMetadata>"


MOMENTS = (item("MINIMUM", 1), item("MAXIMUM", 9), item("MEAN", 4), item("STDDEV", 2))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
@pytest.mark.parametrize("edges", [None, [0.0, 1.5, 40.0, 100.0]])
def test_what_is_written_is_read_back_the_same(dtype, edges):
    stats = compute_statistics(scene(dtype), bin_edges=edges)

    found = statistics_from_gdal_metadata({"GDAL_METADATA": statistics_to_gdal_metadata(stats)})

    assert len(found.bands) == 2
    for a, b in zip(found.bands, stats.bands, strict=True):
        assert [getattr(a, name) for name in FIELDS] == [getattr(b, name) for name in FIELDS]
        np.testing.assert_array_equal(a.histogram, b.histogram)
        np.testing.assert_array_equal(a.bin_edges, b.bin_edges)
    assert merge_statistics([found, stats]).bands[0].count == 2 * stats.bands[0].count


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=9),
    st.integers(1, 40),
    st.floats(0.01, 1),
)
def test_any_numbers_survive_the_text(values, num_bins, rate):
    image = np.array([[values]], np.float32)
    stats = compute_statistics(image, num_bins)
    stats = type(stats)(stats.bands, rate)

    found = statistics_from_gdal_metadata(statistics_to_gdal_metadata(stats))

    assert found.sample_rate == rate
    assert [getattr(found.bands[0], n) for n in FIELDS] == [getattr(stats.bands[0], n) for n in FIELDS]
    np.testing.assert_array_equal(found.bands[0].bin_edges, stats.bands[0].bin_edges)


def test_gdal_reads_from_a_tiff_what_was_written(tmp_path):
    import tifffile

    stats = compute_statistics(scene())
    tifffile.imwrite(
        tmp_path / "a.tif",
        scene().transpose(1, 2, 0),
        photometric="minisblack",
        planarconfig="contig",
        extratags=[(42112, "s", 0, statistics_to_gdal_metadata(stats), True)],
    )

    with rasterio.open(tmp_path / "a.tif") as dataset:
        told = [dataset.tags(band) for band in (1, 2)]

    assert [float(tags["STATISTICS_MEAN"]) for tags in told] == [band.mean for band in stats.bands]
    again = statistics_from_gdal_metadata(told)
    np.testing.assert_array_equal(again.bands[1].histogram, stats.bands[1].histogram)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert statistics_from_gdal_metadata({"42112": file.pages[0].tags[42112].value}).bands[0].count == 2000


@pytest.fixture
def pam(tmp_path):
    """The text of an .aux.xml with the statistics and histogram that GDAL has computed of a band."""
    path = tmp_path / "b.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=50, height=40, count=1, dtype="uint8", transform=Affine.scale(2)
    ) as dataset:
        dataset.write(scene(bands=1))
    with rasterio.Env(GDAL_PAM_ENABLED="YES"), rasterio.open(path) as dataset:
        dataset.stats(approx=False)
    aux = path.with_name("b.tif.aux.xml")
    counts = "|".join(map(str, np.bincount(scene(bands=1).ravel(), minlength=256)))
    histogram = (
        "<Histograms><HistItem><HistMin>-0.5</HistMin><HistMax>255.5</HistMax><BucketCount>256</BucketCount>"
        f"<IncludeOutOfRange>0</IncludeOutOfRange><Approximate>0</Approximate><HistCounts>{counts}</HistCounts>"
        "</HistItem></Histograms>"
    )
    return aux.read_text(), histogram


def test_the_sidecar_that_gdal_writes_is_read(pam):
    text, histogram = pam
    (expected,) = compute_statistics(scene(bands=1)).bands

    (plain,) = statistics_from_gdal_metadata(text).bands
    (full,) = statistics_from_gdal_metadata(text.replace("<Metadata>", histogram + "<Metadata>", 1)).bands

    assert (plain.min, plain.max) == (expected.min, expected.max)
    assert plain.mean == pytest.approx(expected.mean)
    assert not plain.has_histogram
    np.testing.assert_array_equal(full.histogram, expected.histogram)
    np.testing.assert_array_equal(full.bin_edges, expected.bin_edges)


def test_items_of_bands_as_a_reader_gives_them_are_read(pam, tmp_path):
    with rasterio.open(tmp_path / "b.tif") as dataset:
        tags = dataset.tags(1)

    assert statistics_from_gdal_metadata(tags).bands[0].max == statistics_from_gdal_metadata([tags]).bands[0].max == 89


def test_bins_by_first_and_last_value_are_whole_numbers():
    """As the ERDAS driver writes them: HISTOMAX is the last value, and a bar ends the counts."""
    text = document(
        *MOMENTS,
        item("HISTOMIN", 0),
        item("HISTOMAX", 3),
        item("HISTONUMBINS", 4),
        item("HISTOBINVALUES", "1|2|0|4|"),
    )

    (band,) = statistics_from_gdal_metadata(text).bands

    assert band.bin_edges.tolist() == [0, 1, 2, 3, 4]
    assert (band.count, band.m2) == (7, 28)


def test_statistics_without_a_histogram_say_that_they_have_none():
    (band,) = statistics_from_gdal_metadata(document(*MOMENTS)).bands

    assert (band.min, band.max, band.mean, band.stddev, band.count) == (1, 9, 4, 2, 0)
    assert not band.has_histogram
    assert band.histogram.size == 0


HISTOGRAM = (item("HISTOMIN", 0), item("HISTOMAX", 3), item("HISTONUMBINS", 4), item("HISTOBINVALUES", "1|2|0|4"))
DEFECTS = {
    "not XML": "STATISTICS",
    "cut off": document(*MOMENTS)[:-5],
    "nothing in it": document(),
    "another root": "<Metadata>" + "".join(MOMENTS) + "</Metadata>",
    "a document type": "<!DOCTYPE GDALMetadata>" + document(*MOMENTS),
    "an entity": "<!DOCTYPE x [<!ENTITY a '1'>]>" + document(*MOMENTS).replace(">1<", ">&a;<"),
    "an external entity": "<!DOCTYPE x SYSTEM 'file:///etc/hostname'>" + document(*MOMENTS),
    "an entity nobody declared": document(*MOMENTS).replace(">1<", ">&a;<"),
    "a missing item": document(*MOMENTS[:3]),
    "a word for a number": document(item("MINIMUM", "low"), *MOMENTS[1:]),
    "not finite": document(item("MINIMUM", "-inf"), *MOMENTS[1:]),
    "NaN": document(*MOMENTS[:2], item("MEAN", "nan"), MOMENTS[3]),
    "extremes the wrong way round": document(item("MINIMUM", 10), *MOMENTS[1:]),
    "a mean beside the extremes": document(*MOMENTS[:2], item("MEAN", 40), MOMENTS[3]),
    "a negative deviation": document(*MOMENTS[:3], item("STDDEV", -1)),
    "a band left out": document(*MOMENTS) .replace('sample="0"', 'sample="1"'),
    "a negative band": document(*MOMENTS).replace('sample="0"', 'sample="-1"'),
    "a band beyond all": document(*MOMENTS, item("MINIMUM", 1, 10**9)),
    "too deep": "<a>" * 50 + "</a>" * 50,
    "other numbers of bins": document(*MOMENTS, *HISTOGRAM[:2], item("HISTONUMBINS", 5), HISTOGRAM[3]),
    "no number of bins": document(*MOMENTS, *HISTOGRAM[:2], HISTOGRAM[3]),
    "a negative count": document(*MOMENTS, *HISTOGRAM[:3], item("HISTOBINVALUES", "1|-2|0|4")),
    "a count beyond all": document(*MOMENTS, *HISTOGRAM[:3], item("HISTOBINVALUES", f"1|2|0|{10**30}")),
    "bins of no width": document(*MOMENTS, HISTOGRAM[0], item("HISTOMAX", 0), *HISTOGRAM[2:]),
    "another number of edges": document(*MOMENTS, *HISTOGRAM, item("HISTOBINEDGES", "0|1|2")),
    "a sample rate of none": document(*MOMENTS, item("SAMPLE_RATE", 0)),
    "a negative number of pixels": document(*MOMENTS, item("COUNT", -1)),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_whatever_is_wrong_there_are_no_statistics(name):
    assert statistics_from_gdal_metadata({"GDAL_METADATA": DEFECTS[name]}) is None


def test_the_documents_that_defects_are_made_of_are_sound():
    assert statistics_from_gdal_metadata(document(*MOMENTS, *HISTOGRAM)).bands[0].has_histogram


def test_a_document_too_large_is_not_looked_at():
    assert statistics_from_gdal_metadata(document(*MOMENTS) + " " * (1 << 24)) is None


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_raises(text):
    assert statistics_from_gdal_metadata({"42112": text}) is None


def test_a_mapping_without_statistics_has_none():
    assert statistics_from_gdal_metadata({}) is None
    assert statistics_from_gdal_metadata([]) is None
    assert statistics_from_gdal_metadata({"AREA_OR_POINT": "Area"}) is None


def test_nothing_is_written_of_a_band_in_which_nothing_was_counted():
    with pytest.raises(ValueError, match="band 0 has no statistics to write: 0 pixels"):
        statistics_to_gdal_metadata(compute_statistics(np.zeros((1, 2, 2), np.uint8), nodata=0))
