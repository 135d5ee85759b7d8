"""How the pixel grids of one item's assets lie on each other: pure affine arithmetic."""

from __future__ import annotations

from stacchip_osml.errors import ItemError
from stacchip_osml.stac.source import SourceImage

__all__ = ["relative_grid"]


def relative_grid(reference: SourceImage, source: SourceImage) -> tuple[tuple[float, float], tuple[float, float]]:
    """Express the reference's pixel grid in pixels of another asset of the same item.

    Returns:
        ``(start, step)``, each ``(x, y)``: reference pixel edge ``p`` lies at ``start + p * step``.

    Raises:
        ItemError: the two are rotated against each other, mirrored, or in different frames.
    """
    if source.transform == reference.transform and source.size == reference.size:
        return (0.0, 0.0), (1.0, 1.0)
    if source.transform is None or reference.transform is None:
        if source.transform is reference.transform:
            return (0.0, 0.0), (source.size.width / reference.size.width, source.size.height / reference.size.height)
        raise ItemError(
            f"asset {source.asset_key!r} and {reference.asset_key!r} cannot be cut together: "
            "only one of them has a transform; name the assets"
        )
    a, b, c, d, e, f = source.transform
    ra, rb, rc, rd, re, rf = reference.transform
    scale = a * e - b * d
    # the inverse of the source transform, after the reference transform
    xx, xy, x0 = (e * ra - b * rd) / scale, (e * rb - b * re) / scale, (e * (rc - c) - b * (rf - f)) / scale
    yx, yy, y0 = (a * rd - d * ra) / scale, (a * re - d * rb) / scale, (a * (rf - f) - d * (rc - c)) / scale
    drift = max(abs(xy) * reference.size.height, abs(yx) * reference.size.width)
    if drift > 1e-3 or xx <= 0 or yy <= 0:
        raise ItemError(
            f"asset {source.asset_key!r} is rotated or mirrored against {reference.asset_key!r}: "
            "they cannot be cut together; name the assets"
        )
    return (_snap(x0, 1e-6), _snap(y0, 1e-6)), (_snap(xx, 1e-12), _snap(yy, 1e-12))


def _snap(value: float, tolerance: float) -> float:
    """Undo the rounding of a subtraction of map coordinates: 1e-6 px is below any transform's precision."""
    for nearest in (round(value), 1 / round(1 / value) if 0 < value < 1 else 0.0):
        if abs(value - nearest) <= tolerance:
            return float(nearest)
    return value
