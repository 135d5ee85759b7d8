"""imagecodecs, imported when it is first needed.

As ``Any``: its declared types know ``bytes``, where its functions take any buffer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["codec_library"]


@cache
def codec_library() -> Any:
    """Give the module; its functions work without Python's lock and raise errors of their own."""
    import imagecodecs

    return imagecodecs
