"""From one STAC item to the grid its chips are cut on: which assets, which reference, where on the ground."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stacchip_osml.chain import ChainDefinition, align_step
from stacchip_osml.errors import ChainError, ItemError
from stacchip_osml.geometry import Locator, ring_geometry
from stacchip_osml.geometry.ground import place_and_gsd
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.index.headers import AssetHeader
from stacchip_osml.index.rows import GridPlan
from stacchip_osml.index.statistics import QualityBand
from stacchip_osml.stac.crs import same_crs
from stacchip_osml.stac.facts import image_assets, source_images
from stacchip_osml.stac.grids import relative_grid
from stacchip_osml.stac.hrefs import is_remote
from stacchip_osml.stac.image_place import SensorReader
from stacchip_osml.stac.items import StacItem
from stacchip_osml.stac.source import SourceImage

__all__ = ["AssetChoice", "ItemPlan", "plan_item"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetChoice:
    """What a caller decides about the assets of every item."""

    assets: tuple[str, ...] | None = None
    """Keys to cut together, in band order; None = every image asset of the item."""
    reference: str | None = None
    """The asset whose grid counts; None = the one with the smallest pixels."""
    steps: ChainDefinition = ()
    """Processing chain beside the alignment."""
    resampling: Mapping[str, str] | str | None = None
    """Method for all assets, or by asset key; None = nearest for classes, ``auto`` for measurements."""
    quality: QualityBand | None = None
    alternate: str | None = None
    """Preferred alternate href, for example ``s3``."""

    def __post_init__(self) -> None:
        named = self.resampling if isinstance(self.resampling, Mapping) else {}
        strange = sorted(set(named) - set(named if self.assets is None else self.assets))
        if strange:
            raise ChainError(f"resampling names {', '.join(strange)}, which is not among the assets {self.assets}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """One item, ready to be cut into rows."""

    grid: GridPlan
    chain: ChainDefinition
    headers: tuple[AssetHeader, ...]
    quality: SourceImage | None
    """The quality band's image, where fractions are asked for."""
    place: int
    """Hilbert index of the item's centre."""


def plan_item(
    item: StacItem,
    choice: AssetChoice,
    *,
    read_header: Callable[[str], ImageHeader] | None,
    read_sensor: SensorReader | None = None,
) -> ItemPlan:
    """Decide how one item is cut.

    Args:
        item: the item.
        choice: what is wanted of it.
        read_header: opens the file of an asset whose item says too little; None: nothing is opened.
        read_sensor: reads the sensor metadata of such a NITF file; the default signs no URL.

    Raises:
        ItemError: no usable asset, assets that cannot be cut together, or facts that contradict.
        ReadError: a header had to be read and could not be.
    """
    wanted = choice.assets or image_assets(item)
    for key in wanted:
        if "," in key:
            raise item.error(
                f"asset {key!r} has a comma in its key, and rows part keys by commas; rename it in the item"
            )
    keys = list(wanted)
    for extra in (choice.reference, choice.quality.asset if choice.quality else None):
        if extra is not None and extra not in keys:
            keys.append(extra)
    found = {
        image.asset_key: image
        for image in source_images(
            item, assets=keys, read_header=read_header, read_sensor=read_sensor, alternate=choice.alternate
        )
    }
    images = [found[key] for key in wanted]
    reference = found[choice.reference] if choice.reference else _finest(images)
    quality = found[choice.quality.asset] if choice.quality else None
    aligned = [_require_together(item, image, reference) for image in (*images, *([quality] if quality else []))]
    locate, footprint = _locator(item, reference)
    place, gsd = (0, reference.gsd) if locate is None else place_and_gsd(reference.size, locate)
    return ItemPlan(
        grid=GridPlan(
            collection=item.collection or None,
            item_id=item.id,
            datetime_us=_micros(item.datetime),
            interval_us=None if item.interval is None else (_micros(item.interval[0]), _micros(item.interval[1])),
            assets=tuple(wanted),
            reference=reference,
            locate=locate,
            footprint=footprint,
            gsd=gsd,
            outline=_outline(item) if footprint == "item" else None,
        ),
        chain=_chain(images, choice, aligned=all(aligned[: len(images)])),
        headers=tuple(
            AssetHeader(collection=item.collection or None, item_id=item.id, image=_stamped(image), place=place)
            for image in found.values()
        ),
        quality=quality,
        place=place,
    )


def _micros(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _stamped(image: SourceImage) -> SourceImage:
    """Note size and time of a local file, by which a change is found before its pixels are read."""
    if image.modified_ns is not None or is_remote(image.location):
        return image
    try:
        found = Path(image.location).stat()
    except OSError:
        return image
    return replace(image, size_bytes=found.st_size, modified_ns=found.st_mtime_ns)


def _finest(images: Sequence[SourceImage]) -> SourceImage:
    """Choose the smallest pixel; where some have no transform, the most pixels; the first of equals."""

    def coarseness(image: SourceImage) -> float:
        return 1.0 / (image.size.width * image.size.height)

    def pixel_area(image: SourceImage) -> float:
        assert image.transform is not None  # noqa: S101 - asked of images that have one only
        a, b, _, d, e, _ = image.transform
        # areas of one resolution differ in their last digits between assets
        return float(f"{abs(a * e - b * d):.9g}")

    projected = all(image.transform is not None for image in images)
    return min(images, key=pixel_area if projected else coarseness)


def _require_together(item: StacItem, image: SourceImage, reference: SourceImage) -> bool:
    """Check that an image can be brought to the reference grid; tell whether it already is on it."""
    if image.transform is not None and not same_crs(image.crs, reference.crs):
        raise item.error(
            f"asset {image.asset_key!r} is in {image.crs}, {reference.asset_key!r} in {reference.crs}: "
            "assets of different CRS cannot be cut together; name the assets"
        )
    try:
        start, step = relative_grid(reference, image)
    except ItemError as error:
        raise item.error(str(error)) from error
    return start == (0.0, 0.0) and step == (1.0, 1.0) and image.size == reference.size


def _locator(item: StacItem, image: SourceImage) -> tuple[Locator | None, str | None]:
    placing = image.placing()
    if placing is not None:
        return placing.locator, placing.footprint
    return None, "item" if item.geometry is not None else None


def _outline(item: StacItem) -> tuple[bytes, tuple[float, float, float, float]]:
    import shapely
    from shapely.geometry import shape

    try:
        geometry = shapely.force_2d(shape(item.geometry))
    except (
        shapely.errors.ShapelyError, AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError,
    ) as error:  # fmt: skip
        raise item.error(f"geometry is not GeoJSON: {error}") from error
    if geometry.is_empty:
        raise item.error("geometry is empty, and the image says nothing of where it is")
    west, south, east, north = shapely.bounds(geometry).tolist()
    if not (-90 <= south <= north <= 90 and -540 <= west <= east <= 540):
        raise item.error(f"geometry is not in degrees of longitude and latitude: {geometry.wkt:.120}")
    if east - west > 180 or west < -180 or east > 180:
        geometry = _cut(geometry, item.bbox)
    west, south, east, north = shapely.bounds(geometry).tolist()
    return bytes(shapely.to_wkb(geometry, byte_order=1)), (west, south, east, north)


def _cut(geometry: Any, bbox: tuple[float, ...] | None) -> Any:
    """Cut polygons at the antimeridian that go past it, or whose box, west above east, says that they cross it."""
    import shapely

    crosses = bbox is not None and bbox[0] > bbox[len(bbox) // 2]
    parts = []
    for part in shapely.get_parts(geometry):
        west, _, east, _ = shapely.bounds(part)
        jumps = crosses and east - west > 180
        if part.geom_type == "Polygon" and (jumps or west < -180 or east > 180):
            part = ring_geometry(*shapely.get_coordinates(part.exterior).T, continuous=not jumps)  # noqa: PLW2901
        parts.append(part)
    return shapely.union_all(parts) if len(parts) > 1 else parts[0]


def _chain(images: Sequence[SourceImage], choice: AssetChoice, *, aligned: bool) -> ChainDefinition:
    stated = any(step.get("step") == "align" for step in choice.steps)
    if stated and choice.resampling is not None:
        raise ChainError("resampling is stated twice: by the chain's align step and by resampling=")
    if stated or (aligned and choice.resampling is None):
        return choice.steps
    default = choice.resampling if isinstance(choice.resampling, str) else "auto"
    methods = {image.asset_key: "nearest" for image in images if image.is_classes}
    if isinstance(choice.resampling, Mapping):
        methods |= choice.resampling
    return (align_step(default=default, methods=methods), *choice.steps)
