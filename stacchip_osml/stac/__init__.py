"""STAC in and out: items from anywhere, the facts of their images, chips as items."""

from stacchip_osml.stac.api import search_api
from stacchip_osml.stac.collect import iter_items
from stacchip_osml.stac.documents import FetchLimits
from stacchip_osml.stac.export import chip_to_item
from stacchip_osml.stac.facts import HeaderReader, image_assets, source_images
from stacchip_osml.stac.from_image import item_from_header, item_from_image
from stacchip_osml.stac.hrefs import TRUSTED, alternate_href, resolve_href
from stacchip_osml.stac.items import StacItem, parse_datetime
from stacchip_osml.stac.source import SourceBand, SourceImage

__all__ = [
    "TRUSTED",
    "FetchLimits",
    "HeaderReader",
    "SourceBand",
    "SourceImage",
    "StacItem",
    "alternate_href",
    "chip_to_item",
    "image_assets",
    "item_from_header",
    "item_from_image",
    "iter_items",
    "parse_datetime",
    "resolve_href",
    "search_api",
    "source_images",
]
