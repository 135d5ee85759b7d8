"""Where pixels are on the ground by others' hands: sarkit, the formula of RPC, corners as a header writes them."""

from __future__ import annotations

import re
from collections.abc import Callable

import lxml.etree
import numpy as np
import sarkit.sicd
import sarkit.sidd.calculations
import sarkit.wgs84
import shapely

Pixels = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
WIDTHS = (1, 7, 7, 6, 5, 8, 9, 5, 6, 5, 8, 9, 5, *[12] * 80)
"""Of the fields of RPC00A and RPC00B (STDI-0002, appendix E)."""
G = re.compile(r"(\d\d)(\d\d)(\d\d)([NS])(\d{3})(\d\d)(\d\d)([EW])")


def tree_of(xml: bytes):
    return lxml.etree.ElementTree(lxml.etree.fromstring(xml.strip(b"\0 \n")))


def sicd_pixels(xml: bytes) -> Pixels:
    """Find the (col, row) corner positions that see places at the scene centre's height."""
    tree = tree_of(re.sub(rb"urn:SICD:(0\.\d\.\d|1\.0\.\d|1\.2\.0)", b"urn:SICD:1.1.0", xml))
    for coefficient in tree.iterfind("{*}RMA/{*}INCA/{*}DRateSFPoly/{*}Coef"):
        if "exponent2" not in coefficient.attrib:  # of the drafts, which sarkit does not know, it has one variable
            coefficient.set("exponent2", "0")

    def number(path: str) -> float:
        return float(tree.findtext("/".join(f"{{*}}{name}" for name in path.split("/"))))

    height = number("GeoData/SCP/LLH/HAE")
    first = np.array([number("ImageData/FirstRow"), number("ImageData/FirstCol")])
    centre = np.array([number("ImageData/SCPPixel/Row"), number("ImageData/SCPPixel/Col")])
    spacing = np.array([number("Grid/Row/SS"), number("Grid/Col/SS")])

    def pixels(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = sarkit.wgs84.geodetic_to_cartesian(np.stack([lat, lon, np.full(np.shape(lon), height)], axis=-1))
        found, _, done = sarkit.sicd.scene_to_image(tree, place, delta_gp_s2i=1e-5, maxiter=40)
        assert done
        rows, cols = (found / spacing + centre - first + 0.5).T
        return cols, rows

    return pixels


def sidd_pixels(xml: bytes) -> Pixels:
    """Find pixels on the product's surface: by a map of its corners, and how far sarkit's ground is from there."""
    tree = tree_of(xml)
    rows, cols = (float(tree.findtext(f"{{*}}Measurement/{{*}}PixelFootprint/{{*}}{name}")) for name in ("Row", "Col"))

    def ground(cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = sarkit.sidd.calculations.pixel_to_ecef(tree, np.stack([rows - 0.5, cols - 0.5], axis=-1))
        lat, lon, _ = sarkit.wgs84.cartesian_to_geodetic(place).T
        return lon, lat

    ends = np.array([(0.0, 0.0), (cols, 0.0), (0.0, rows), (cols, rows)]).T
    near = _projective(*ground(*ends), *ends)

    def pixels(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wanted = found = np.stack(near(lon, lat))
        for _ in range(2):
            found = found + wanted - np.stack(near(*ground(*found)))
        return found[0], found[1]

    return pixels


def rpc_pixels(data: bytes, order: str) -> Pixels:
    """Find pixels at HEIGHT_OFF: the terms as the standard lists them."""
    fields, at = [], 0
    for width in WIDTHS:
        fields.append(float(data[at : at + width]))
        at += width
    line_off, samp_off, lat_off, lon_off, _, line_scale, samp_scale, lat_scale, lon_scale, _ = fields[3:13]
    cubics = np.array(fields[13:]).reshape(4, 20)

    def pixels(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        l, p = (lon - lon_off) / lon_scale, (lat - lat_off) / lat_scale  # noqa: E741
        h = o = np.zeros(np.shape(l))
        a = [1 + o, l, p, h, l * p, l * h, p * h]
        if order == "RPC00A":
            a += [l * p * h, l * l, p * p, h * h, l**3, l * l * p, l * l * h, l * p * p, p**3, p * p * h, o, o, o]
        else:
            a += [l * l, p * p, h * h, p * l * h, l**3, l * p * p, o, l * l * p, p**3, o, o, o, o]
        top_l, low_l, top_s, low_s = cubics @ np.array(a)
        return top_s / low_s * samp_scale + samp_off + 0.5, top_l / low_l * line_scale + line_off + 0.5

    return pixels


def through_chip(full: Pixels, first: tuple[float, float], scale: float) -> Pixels:
    """See the full image's pixels as those of a chip whose first corner is at ``first`` (col, row)."""

    def pixels(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cols, rows = full(lon, lat)
        return (cols - first[0]) / scale, (rows - first[1]) / scale

    return pixels


def igeolo_pixels(igeolo: str, size: tuple[int, int]) -> Pixels:
    """Find pixels by the projective map of the centres of the corner pixels (ICORDS G or D); ``size`` (cols, rows)."""
    lons, lats = [], []
    for corner in (igeolo[at : at + 15] for at in range(0, 60, 15)):
        match = G.fullmatch(corner)
        if match is None:
            lats.append(float(corner[:7]))
            lons.append(float(corner[7:]))
            continue
        a, b, c, ns, d, e, f, ew = match.groups()
        lats.append((int(a) + int(b) / 60 + int(c) / 3600) * (-1 if ns == "S" else 1))
        lons.append((int(d) + int(e) / 60 + int(f) / 3600) * (-1 if ew == "W" else 1))
    right, low = size[0] - 0.5, size[1] - 0.5
    lon = np.array(lons)
    lon = lon[0] + (lon - lon[0] + 180) % 360 - 180
    return _projective(lon, np.array(lats), np.array([0.5, right, right, 0.5]), np.array([0.5, 0.5, low, low]))


def _projective(lon, lat, cols, rows) -> Pixels:
    """Solve for the map from four places to four pixels."""
    middle, reach = (np.mean(lon), np.mean(lat)), (np.ptp(lon), np.ptp(lat))
    x, y = (lon - middle[0]) / reach[0], (lat - middle[1]) / reach[1]
    zero, one = np.zeros(4), np.ones(4)
    left = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -cols * x, -cols * y], axis=1),
            np.stack([zero, zero, zero, x, y, one, -rows * x, -rows * y], axis=1),
        ]
    )
    h = np.append(np.linalg.solve(left, np.concatenate([cols, rows])), 1.0).reshape(3, 3)

    def pixels(lon_: np.ndarray, lat_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        east = (lon_ - middle[0] + 180) % 360 - 180
        col, row, under = h @ np.stack([east / reach[0], (lat_ - middle[1]) / reach[1], np.ones(np.shape(lon_))])
        return col / under, row / under

    return pixels


def misses(row: dict, pixels: Pixels) -> float:
    """Tell how far, in pixels, a chip's corners are from vertices of its footprint, whose middle must be inside."""
    outline = shapely.from_wkb(row["geometry"])
    rings = [np.array(part.exterior.coords) for part in getattr(outline, "geoms", [outline])]
    lon, lat = np.concatenate(rings).T
    cols, rows = pixels(lon, lat)
    x, y, width, height = (row[name] for name in ("col_off", "row_off", "width", "height"))
    seen = shapely.Polygon(np.stack([cols, rows], axis=1)) if len(rings) == 1 else shapely.box(x, y, x + 1, y + 1)
    if len(rings) == 1:
        assert seen.contains(shapely.Point(x + width / 2, y + height / 2))
        assert abs(seen.area - width * height) < 0.01 * width * height
    corners = np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)], float)
    return float(np.hypot(cols[:, None] - corners[:, 0], rows[:, None] - corners[:, 1]).min(axis=0).max())
