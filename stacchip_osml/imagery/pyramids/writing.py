"""An image and all of its levels, as the assets of one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stacchip_osml.imagery.adapters.view import ProviderView, WithMetadata
from stacchip_osml.imagery.pyramids.builder import PyramidBuilder, require_target
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["write_pyramid"]


def write_pyramid(
    writer: Any,
    builder: PyramidBuilder,
    base_key: str = "image:0",
    file_metadata: Any | None = None,
    image_metadata_fn: Callable[[int], Any] | None = None,
    *,
    folder: Path | None = None,
) -> None:
    """Give a writer the base image and every level, as a file with overviews needs them.

    The base has the role ``data`` and is added first; the levels have the role ``overview``.

    Args:
        writer: takes ``add_asset(key, provider, title, description, roles)``; it reads providers when it likes.
        builder: of the levels; its source is the base image.
        base_key: key of the base image; levels are ``{base_key}:overview:1`` and so on.
        file_metadata: set as ``writer.metadata`` before anything is added; None leaves that alone.
        image_metadata_fn: gives the metadata of a level, 0 for the base; None for the source's.
        folder: of temporary files that hold the levels until they are written; None for the usual place.

    Raises:
        TypeError: an argument of another kind; nothing is added then.
        OSError: the temporary files do not fit on the disk.
        CancelledError, ReadError: as :meth:`PyramidBuilder.blocks`.
    """
    of_kind("builder", builder, PyramidBuilder, "a PyramidBuilder")
    require_target(writer, base_key, image_metadata_fn, folder)
    if file_metadata is not None:
        writer.metadata = file_metadata
    base = ProviderView(builder.source)
    if image_metadata_fn is not None:
        base = WithMetadata(builder.source, image_metadata_fn(0))
    writer.add_asset(base_key, base, base.title, base.description, ["data"])
    builder.build_and_write(writer, base_key, None, image_metadata_fn, folder=folder)
