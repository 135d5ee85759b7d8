"""What kinds of assets a dataset has, and what types a pixel."""

from __future__ import annotations

from enum import Enum, StrEnum

__all__ = ["AssetType", "PixelType"]


class AssetType(StrEnum):
    """A kind of asset; equal to its lower-case name."""

    Image = "image"
    Text = "text"
    Data = "data"
    Graphics = "graphics"


class PixelType(Enum):
    """A type of pixels, by numpy's name."""

    UInt8 = "uint8"
    Int8 = "int8"
    UInt16 = "uint16"
    Int16 = "int16"
    UInt32 = "uint32"
    Int32 = "int32"
    UInt64 = "uint64"
    Int64 = "int64"
    Float16 = "float16"
    Float32 = "float32"
    Float64 = "float64"
    Complex64 = "complex64"
    Complex128 = "complex128"
    Bool = "bool"

    def to_numpy_dtype(self) -> str:
        """Give numpy's name of it."""
        return self.value

    def bytes_per_pixel(self) -> int:
        """Count the bytes of one sample."""
        import numpy as np

        return np.dtype(self.value).itemsize
