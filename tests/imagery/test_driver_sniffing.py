import pytest

from stacchip_osml.imagery.format import sniff_driver


@pytest.mark.parametrize(
    ("head", "driver"),
    [
        (b"II\x2a\x00\x08\x00\x00\x00", "GTiff"),
        (b"MM\x00\x2a\x00\x00\x00\x08", "GTiff"),
        (b"II\x2b\x00\x08\x00\x00\x00\x10", "GTiff"),
        (b"MM\x00\x2b\x00\x08\x00\x00", "GTiff"),
        (b"NITF02.10", "NITF"),
        (b"NITF02.00", "NITF"),
        (b"NSIF01.00", "NITF"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
        (b"\xff\x4f\xff\x51\x00\x2f", "JP2OpenJPEG"),
        (b"\x89PNG\r\n\x1a\n\x00", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"<VRTDataset>", None),
        (b"<?xml version='1.0'?>", None),
        (b"\x89HDF\r\n\x1a\n", None),
        (b"PK\x03\x04", None),
        (b"GTIFF_DIR:1:x", None),
        (b"II\x2b\x00\x04\x00\x00\x00", None),
        (b"II\x2a", None),
        (b"", None),
    ],
)
def test_the_driver_follows_from_the_magic_bytes_alone(head, driver):
    assert sniff_driver(head) == driver
