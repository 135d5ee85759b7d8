"""Names of TIFF's tags and of their values.

References: TIFF 6.0, its Technical Notes, OGC GeoTIFF 1.1, GDAL's private tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

__all__ = ["TAG_KINDS", "TAG_NAMES", "VALUE_NAMES", "TagNameResolver"]

_TAGS = (
    (254, "NewSubfileType", "I"),
    (255, "SubfileType", "H"),
    (256, "ImageWidth", "I"),
    (257, "ImageLength", "I"),
    (258, "BitsPerSample", "H"),
    (259, "Compression", "H"),
    (262, "PhotometricInterpretation", "H"),
    (263, "Threshholding", "H"),
    (266, "FillOrder", "H"),
    (269, "DocumentName", "s"),
    (270, "ImageDescription", "s"),
    (271, "Make", "s"),
    (272, "Model", "s"),
    (273, "StripOffsets", "I"),
    (274, "Orientation", "H"),
    (277, "SamplesPerPixel", "H"),
    (278, "RowsPerStrip", "I"),
    (279, "StripByteCounts", "I"),
    (280, "MinSampleValue", "H"),
    (281, "MaxSampleValue", "H"),
    (282, "XResolution", "R"),
    (283, "YResolution", "R"),
    (284, "PlanarConfiguration", "H"),
    (285, "PageName", "s"),
    (286, "XPosition", "R"),
    (287, "YPosition", "R"),
    (296, "ResolutionUnit", "H"),
    (297, "PageNumber", "H"),
    (301, "TransferFunction", "H"),
    (305, "Software", "s"),
    (306, "DateTime", "s"),
    (315, "Artist", "s"),
    (316, "HostComputer", "s"),
    (317, "Predictor", "H"),
    (318, "WhitePoint", "R"),
    (319, "PrimaryChromaticities", "R"),
    (320, "ColorMap", "H"),
    (322, "TileWidth", "I"),
    (323, "TileLength", "I"),
    (324, "TileOffsets", "I"),
    (325, "TileByteCounts", "I"),
    (330, "SubIFDs", "I"),
    (332, "InkSet", "H"),
    (333, "InkNames", "s"),
    (336, "DotRange", "H"),
    (338, "ExtraSamples", "H"),
    (339, "SampleFormat", "H"),
    (340, "SMinSampleValue", "d"),
    (341, "SMaxSampleValue", "d"),
    (347, "JPEGTables", "U"),
    (529, "YCbCrCoefficients", "R"),
    (530, "YCbCrSubSampling", "H"),
    (531, "YCbCrPositioning", "H"),
    (532, "ReferenceBlackWhite", "R"),
    (700, "XMP", "B"),
    (33432, "Copyright", "s"),
    (33550, "ModelPixelScaleTag", "d"),
    (33723, "IPTC", "B"),
    (33922, "ModelTiepointTag", "d"),
    (34264, "ModelTransformationTag", "d"),
    (34377, "Photoshop", "B"),
    (34665, "ExifIFD", "I"),
    (34675, "ICCProfile", "U"),
    (34735, "GeoKeyDirectoryTag", "H"),
    (34736, "GeoDoubleParamsTag", "d"),
    (34737, "GeoAsciiParamsTag", "s"),
    (34853, "GPSInfoIFD", "I"),
    (42112, "GDAL_METADATA", "s"),
    (42113, "GDAL_NODATA", "s"),
    (50674, "LercParameters", "I"),
    (50844, "RPCCoefficientTag", "d"),
)

TAG_NAMES: Mapping[str, int] = {name: number for number, name, _ in _TAGS} | {"TileHeight": 323, "ImageHeight": 257}
"""Name → number; ``TileHeight`` and ``ImageHeight`` are everyday words for lengths."""
TAG_KINDS: Mapping[int, str] = {number: kind for number, _, kind in _TAGS}
"""Number → kind of its values, as in :data:`stacchip_osml.encode.tiff.file.Tags`."""

VALUE_NAMES: Mapping[int, Mapping[str, int]] = {
    259: {
        "None": 1,
        "CCITTRLE": 2,
        "CCITTFAX3": 3,
        "CCITTFAX4": 4,
        "LZW": 5,
        "OldJPEG": 6,
        "JPEG": 7,
        "Deflate": 8,
        "AdobeDeflate": 8,
        "PackBits": 32773,
        "OldDeflate": 32946,
        "JPEG2000": 34712,
        "LERC": 34887,
        "LZMA": 34925,
        "ZSTD": 50000,
        "WebP": 50001,
        "JPEGXL": 50002,
    },
    262: {
        "MinIsWhite": 0,
        "MinIsBlack": 1,
        "RGB": 2,
        "Palette": 3,
        "TransparencyMask": 4,
        "CMYK": 5,
        "YCbCr": 6,
        "CIELab": 8,
    },
    284: {"Chunky": 1, "Contig": 1, "Planar": 2, "Separate": 2},
    296: {"None": 1, "Inch": 2, "Centimeter": 3},
    317: {"None": 1, "Horizontal": 2, "FloatingPoint": 3},
    338: {"Unspecified": 0, "AssociatedAlpha": 1, "UnassociatedAlpha": 2},
    339: {"UInt": 1, "Int": 2, "IEEEFP": 3, "Void": 4, "ComplexInt": 5, "ComplexIEEEFP": 6},
}
"""Tag → what its numbers are called; where several are, the first is given out."""


class TagNameResolver:
    """Shows a mapping of numeric tags by their names; what has no name keeps its key.

    Values that have names may be set by them, in any case: ``resolver["Compression"] = "Deflate"`` puts 8 under
    ``"259"``. All else is kept as it is.
    """

    def __init__(self, tag_dict: MutableMapping[str, Any], custom_mapping: Mapping[str, int] | None = None) -> None:
        """Show ``tag_dict``, and change it.

        Args:
            tag_dict: tags by their numbers as text, ``{"259": 8}``.
            custom_mapping: names and numbers instead of ``TAG_NAMES``.
        """
        self._tags = tag_dict
        self._numbers = TAG_NAMES if custom_mapping is None else custom_mapping
        self._names = {number: name for name, number in reversed(list(self._numbers.items()))}

    def __getitem__(self, name: str) -> Any:
        """Give a tag's value as stored.

        Raises:
            KeyError: it is not there.
        """
        return self._tags[self._key(name)]

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a tag; the name of one of its values becomes its number."""
        key = self._key(name)
        self._tags[key] = _numbered(int(key), value) if key.isdecimal() else value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._key(name) in self._tags

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Give ``(name, value)`` of every tag."""
        return ((self._names.get(int(key), key) if key.isdecimal() else key, each) for key, each in self._tags.items())

    def __len__(self) -> int:
        return len(self._tags)

    def get(self, name: str, default: Any = None) -> Any:
        """Give a tag's value, ``default`` where it is not there."""
        return self._tags.get(self._key(name), default)

    def set(self, name: str, value: Any) -> None:
        """Set a tag, as ``resolver[name] = value`` does."""
        self[name] = value

    def by_number(self, tag_number: int) -> Any:
        """Give a tag's value by its number.

        Raises:
            KeyError: it is not there.
        """
        return self._tags[str(tag_number)]

    def readable(self, name: str) -> str:
        """Give a tag's value for people: ``Deflate``, ``Horizontal``, ``256``.

        Raises:
            KeyError: it is not there.
        """
        key, value = self._key(name), self[name]
        if not key.isdecimal() or int(key) not in VALUE_NAMES:
            return str(value)
        words = {number: word for word, number in reversed(list(VALUE_NAMES[int(key)].items()))}
        return words.get(int(value), str(value)) if str(value).isdecimal() else str(value)

    def _key(self, name: str) -> str:
        number = self._numbers.get(name)
        return name if number is None else str(number)


def _numbered(tag: int, value: Any) -> Any:
    """Give the number of a named value."""
    if not isinstance(value, str) or tag not in VALUE_NAMES:
        return value
    words = {word.lower(): number for word, number in VALUE_NAMES[tag].items()}
    return words.get(value.strip().lower(), value)
