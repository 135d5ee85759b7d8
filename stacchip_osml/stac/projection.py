"""The projection extension read as facts: size, affine, CRS of one asset.

Rules: an asset's own field wins over the item's. A grid is inherited as a
whole: where an asset states its own shape, the item's transform belongs to
another grid and is not taken (the bounding box still is); likewise the other
way. Nor is the item's grid taken where an asset states a pixel size
(``raster:spatial_resolution``) that is far from it. A CRS is one fact in four
spellings: any spelling at the asset hides all spellings at the item. Nothing
is guessed: values of one level that contradict each other are an error, and a
GDAL geotransform in place of the affine is named as what it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacchip_osml.pixel import ImageSize
from stacchip_osml.stac.crs import crs_from_projection, is_metric

__all__ = ["Affine6", "Grid", "corner_points", "has_own_grid", "read_grid"]

Affine6 = tuple[float, float, float, float, float, float]

_CRS_FIELDS = frozenset({"proj:code", "proj:epsg", "proj:wkt2", "proj:projjson"})
_OWN_FIELDS = _CRS_FIELDS | {"proj:shape", "proj:transform", "proj:bbox"}
_NUMBERS = frozenset({int, float})
_LEAST_ANGLE = 1e-9
"""Between an affine's axes, as a sine: below it an image is a line."""
_PLACE_ERROR = 1e3 * 2.0**-52
"""Of a coordinate, in float64, with three digits left for parts of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What an item says of an asset's pixel grid; None where it says nothing."""

    size: ImageSize | None
    transform: Affine6 | None
    crs: str | None
    is_unprojected: bool
    """The CRS is stated, and stated to be null: sensor geometry, or one without a code."""


def read_grid(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> Grid:
    """Read the pixel grid of an asset from its own and its item's projection fields.

    Raises:
        ValueError: a value is malformed, or two contradict each other; the message names the fields.
    """
    crs, is_unprojected = _crs(asset, properties)
    shape, transform, bbox = asset.get("proj:shape"), asset.get("proj:transform"), asset.get("proj:bbox")
    item_shape, item_transform = properties.get("proj:shape"), properties.get("proj:transform")
    if shape is None and transform is None and _is_other_resolution(asset, properties, crs):
        return Grid(size=None, transform=None, crs=crs, is_unprojected=is_unprojected)
    # Asset and item state one grid unless the asset's own field differs from the item's.
    if (shape is None or shape == item_shape) and (transform is None or transform == item_transform):
        shape, transform = shape or item_shape, transform or item_transform
    own_bbox = bbox is not None
    bbox = bbox if own_bbox else properties.get("proj:bbox")
    size = None if shape is None else _size(shape)
    affine = None if transform is None else _affine(transform)
    box = None if bbox is None else _box(bbox)
    if size is not None and affine is not None:
        # An item's box may span several assets: it judges only the item's own grid.
        stated_together = own_bbox or (shape == item_shape and transform == item_transform)
        _require_consistent(size, affine, transform, box if stated_together else None)
    elif size is not None and box is not None:
        affine = _from_box(size, box)
    return Grid(size=size, transform=affine, crs=crs, is_unprojected=is_unprojected)


def has_own_grid(asset: Mapping[str, Any]) -> bool:
    """Whether an asset states anything that :func:`read_grid` looks at; the others of an item have one grid."""
    return not _OWN_FIELDS.isdisjoint(asset) or _resolution(asset) is not None


def _is_other_resolution(asset: Mapping[str, Any], properties: Mapping[str, Any], crs: str | None) -> bool:
    """Whether the asset's stated pixel size, in metres, is not that of the item's grid."""
    stated = _resolution(asset)
    shape, transform, bbox = (properties.get(name) for name in ("proj:shape", "proj:transform", "proj:bbox"))
    if stated is None or crs is None:
        return False
    if transform is not None:
        affine = _affine(transform)
    elif shape is not None and bbox is not None:
        affine = _from_box(_size(shape), _box(bbox))
    else:
        return False
    pixel = math.hypot(affine[0], affine[3])
    # A nominal resolution may be off by a tenth (MODIS: 500 for 463 m); another grid is off by a third or more.
    return not 0.75 < pixel / stated < 1.33 and is_metric(crs)


def _resolution(asset: Mapping[str, Any]) -> float | None:
    bands = asset.get("bands") or asset.get("raster:bands")
    places = [asset, bands[0]] if isinstance(bands, list) and bands and isinstance(bands[0], Mapping) else [asset]
    for fields in places:
        for name in ("raster:spatial_resolution", "spatial_resolution"):
            value = fields.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:
                return float(value)
    return None


def _crs(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> tuple[str | None, bool]:
    for fields in (asset, properties):
        if not _CRS_FIELDS.isdisjoint(fields):
            crs = crs_from_projection(fields)
            return crs, crs is None
    return None, False


def _numbers(name: str, value: object, lengths: tuple[int, ...]) -> list[float]:
    # By exact type: a bool is an int, and no number here.
    if not (isinstance(value, list | tuple) and len(value) in lengths and _NUMBERS.issuperset(map(type, value))):
        raise ValueError(f"{name} must be {' or '.join(map(str, lengths))} numbers, got {value!r:.120}")
    try:
        numbers = list(map(float, value))
    except OverflowError as error:
        raise ValueError(f"{name} holds a number beyond all floats") from error
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} holds a number that is not finite: {value!r:.120}")
    return numbers


def _size(value: object) -> ImageSize:
    rows, cols = _numbers("proj:shape", value, (2,))
    if not (rows.is_integer() and cols.is_integer() and 0 < rows < 2**31 and 0 < cols < 2**31):
        raise ValueError(f"proj:shape must be two whole numbers of 1 to 2**31 - 1 (rows, columns), got {value!r:.80}")
    return ImageSize(int(cols), int(rows))


def _affine(value: object) -> Affine6:
    numbers = _numbers("proj:transform", value, (6, 9))
    if len(numbers) == 9 and numbers[6:] != [0.0, 0.0, 1.0]:
        raise ValueError(f"proj:transform is not affine: its last row is {numbers[6:]}, expected [0, 0, 1]")
    a, b, c, d, e, f = numbers[:6]
    # Zeros where a geotransform has its rotations, and a corner's coordinates where the affine has pixel sizes.
    if c == e == 0.0 and b != 0.0 and f != 0.0 and max(abs(a / b), abs(d / f)) > 100:
        raise ValueError(_geotransform_message(value))
    return _with_places((a, b, c, d, e, f), f"proj:transform {value!r:.120}")


def _with_places(affine: Affine6, stated: str) -> Affine6:
    """Pass on an affine whose pixels have places of their own."""
    a, b, c, d, e, f = affine
    along, across = math.hypot(a, d), math.hypot(b, e)
    area = abs(a * e - b * d)
    if not area > _LEAST_ANGLE * along * across:  # also where a product is beyond all floats
        raise ValueError(f"{stated} maps the image to a line or a point")
    if max(abs(c), abs(f)) * _PLACE_ERROR > min(along, across):
        raise ValueError(f"{stated} lies too far off for its pixels to have places of their own")
    return affine


def _box(value: object) -> tuple[float, float, float, float]:
    numbers = _numbers("proj:bbox", value, (4, 6))
    half = len(numbers) // 2
    xmin, ymin, xmax, ymax = *numbers[:2], *numbers[half : half + 2]
    if not (xmin < xmax and ymin < ymax):
        raise ValueError(f"proj:bbox must be minimum x, minimum y, maximum x, maximum y, got {value!r:.120}")
    return xmin, ymin, xmax, ymax


def _from_box(size: ImageSize, box: tuple[float, float, float, float]) -> Affine6:
    xmin, ymin, xmax, ymax = box
    affine = ((xmax - xmin) / size.width, 0.0, xmin, 0.0, (ymin - ymax) / size.height, ymax)
    return _with_places(affine, f"proj:bbox {list(box)}")


def corner_points(size: ImageSize, transform: Affine6) -> list[tuple[float, float]]:
    """Give the CRS positions of the four image corners: upper-left, upper-right, lower-right, lower-left."""
    a, b, c, d, e, f = transform
    corners = ((0, 0), (size.width, 0), (size.width, size.height), (0, size.height))
    return [(a * col + b * row + c, d * col + e * row + f) for col, row in corners]


def _misfit(size: ImageSize, transform: Affine6, box: tuple[float, float, float, float]) -> float:
    """Give the largest distance between the image's bounds and the box, in pixels."""
    points = corner_points(size, transform)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    a, b, _, d, e, _ = transform
    across, down = abs(a) + abs(b), abs(d) + abs(e)
    return max(
        abs(min(xs) - box[0]) / across,
        abs(max(xs) - box[2]) / across,
        abs(min(ys) - box[1]) / down,
        abs(max(ys) - box[3]) / down,
    )


def _require_consistent(
    size: ImageSize, affine: Affine6, stated: Any, box: tuple[float, float, float, float] | None
) -> None:
    if box is None or _misfit(size, affine, box) <= 0.501:
        return
    c, a, b, f, d, e = affine
    if a * e != b * d and _misfit(size, (a, b, c, d, e, f), box) <= 0.501:
        raise ValueError(_geotransform_message(stated))
    raise ValueError(
        f"proj:transform {list(affine)} and proj:shape [{size.height}, {size.width}] contradict proj:bbox {list(box)}"
        f" by {_misfit(size, affine, box):.3g} pixels"
    )


def _geotransform_message(value: object) -> str:
    return (
        f"proj:transform {value!r:.120} is a GDAL geotransform; expected the affine in row-major order"
        " (pixel width, row rotation, x of the corner, column rotation, pixel height, y of the corner)"
    )
