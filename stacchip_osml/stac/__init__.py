"""STAC in and out: items from anywhere, the facts of their images, chips as items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.stac.api import search_api as search_api
    from stacchip_osml.stac.collect import iter_items as iter_items
    from stacchip_osml.stac.documents import FetchLimits as FetchLimits
    from stacchip_osml.stac.export import chip_to_item as chip_to_item
    from stacchip_osml.stac.facts import HeaderReader as HeaderReader
    from stacchip_osml.stac.facts import image_assets as image_assets
    from stacchip_osml.stac.facts import source_images as source_images
    from stacchip_osml.stac.from_image import item_from_header as item_from_header
    from stacchip_osml.stac.from_image import item_from_image as item_from_image
    from stacchip_osml.stac.hrefs import TRUSTED as TRUSTED
    from stacchip_osml.stac.hrefs import alternate_href as alternate_href
    from stacchip_osml.stac.hrefs import resolve_href as resolve_href
    from stacchip_osml.stac.items import StacItem as StacItem
    from stacchip_osml.stac.items import parse_datetime as parse_datetime
    from stacchip_osml.stac.source import SourceBand as SourceBand
    from stacchip_osml.stac.source import SourceImage as SourceImage

HOME = {
    "TRUSTED": "hrefs",
    "FetchLimits": "documents",
    "HeaderReader": "facts",
    "SourceBand": "source",
    "SourceImage": "source",
    "StacItem": "items",
    "alternate_href": "hrefs",
    "chip_to_item": "export",
    "image_assets": "facts",
    "item_from_header": "from_image",
    "item_from_image": "from_image",
    "iter_items": "collect",
    "parse_datetime": "items",
    "resolve_href": "hrefs",
    "search_api": "api",
    "source_images": "facts",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
