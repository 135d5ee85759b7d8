"""Several images of one scene, from fine to coarse, as one pyramid.

Nothing is computed here: a pyramid finds levels, tells how they lie to each
other, and which of them a request should be read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import num_levels
from stacchip_osml.imagery.pyramids.levels import LevelView, assumed_place, is_nitf, place_of, planned_sizes
from stacchip_osml.imagery.resampling.reduction import require_factor
from stacchip_osml.imagery.resampling.resamplers import ResampleFunc
from stacchip_osml.imagery.windows.cut import coarsest_level
from stacchip_osml.pixel.arguments import each_of
from stacchip_osml.pixel.counts import finite_numbers, whole_number

if TYPE_CHECKING:
    from stacchip_osml.chain.statistics import ImageStatistics, Nodata

__all__ = ["TiledImagePyramid", "build_pyramid_levels"]


class TiledImagePyramid:
    """Levels of one image: 0 is the finest."""

    def __init__(self, levels: Sequence[Any], scale_factor: int = 2, reader: Any | None = None) -> None:
        """Group providers.

        Args:
            levels: objects of the image provider protocol, from fine to coarse.
            scale_factor: nominal, from one level to the next; the true ratios are the levels' own.
            reader: of the dataset that they are from, for its metadata.

        Raises:
            ValueError: no level, one that is larger than the one before, levels of different bands, or a factor that is
                no whole number of at least 2.
        """
        self._levels = each_of("levels", levels, object, "images, from fine to coarse")
        if not self._levels:
            raise ValueError("a pyramid needs at least one level")
        self.scale_factor = whole_number("scale_factor", scale_factor, least=2)
        """Nominal, from one level to the next."""
        self.reader = reader
        """Of the dataset that the levels are from; None where there is none."""
        self._sizes = tuple(level_grid(level).image_size for level in self._levels)
        for number in range(1, len(self._levels)):
            (width, height), (last_width, last_height) = self._sizes[number], self._sizes[number - 1]
            if width > last_width or height > last_height:
                raise ValueError(
                    f"level {number} is {width} x {height} pixels, larger than level {number - 1} of "
                    f"{last_width} x {last_height}"
                )
            bands, first = int(self._levels[number].num_bands), int(self._levels[0].num_bands)
            if bands != first:
                raise ValueError(f"level {number} has {bands} bands, level 0 has {first}")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{width} x {height}" for width, height in self._sizes)
        return f"TiledImagePyramid({sizes})"

    # ---- made of

    @staticmethod
    def from_providers(providers: Sequence[Any], scale_factor: int = 2) -> TiledImagePyramid:
        """Group providers, from fine to coarse.

        Raises:
            ValueError: as the class.
        """
        return TiledImagePyramid(providers, scale_factor)

    @staticmethod
    def from_asset(provider: Any, *, reader: Any | None = None) -> TiledImagePyramid:
        """Take the resolution levels of one provider: overviews of a TIFF, resolutions of JPEG 2000.

        One that is larger than the one before, in a file that calls another image an overview, is left out.

        Args:
            provider: any object of the image provider protocol; it is level 0 itself.
            reader: of the dataset that it is from.
        """
        levels: list[Any] = [provider]
        last = level_grid(provider).image_size
        for number in range(1, num_levels(provider)):
            size = level_grid(provider, number).image_size
            if size.width <= last.width and size.height <= last.height:
                levels.append(LevelView(provider, number))
                last = size
        return TiledImagePyramid(levels, reader=reader)

    @staticmethod
    def from_dataset(reader: Any, base_key: str = "image:0") -> TiledImagePyramid:
        """Find the levels of an image in a dataset.

        These are the assets ``{base_key}:overview:1`` and so on; without any, those below ``base_key`` that have the
        role ``overview``; without any, the resolution levels of the base image itself.

        Args:
            reader: has ``get_asset(key)``, which raises KeyError for a key that there is not, and perhaps
                ``get_assets_by_role(role)``, which gives keys or providers.
            base_key: of the full-resolution image.

        Raises:
            KeyError: there is no base image.
            ValueError: levels that are none of it: larger, or with other bands.
        """
        base = reader.get_asset(base_key)
        overviews: list[Any] = []
        while (found := _asset(reader, f"{base_key}:overview:{len(overviews) + 1}")) is not None:
            overviews.append(found)
        overviews = overviews or _by_role(reader, base_key)
        if not overviews:
            return TiledImagePyramid.from_asset(base, reader=reader)
        return TiledImagePyramid([base, *overviews], reader=reader)

    @staticmethod
    def from_rset(*paths: str | Path) -> TiledImagePyramid:
        """Open an R-set: one file for each level.

        Args:
            paths: of all files, from fine to coarse; or of the finest alone, and the others are found beside it
                (:func:`stacchip_osml.imagery.pyramids.files.find_rset`).

        Raises:
            ValueError: no path, or a file that is no smaller image of the first.
            ReadError: a file that is missing, or no image.
        """
        from stacchip_osml.imagery.pyramids.files import open_rset

        return TiledImagePyramid(open_rset(*paths))

    @staticmethod
    def from_segments(path: str | Path) -> TiledImagePyramid:
        """Take the image segments of a NITF file that are smaller images of its first.

        Args:
            path: absolute, of a local file.

        Raises:
            ReadError: it is missing, or no NITF file.
        """
        from stacchip_osml.imagery.pyramids.files import open_segments

        return TiledImagePyramid(open_segments(path))

    # ---- what it is

    @property
    def num_levels(self) -> int:
        """Levels, the finest included."""
        return len(self._levels)

    def get_level(self, level: int) -> Any:
        """Give the provider of a level.

        Raises:
            IndexError: no such level.
        """
        return self._levels[self._require(level)]

    def image_shape_at_level(self, level: int) -> tuple[int, int, int]:
        """Give ``(bands, rows, cols)`` of a level.

        Raises:
            IndexError: no such level.
        """
        size = self._sizes[self._require(level)]
        return int(self._levels[level].num_bands), size.height, size.width

    def tile_grid_at_level(self, level: int) -> tuple[int, int]:
        """Give the (rows, cols) of a level's block grid.

        Raises:
            IndexError: no such level.
        """
        return level_grid(self.get_level(level)).shape

    def place_at_level(self, level: int) -> LevelPlace:
        """Tell where a level lies on level 0.

        A level that says its ``pixel_place`` lies there. Of others a NITF image is halved, where its sides can be, and
        any other stretches the outer edges of level 0 to its own.

        Raises:
            IndexError: no such level.
        """
        if self._require(level) == 0:
            return FULL_RESOLUTION
        said = place_of(self._levels[level])
        if said is None:
            return assumed_place(self._sizes[level], self._sizes[0], nitf=is_nitf(self._levels[level]))
        return said.seen_from(place_of(self._levels[0]) or FULL_RESOLUTION)

    def ratio_at_level(self, level: int) -> tuple[float, float]:
        """Give the level-0 pixels from one pixel of a level to the next, ``(x, y)``.

        Raises:
            IndexError: no such level.
        """
        return self.place_at_level(level).ratio

    def best_level_for(self, src_size: tuple[float, float], output_size: tuple[int, int]) -> int:
        """Choose the coarsest level that has at least the output's pixels, so that nothing is upsampled needlessly.

        Args:
            src_size: ``(width, height)`` of the window, level-0 pixels, fractions allowed. All of an axis has all
                pixels of the level, one at an odd edge included.
            output_size: ``(width, height)`` of what is wanted, pixels.

        Returns:
            The level; 0 where none has enough.

        Raises:
            ValueError: a size that is not positive, or not finite.
        """
        source, wanted = finite_numbers("src_size", src_size, 2), finite_numbers("output_size", output_size, 2)
        if min(*source, *wanted) <= 0:
            raise ValueError(f"sizes must be positive numbers, got {source} to {wanted}")
        base = self._sizes[0]
        ratios = []
        for level in range(self.num_levels):
            ratio, size = self.ratio_at_level(level), self._sizes[level]
            across, down = (
                min(ratio[axis], source[axis] / size[axis]) if source[axis] >= base[axis] else ratio[axis]
                for axis in (0, 1)
            )
            ratios.append((across, down))
        return coarsest_level(ratios, (source[0] / wanted[0], source[1] / wanted[1]))

    def level_for_statistics(self, max_pixels: int = 10_000_000) -> int:
        """Choose the coarsest level with at least ``max_pixels`` rows times columns; 0 where none has."""
        max_pixels = whole_number("max_pixels", max_pixels, least=0)
        for level in range(self.num_levels - 1, 0, -1):
            if self._sizes[level].width * self._sizes[level].height >= max_pixels:
                return level
        return 0

    def compute_statistics(
        self,
        level: int | None = None,
        max_pixels: int = 10_000_000,
        num_bins: int = 0,
        bin_edges: Any | None = None,
        num_workers: int = 0,
        *,
        nodata: Nodata = None,
    ) -> ImageStatistics | None:
        """Count the pixels of one level, which says nearly what all of them would: means within a percent.

        Minimum and maximum of a coarse level are not those of the image, because lone extremes are averaged away.

        Args:
            level: None for the coarsest that is large enough.
            max_pixels: rows times columns that are enough.
            num_bins: as in :func:`stacchip_osml.imagery.statistics.compute_image_statistics`.
            bin_edges: as there.
            num_workers: as there.
            nodata: value of pixels that do not count, as there.

        Returns:
            None where the level stores no pixels.

        Raises:
            IndexError: no such level.
        """
        from stacchip_osml.imagery.statistics import compute_image_statistics

        chosen = self.level_for_statistics(max_pixels) if level is None else level
        return compute_image_statistics(
            self.get_level(chosen),
            num_bins=num_bins,
            bin_edges=bin_edges,
            force_recompute=True,
            num_workers=num_workers,
            nodata=nodata,
        )

    def _require(self, level: int) -> int:
        if not 0 <= whole_number("level", level) < len(self._levels):
            raise IndexError(f"no level {level}; there are {len(self._levels)}")
        return level


def _asset(reader: Any, key: str) -> Any | None:
    try:
        return reader.get_asset(key)
    except KeyError:
        return None


def _by_role(reader: Any, base_key: str) -> list[Any]:
    """Find the overviews of an image by their role, from fine to coarse."""
    asked = getattr(reader, "get_assets_by_role", None)
    found: list[Any] = []
    for asset in () if asked is None else asked("overview"):
        provider = reader.get_asset(asset) if isinstance(asset, str) else asset
        if str(asset if isinstance(asset, str) else provider.key).startswith(f"{base_key}:"):
            found.append(provider)
    return sorted(found, key=lambda level: -int(level.num_rows) * int(level.num_columns))


def build_pyramid_levels(  # noqa: PLR0917 - the documented order
    source: Any,
    min_size: int = 256,
    scale_factor: int = 2,
    tile_width: int | None = None,
    tile_height: int | None = None,
    resample_func: ResampleFunc | None = None,
    cache: TileCache | None = None,
    *,
    nodata: float | complex | None = None,
    use_native_levels: bool = True,
) -> list[Any]:
    """Chain smaller and smaller images of a source, each made of the one before; nothing is read yet.

    Args:
        source: any object of the image provider protocol.
        min_size: pixels: the first level with a side below it is the last; the source alone where it has such a side.
        scale_factor: from one level to the next, a power of two.
        tile_width: columns of the blocks of every level; None halves them from level to level.
        tile_height: the same of rows.
        resample_func: as in :class:`DownsampledImageProvider`.
        cache: as in :class:`DownsampledImageProvider`.
        nodata: as in :class:`DownsampledImageProvider`.
        use_native_levels: as in :class:`DownsampledImageProvider`.

    Returns:
        The source itself and its levels, from fine to coarse.

    Raises:
        ValueError: as :class:`DownsampledImageProvider`; ``min_size`` not positive, or a factor of 1.
    """
    scale_factor = require_factor(scale_factor)
    min_size = whole_number("min_size", min_size, least=1)
    levels: list[Any] = [source]
    for _ in planned_sizes(level_grid(source).image_size, min_size=min_size, factor=scale_factor)[1:]:
        levels.append(
            DownsampledImageProvider(
                levels[-1],
                scale_factor,
                resample_func,
                tile_width,
                tile_height,
                cache,
                nodata=nodata,
                use_native_levels=use_native_levels,
            )
        )
    return levels
