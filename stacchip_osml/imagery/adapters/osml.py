"""Our providers as ``aws.osml.io`` assets, for that library's writers (extra ``osml``).

Its assets need nothing to be providers here. The other way round its writers
take any object with the attributes that ours have, but ``pixel_value_type``
must be one of their own ``PixelType``; that is all that is changed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stacchip_osml.errors import EncodeError, MissingExtraError
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.facts import dtype_of, key_of, read_block
from stacchip_osml.imagery.providers.protocol import Pixels

__all__ = ["OsmlImageProvider"]

PIXEL_TYPES = {
    "uint8": "UInt8",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
"""numpy's name → that of ``aws.osml.io.PixelType``; it has no others."""


class OsmlImageProvider(ProviderView):
    """The source, as ``DatasetWriter.add_asset`` takes it."""

    pixel_identity = ProviderView.pixel_identity  # said anew: the pixels are the same

    def __init__(self, source: Any) -> None:
        """Show ``source`` to ``aws.osml.io``.

        Args:
            source: any object of the image provider protocol.

        Raises:
            EncodeError: its pixels are of a type that ``aws.osml.io`` does not have (complex, 64-bit integers).
        """
        super().__init__(source)
        name = dtype_of(source).name
        if name not in PIXEL_TYPES:
            raise EncodeError(f"{key_of(source)}: aws.osml.io has no pixels of type {name}")

    @property
    def pixel_value_type(self) -> Any:
        """An ``aws.osml.io.PixelType``.

        Raises:
            MissingExtraError: ``aws.osml.io`` is not installed.
        """
        try:
            from aws.osml.io import PixelType
        except ImportError as error:
            raise MissingExtraError("osml", purpose="writing with aws.osml.io") from error
        return getattr(PixelType, PIXEL_TYPES[dtype_of(self.source).name])

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, contiguous, as that library needs it. See :meth:`ProviderView.get_block`."""
        return np.ascontiguousarray(read_block(self.source, block_row, block_col, resolution_level, bands))
