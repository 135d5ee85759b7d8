"""NITF 2.0 read as the NITF 2.1 file that a copy of it is: names, values, and what has no place.

From MIL-STD-2500A to MIL-STD-2500C, appendix A. Rules:

- a field that both have, as wide, stays as it stands; dates get four digits
  for the year (``earlier_dates``), markings are mapped by ``earlier_security``;
- ``ICORDS`` N (nothing) is blank, as N is a hemisphere today; C (angles at the
  Earth's centre) becomes G. ``IREPBAND`` is filled in where ``IREP`` says it. Pixels
  of one bit have ``PVTYPE`` B. Vectors (``IREP`` 1D, 2D, ND) are not for display;
- a symbol that is a CGM is a graphic. Others are read, and no copy is
  made of a file that has some: 2.1 has CGM only, and the writer says so;
- a label is a text with its characters; TREs of ``Registered Extensions`` and
  ``Controlled Extensions`` are those of the header that they continue;
- the first three bytes of ``ONAME`` that are no text are ``FBKGC`` (notice 2);
- what has no field of its own is told in a text segment ``NITF2.0``, which is
  classified as highly as anything that it speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stacchip_osml.encode.nitf.earlier_dates import moment_of
from stacchip_osml.encode.nitf.earlier_security import markings
from stacchip_osml.encode.nitf.earlier_tables import EXTENSIONS
from stacchip_osml.encode.nitf.fields import Field, StoredText
from stacchip_osml.encode.nitf.igeolo import igeolo_text
from stacchip_osml.encode.nitf.pixels_storage import IREPS
from stacchip_osml.encode.nitf.records import TextSegment
from stacchip_osml.encode.nitf.security import RANK
from stacchip_osml.encode.nitf.tables import FIELDS, security_names
from stacchip_osml.errors import ItemError

__all__ = ["NOTE", "EarlierFile"]

Fields = dict[str, str]
NOTE = "NITF2.0"
"""TEXTID of what has no field."""
TITLE = "What this file said as NITF 2.0 and NITF 2.1 has no field for"
UNKNOWN_MOMENT = "-" * 14
VECTORS = frozenset({"1D", "2D", "ND"})
COLOR = 3
"""Bytes of FBKGC."""
LINE = "\r\n"


@dataclass(slots=True)
class EarlierFile:
    """Maps the headers of one file, and collects what they say beside the fields of today."""

    name: str
    lines: list[str] = field(default_factory=list)
    marking: Fields = field(default_factory=dict)
    """Of the text that tells: the file's, raised to the highest of all parts."""

    def tell(self, where: str, what: str, text: str, why: str) -> None:
        """Keep what has no field."""
        shown = "".join(letter if " " <= letter <= "~" else f"\\x{ord(letter):02x}" for letter in str(text).strip())
        self.lines.append(f"{where}: {what} was '{shown}': {why}")

    def file(self, fields: Fields) -> Fields:
        """Map the file header."""
        found = self._mapped("file header", "F", "F", fields)
        found["FDT"] = self._moment("file header", "FDT", fields["FDT"])
        color, name = _owner(found.pop("ONAME"))
        room = FIELDS["ONAME"].length
        if len(name) > room:
            self.tell("file header", "ONAME", name, f"it holds {room} characters")
        found |= {copies: "00000" for copies in ("FSCOP", "FSCPYS") if not found[copies].strip()}
        return found | {"FBKGC": color, "ONAME": _plain(FIELDS["ONAME"], name[:room])}

    def image(self, fields: Fields, number: int) -> Fields:
        """Map an image subheader; without IGEOLO where it said that it has none."""
        where = f"image {number}"
        found = self._mapped(where, "I", "I", fields, IID="IID1", ITITLE="IID2")
        found["IDATIM"] = self._moment(where, "IDATIM", fields["IDATIM"])
        found["IC"] = str(found["IC"])  # is judged anew: 2.0 had algorithms that no reader of today has
        found["ICORDS"] = found["ICORDS"].replace("N", "")
        if found["ICORDS"] == "C":
            self._geodetic(where, found)
        if found["PVTYPE"] == "INT" and found["NBPP"] == "01":
            found["PVTYPE"] = "B"
        if found["IREP"] in VECTORS:
            self.tell(where, "IREP", found["IREP"], "vectors are not for display")
            found["IREP"] = "NODISPLY"
        return found | _band_names(found)

    def symbol(self, fields: Fields, number: int) -> Fields:
        """Map a symbol to a graphic."""
        where = f"symbol {number}"
        style = ("NLIPS", "NPIXPL", "NWDTH", "SYNBPP", "SLOC2", "SNUM", "SROT", "SNELUT", "DLUT")
        found = self._mapped(where, "S", "S", fields, STYPE="SFMT")
        for name in style:
            text = found.pop(name, "").strip()
            if text.strip("0"):
                self.tell(where, name, text, "graphics have no such field")
        if found["SCOLOR"] not in {"C", "M"}:
            if found["SCOLOR"].strip():
                self.tell(where, "SCOLOR", found["SCOLOR"], "a graphic is in colour or not")
            found["SCOLOR"] = "C"
        return found

    def label(self, fields: Fields, number: int) -> Fields:
        """Map a label to a text."""
        where = f"label {number}"
        marked = self._markings(where, "L", "T", fields)
        for name in ("LFS", "LCW", "LCH", "LDLVL", "LALVL", "LLOC", "LTC", "LBC"):
            self.tell(where, name, fields[name], f"text LABEL{number:02d} has its characters, and no place")
        title = str(fields["LID"]).strip()
        kept = {name: text for name, text in fields.items() if name == "ENCRYP" or name.startswith("LXS")}
        own = {"TEXTID": f"LABEL{number:02d}"[:7], "TXTITL": f"Label {title}".strip(), "TXTFMT": "STA"}
        return {**kept, **own, **marked}

    def text(self, fields: Fields, number: int) -> Fields:
        """Map a text subheader."""
        where = f"text {number}"
        found = self._mapped(where, "T", "T", fields)
        found["TXTDT"] = self._moment(where, "TXTDT", fields["TXTDT"])
        name, room = str(fields["TEXTID"]).strip(), FIELDS["TEXTID"].length
        if len(name) > room and name.isdigit() and len(name.lstrip("0")) <= room:
            name = name[-room:]
        elif len(name) > room:
            self.tell(where, "TEXTID", name, f"it holds {room} characters")
            name = f"TEXT{number:03d}"
        return found | {"TEXTID": name}

    def extension(self, fields: Fields, number: int) -> Fields:
        """Map the subheader of a data extension."""
        found = self._mapped(f"data extension {number}", "DE", "DE", fields, DESTAG="DESID")
        if found["DESID"] in EXTENSIONS:
            found["DESID"] = "TRE_OVERFLOW"
        return found

    def note(self) -> TextSegment | None:
        """Give the text that tells what has no field; None where all has."""
        if not self.lines:
            return None
        fields = {"TEXTID": NOTE, "TXTITL": TITLE, "TXTFMT": "STA", **self.marking}
        return TextSegment(fields=fields, data=LINE.join([*self.lines, ""]).encode("ascii"))

    # ---- parts

    def _mapped(self, where: str, prefix: str, to: str, fields: Fields, **named: str) -> Fields:
        """Rename fields, and map the security fields among them."""
        marked = self._markings(where, prefix, to, fields)
        security = {*security_names(prefix), f"{prefix}SDWNG", f"{prefix}SDEVT"}
        return {named.get(name, name): text for name, text in fields.items() if name not in security} | marked

    def _markings(self, where: str, prefix: str, to: str, fields: Fields) -> Fields:
        found = markings(
            fields,
            prefix,
            to=to,
            where=f"{self.name}: {where}",
            tell=lambda name, text, why: self.tell(where, name, text, why),
        )
        if prefix == "F":
            self.marking = {f"T{name[1:]}": text for name, text in found.items()}
        elif RANK[found[f"{to}SCLAS"]] > RANK[self.marking["TSCLAS"]]:
            self.marking["TSCLAS"] = found[f"{to}SCLAS"]
        return found

    def _moment(self, where: str, name: str, text: str) -> str:
        found = moment_of(text)
        if found is None and str(text).strip(" -\0"):
            self.tell(where, name, text, "it is no moment")
        return found or UNKNOWN_MOMENT

    def _geodetic(self, where: str, found: Fields) -> None:
        """Write corners of geocentric latitude as geodetic ones."""
        from stacchip_osml.geometry.igeolo import parse_igeolo

        self.tell(where, "ICORDS C and IGEOLO", found["IGEOLO"], "latitudes are geodetic now, as ICORDS G has them")
        try:
            found["IGEOLO"] = igeolo_text(parse_igeolo("C", found["IGEOLO"])[1], "G")
        except ItemError:  # what is no place stays as it is, and is none in the copy
            found["IGEOLO"] = StoredText.of(found["IGEOLO"], found["IGEOLO"].ljust(60).encode("latin-1"))
        found["ICORDS"] = "G"


def _owner(text: str) -> tuple[str, str]:
    """Take ONAME apart: background colour, where its first bytes are one, and name."""
    if all(" " <= letter <= "~" for letter in text[:COLOR]):
        return "\0" * COLOR, text.rstrip()
    return text[:COLOR], text[COLOR:].rstrip()


def _plain(field: Field, text: str) -> str:
    """Keep a text as it stands, also where it breaks the field's rule."""
    kept = all(" " <= letter <= "~" or letter >= "\xa0" for letter in text)
    return text if kept else StoredText.of(text, text.ljust(field.length).encode("latin-1"))


def _band_names(fields: Mapping[str, str]) -> Fields:
    """Say what bands are where only IREP does."""
    names = IREPS.get(fields["IREP"], ())
    if fields["NBANDS"] != str(len(names)):
        return {}
    found = {f"IREPBAND{band}": name for band, name in enumerate(names, 1) if not fields[f"IREPBAND{band}"].strip()}
    if fields["IREP"] == "MONO" and "IREPBAND1" in found and fields["NLUTS1"] != "0":
        found["IREPBAND1"] = "LU"
    return found
