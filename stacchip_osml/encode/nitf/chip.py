"""A chip as a NITF or NSIF file of its own, with what its parent says, brought up to date.

``docs/write_chips.md`` tells what is written and why. Nothing here knows how
headers or pixels are encoded: a file record is made, and :mod:`write` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf.blocka import blocka_tre
from stacchip_osml.encode.nitf.chip_common import Stored, common_fields, with_texts
from stacchip_osml.encode.nitf.chip_fields import chip_bands, chip_kind, chip_texts, kept_of
from stacchip_osml.encode.nitf.chip_map import map_tres
from stacchip_osml.encode.nitf.chip_overrides import Overrides, overrides_of
from stacchip_osml.encode.nitf.chip_pixels import ChipPixels, chip_pixels, quadrature
from stacchip_osml.encode.nitf.chip_place import ChipPlace, chip_place, corners_on_earth, place_fields
from stacchip_osml.encode.nitf.chip_radar import ChipExtensions, ExtensionFate, chip_extensions
from stacchip_osml.encode.nitf.chip_tres import TreFate, fates_of_tres
from stacchip_osml.encode.nitf.earlier import NOTE
from stacchip_osml.encode.nitf.ichipb import chip_in_image, chip_of_chip, ichipb_tre
from stacchip_osml.encode.nitf.parent import is_image_file, model_of, parent_of, source_of
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage, ParentImage, Tre, Version
from stacchip_osml.encode.nitf.rpc_fit import fitted_rpc00b
from stacchip_osml.encode.nitf.rpc_tre import is_scaled, rpc00b_tre
from stacchip_osml.geometry import AffineLocator, Locator, RpcLocator

__all__ = ["ChipAccount", "chip_account", "chip_file"]

SENSOR_TRES = frozenset(
    ("RPC00A", "RPC00B", "CSCRNA", "CSEXRA", "CSEXRB", "USE00A", "USE26A", "SENSRA", "SENSRB", "ACFTA", "ACFTB")
) | frozenset(("RSMIDA", "RSMPCA", "RSMPIA", "RSMGGA", "RSMGIA", "STDIDC", "AIMIDB", "GEOLO", "MENSRB", "MENSRA"))
"""TREs that need ICHIPB to hold for a chip, and that are more exact than corners."""
NO_FILE = NitfFile()
NOTHING = Overrides()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipAccount:
    """What became of everything that a parent's image and file carry besides pixels."""

    tres: tuple[TreFate, ...]
    """Of the image, in order."""
    extensions: tuple[ExtensionFate, ...]
    """Of the file, in order."""


def chip_file(chip: Chip, *, overrides: Mapping[str, Any] | None = None, version: Version = "NITF02.10") -> NitfFile:
    """Give the record of a chip's file; see :func:`stacchip_osml.encode.nitf.encode_nitf`."""
    said = _overrides(overrides)
    work = _Work(chip)
    asked = said.image.get("ICORDS") if "IGEOLO" not in said.image else ""
    place = place_fields(work.place, asked=asked)
    on_map = work.on_map(place.get("ICORDS"))
    own = work.own_tres(on_map)
    image_tres = [fate.tre for fate in work.tre_fates(own) if fate.tre is not None] + own
    source_file = NO_FILE if work.source is None else work.source.file
    file_tres = [*(() if work.parent is None else source_file.tres), *(() if on_map is None else on_map.file)]
    pixels = _pixels(chip, work, said)
    product = work.extensions.kind
    stored = Stored(
        product=product,
        sicd_size=chip.size if product == "SICD" else None,
        icords=place.get("ICORDS"),
        pad=pixels.pad_pixel_value if pixels.has_holes else None,
    )
    common, texts = common_fields(source_file, work.told, work.kind, stored, said)
    texts = {**texts, **chip_texts(work.chip, work.told)}
    if "IGEOLO" in place:
        texts["IGEOLO"] = place["IGEOLO"]
    image = NitfImage(
        pixels=pixels,
        fields=with_texts(common, texts, said),
        tres=tuple(_with(image_tres, said) if said.tres else image_tres),
    )
    return NitfFile(
        version=version,
        fields=common.file,
        tres=tuple(file_tres),
        images=(image,),
        texts=tuple(text for text in source_file.texts if text.fields.get("TEXTID") == NOTE),
        extensions=work.extensions.extensions,
    )


def chip_account(chip: Chip) -> ChipAccount:
    """Tell what becomes of each TRE and data extension of a chip's parent.

    Raises:
        EncodeError: as :func:`stacchip_osml.encode.nitf.encode_nitf`.
    """
    work = _Work(chip)
    on_map = work.on_map(place_fields(work.place, asked=None).get("ICORDS"))
    return ChipAccount(tres=tuple(work.tre_fates(work.own_tres(on_map))), extensions=work.extensions.fates)


class _Work:
    """What is found out once for a chip."""

    def __init__(self, chip: Chip) -> None:
        origin = chip.origin
        self.chip = chip
        self.parent: ParentImage | None = None if origin is None else parent_of(origin.provider)
        self.source = self.parent
        image = None if self.parent is None else self.parent.image
        told = image
        if origin is not None and self.parent is None and (source := source_of(origin.provider)) is not None:
            # of an image that was made of a NITF one: named and marked as that is, and all else is its own
            self.source, told = source, kept_of(source.image)
            self.chip = chip = replace(chip, origin=replace(origin, is_processed=True))
        self.given: Mapping[str, str] = {} if told is None else told.fields
        self.tres: tuple[Tre, ...] = () if image is None else image.tres
        self.count = _bands(self.given, chip)
        self.bands = chip_bands(chip, self.given, self.count)
        self.size = chip.size
        width, height = self.size
        self.window = (0.0, 0.0, float(width), float(height)) if origin is None else origin.window
        self.image_size = chip.size if origin is None else origin.image_size
        self.scale = self.window[2] / width, self.window[3] / height
        self.extensions = self._extensions()
        self.has_model = any(tre.tag in SENSOR_TRES for tre in self.tres)
        self.told = told if self.given else None
        self.faults: dict[str, str] = {}
        """Tags of damaged TREs that others take the place of → what is wrong with them."""
        self.kind = chip_kind(chip, self.told, bands=self.bands, count=self.count, scale=self.scale)
        self.place = self._place()

    def _extensions(self) -> ChipExtensions:
        if self.parent is None:
            return ChipExtensions()
        return chip_extensions(
            self.parent,
            window=self.window,
            size=self.size,
            is_changed=self.bands is None or self.bands != tuple(range(self.count)),
        )

    def _place(self) -> ChipPlace | None:
        if self.extensions.corners is not None:
            return ChipPlace(self.extensions.corners)
        return chip_place(self.chip, locator=self._locator(), by_model=self.has_model)

    def _locator(self) -> Locator | None:
        """Choose what places the image's pixels: what was given, unless it knows less than the headers.

        Rational polynomials alone are those of the full image: a chip's place in it is said by its ICHIPB.
        """
        given = None if self.chip.origin is None else self.chip.origin.locator
        is_chip = any(tre.tag == "ICHIPB" for tre in self.tres)
        knows_less = given is None or (is_chip and isinstance(given, RpcLocator))
        if self.parent is None or not self.has_model or not knows_less:
            return given
        return model_of(self.parent)

    def on_map(self, icords: str | None) -> Any:
        """Give TREs of a map projection: of images whose own place is on a map, not made of rounded corners."""
        chip = self.chip
        if chip.transform is None or chip.crs is None:
            return None
        if self.has_model or self.extensions.kind is not None:
            return None
        has_own = self.parent is not None and any(tre.tag == "GEOPSB" for tre in self.parent.file.tres)
        is_on_map = self.parent is None or icords in {"N", "S"}
        return map_tres(chip.crs, chip.transform, self.size) if is_on_map and not has_own else None

    def own_tres(self, on_map: Any) -> list[Tre]:
        """Make the TREs that are the chip's own."""
        found: list[Tre | None] = []
        if self.parent is not None and (self.extensions.kind is None or self.has_model):
            before = next((tre.data for tre in self.tres if tre.tag == "ICHIPB"), None)
            place = self.window, self.size, self.image_size
            if before is None:
                lies = chip_in_image(*place)
                found.append(None if lies is None else ichipb_tre(lies))
            else:
                ichipb, fault = chip_of_chip(*place, said=before)
                found.append(ichipb)
                if fault:
                    self.faults["ICHIPB"] = f"damaged, so that its chips say XFRM_FLAG 01: {fault}"
        if self.place is not None and self.extensions.kind is None and on_map is None:
            before = next((tre.data for tre in self.tres if tre.tag == "BLOCKA"), None)
            found.append(blocka_tre(self.place.lonlat, rows=self.size.height, parent=before))
        found.append(self._polynomials(is_on_map=on_map is not None))
        return [tre for tre in found if tre is not None] + ([] if on_map is None else list(on_map.image))

    def tre_fates(self, own: Sequence[Tre]) -> list[TreFate]:
        """Decide on the parent's TREs."""
        return fates_of_tres(
            self.tres,
            own=own,
            bands=self.bands,
            count=self.count,
            window=self.window,
            size=self.size,
            faults=self.faults,
        )

    def _polynomials(self, *, is_on_map: bool) -> Tre | None:
        """Write RPC00B of an image that is no NITF: its rational polynomials, or a map that no other TRE says."""
        chip, origin = self.chip, self.chip.origin
        if self.parent is not None:
            return None
        if self.place is None:
            return self._beyond_a_pole() if not is_on_map else None
        if origin is not None and is_image_file(origin.provider) and is_scaled(origin.provider.header.rpcs):
            rpcs = origin.provider.header.rpcs
            own = rpc00b_tre(rpcs, window=self.window, size=self.size, corners=self.place.lonlat)
            if own is not None:
                return own
        if is_on_map or chip.transform is None or chip.crs is None:
            return None
        return fitted_rpc00b(AffineLocator(tuple(chip.transform[:6]), chip.crs), self.size, self.place.lonlat)

    def _beyond_a_pole(self) -> Tre | None:
        """Write RPC00B of a padded chip in degrees that begins beyond the north pole, where GEOLOB has no origin."""
        if self.chip.transform is None or self.chip.crs is None:
            return None
        corners = corners_on_earth(self.chip.transform, self.chip.crs, self.size)
        if corners is None:
            return None
        return fitted_rpc00b(AffineLocator(tuple(self.chip.transform[:6]), self.chip.crs), self.size, corners)


def _bands(fields: Mapping[str, str], chip: Chip) -> int:
    told = fields.get("NBANDS", "").strip()
    count = int(told) if told.isdigit() else 0
    more = fields.get("XBANDS", "").strip()
    return count or (int(more) if more.isdigit() else len(chip.pixels))


def _pixels(chip: Chip, work: _Work, said: Overrides) -> ChipPixels:
    if work.extensions.kind == "SICD" and chip.pixels.dtype.kind == "c":
        return ChipPixels(quadrature(chip.pixels, work.given.get("PVTYPE", "").strip()), key="chip")
    ic = said.image.get("IC", "M")  # by default as is needed
    return chip_pixels(chip, may_be_masked=work.extensions.kind is None and (ic[:1] == "M" or ic == "NM"))


def _overrides(given: Mapping[str, Any] | None) -> Overrides:
    """Sort what a caller says; mostly it is the same text of thousands of chips."""
    if not given:
        return NOTHING
    items = tuple(given.items())
    return _texts_said(items) if all(type(text) is str for _, text in items) else overrides_of(given)


@lru_cache(maxsize=64)
def _texts_said(items: tuple[tuple[str, str], ...]) -> Overrides:
    return overrides_of(dict(items))


def _with(tres: Sequence[Tre], said: Overrides) -> list[Tre]:
    """Put the caller's TREs in the place of those of their tag."""
    kept = [tre for tre in tres if tre.tag not in said.tres]
    return kept + [tre for tre in said.tres.values() if tre is not None]
