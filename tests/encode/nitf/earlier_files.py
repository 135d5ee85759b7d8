"""Small NITF 2.0 files for tests, written field by field from MIL-STD-2500A's tables, and not by what reads them."""

import struct

MARKINGS = (("CODE", 40), ("CTLH", 40), ("REL", 40), ("CAUT", 20), ("CTLN", 20), ("DWNG", 6))


def field(text, length):
    data = text if isinstance(text, bytes) else str(text).encode("latin-1")
    assert len(data) <= length, (text, length)
    return data.ljust(length)


def number(value, length):
    return b"%0*d" % (length, value)


def security(level="U", **said):
    """``CLAS`` to ``DWNG``, and ``DEVT`` where an event is said."""
    parts = [field(level, 1), *(field(said.pop(name, ""), length) for name, length in MARKINGS)]
    event = said.pop("DEVT", None)
    assert not said
    return b"".join(parts) + (b"" if event is None else field(event, 40))


def tre(tag, data):
    return field(tag, 6) + number(len(data), 5) + data


def area(data, overflow=0):
    """Length, overflow and TREs of one area."""
    return number(len(data) + 3, 5) + number(overflow, 3) + data if data else b"00000"


def image(
    pixels,
    *,
    level="U",
    marks=None,
    date="01120000ZFEB93",
    icords="N",
    igeolo="",
    comments=(),
    ic="NC",
    comrat="",
    irep="MONO",
    bands=None,
    pvtype="INT",
    bits=8,
    data=None,
    title="A title",
    tres=b"",
    overflow=0,
    block=None,
):
    """Subheader and data of an image of ``(bands, rows, cols)`` bytes, IMODE B, one block."""
    count, rows, cols = pixels.shape
    down, across = block or (rows, cols)
    parts = [
        field("IM", 2) + field("IMAGE 1", 10) + field(date, 14) + field("TARGET", 17) + field(title, 80),
        security(level, **(marks or {})),
        b"0" + field("A source", 42) + number(rows, 8) + number(cols, 8),
        field(pvtype, 3) + field(irep, 8) + field("VIS", 8) + number(bits, 2) + b"R",
        field(icords, 1) + (field(igeolo, 60) if icords.strip() not in {"", "N"} else b""),
        number(len(comments), 1) + b"".join(field(line, 80) for line in comments),
        field(ic, 2) + (b"" if ic in {"NC", "NM"} else field(comrat, 4)),
        number(count, 1),
        *(bands or [field("", 2) + field("", 6) + b"N" + field("", 3) + b"0"] * count),
        b"0B" + number(cols // across, 4) + number(rows // down, 4) + number(across, 4) + number(down, 4),
        number(bits, 2) + number(1, 3) + number(0, 3) + number(0, 10) + field("1.0", 4),
        area(tres, overflow) + b"00000",
    ]
    return b"".join(parts), pixels.tobytes() if data is None else data


def lookup(*tables):
    """A band that is an index of colours."""
    head = field("", 2) + field("", 6) + b"N" + field("", 3)
    return head + number(len(tables), 1) + number(len(tables[0]), 5) + b"".join(tables)


def symbol(data, *, kind="C", level="U", marks=None, scolor="", number_of=0):
    head = field("SY", 2) + field("SYM 1", 10) + field("A symbol", 20) + security(level, **(marks or {}))
    head += b"0" + field(kind, 1) + b"0" * 13 + number(2, 3) + number(0, 3) + b"0000300004" + b"0" * 10
    return head + field(scolor, 1) + number(number_of, 6) + b"000" + b"000" + b"00000", data


def label(text, *, level="U"):
    head = field("LA", 2) + field("LABEL ID", 10) + security(level)
    head += b"0" + field("", 1) + b"0810" + number(3, 3) + number(0, 3) + b"0000500006" + b"\xff\0\0\0\0\0" + b"00000"
    return head, text.encode("ascii")


def text(data, *, name="0000000001", date="27235536ZNOV89", level="U", marks=None, form="STA"):
    head = field("TE", 2) + field(name, 10) + field(date, 14) + field("Text title", 80)
    return head + security(level, **(marks or {})) + b"0" + field(form, 3) + b"00000", data


def extension(data, *, tag="Registered Extensions", where="UDID", item=1, level="U", header=b""):
    head = field("DE", 2) + field(tag, 25) + b"01" + security(level)
    if tag in {"Registered Extensions", "Controlled Extensions"}:
        head += field(where, 6) + number(item, 3)
    return head + number(len(header), 4) + header, data


def file(
    *,
    images=(),
    symbols=(),
    labels=(),
    texts=(),
    extensions=(),
    level="U",
    marks=None,
    date="06165926ZAPR93",
    owner="An office",
    copies=(0, 0),
    tres=b"",
):
    """The bytes of a whole file."""
    groups = ((images, 6, 10), (symbols, 4, 6), (labels, 4, 3), (texts, 4, 5), (extensions, 4, 9))
    head = b"NITF02.00" + b"01" + field("", 4) + field("STATION", 10) + field(date, 14) + field("A file", 80)
    head += security(level, **(marks or {})) + number(copies[0], 5) + number(copies[1], 5) + b"0"
    head += field(owner, 27) + field("555 1234", 18)
    tail = b""
    for group, digits, width in groups:
        tail += number(len(group), 3)
        tail += b"".join(number(len(sub), digits) + number(len(data), width) for sub, data in group)
    tail += b"000" + area(tres) + b"00000"
    length = len(head) + 18 + len(tail)
    body = b"".join(sub + data for group, _, _ in groups for sub, data in group)
    return head + number(length + len(body), 12) + number(length, 6) + tail + body


# ---- frames of raster products (MIL-STD-2411)

COVERAGE = 130


def frame_tres(corners, *, name="00000001.ON1", level="U", at=5000, filler=0):
    """RPFHDR and RPFIMG of a frame: a coverage section, after others; places count from a file that begins at 0."""
    records = [(131, 6, at + 40), (COVERAGE, 96, at + 14 + 20 + filler)]
    table = b"".join(struct.pack(">HII", *record) for record in records)
    section = struct.pack(">HIHHI", 34, 14, len(records), 10, 96) + table
    places = struct.pack(">12d", *corners, 150.0, 150.0, 0.001, 0.001)
    header = struct.pack(">BH", 0, 48) + field(name, 12) + b"\0" + field("MIL-C-89038", 15) + field("19940304", 8)
    header += field(level, 1) + field("", 2) + field("", 2) + struct.pack(">I", at)
    return tre("RPFHDR", header), tre("RPFIMG", section + b"\0" * filler + places)
