"""Tagged record extensions of made-up images, field by field."""

from __future__ import annotations

import numpy as np

RPC_VALUES = {
    "LINE_OFF": 2000.0, "SAMP_OFF": 2010.0, "LAT_OFF": 46.0, "LONG_OFF": 7.5, "HEIGHT_OFF": 300.0,
    "LINE_SCALE": 2000.0, "SAMP_SCALE": 2010.0, "LAT_SCALE": 0.05, "LONG_SCALE": 0.08, "HEIGHT_SCALE": 500.0,
    "LINE_NUM_COEFF": [2e-3, 4e-2, -1.05, 2e-2, 1e-3, -2e-4, 3e-4, 5e-4, -6e-4, 1e-6, 2e-4, 1e-5, -2e-5, 0, 3e-6, -4e-6,
                       0, 2e-7, 0, 1e-9],
    "LINE_DEN_COEFF": [1, 1e-3, -2e-3, 3e-4, 1e-5, -1e-6, 2e-6, 3e-5, -1e-5, 1e-7, *[0] * 10],
    "SAMP_NUM_COEFF": [-0.003, 1.02, 0.05, -0.03, -1e-3, 2e-4, 1e-4, -4e-4, 2e-4, 1e-6, 3e-4, -2e-5, 1e-5, 0, 2e-6,
                       3e-6, 0, 1e-7, 2e-7, 0],
    "SAMP_DEN_COEFF": [1, -1e-3, 2e-3, 1e-4, 2e-5, 1e-6, -2e-6, 1e-5, -2e-5, 1e-7, *[0] * 10],
}  # fmt: skip
ICHIPB = {
    "XFRM_FLAG": 2, "SCALE_FACTOR": 10, "ANAMRPH_CORR": 2, "SCANBLK_NUM": 2,
    **{f"{side}_{axis}_{n}": 12 for side in ("OP", "FI") for n in ("11", "12", "21", "22") for axis in ("ROW", "COL")},
    "FI_ROW": 8, "FI_COL": 8,
}  # fmt: skip


def coefficient(value: float) -> str:
    """Twelve characters: sign, six digits, one digit of exponent."""
    if value == 0:
        return "+0.000000E+0"
    power = int(np.floor(np.log10(abs(value)))) + 1
    return f"{value / 10.0**power:+.6f}E{power:+d}"


def rpc_tre(tag: str, **changes) -> bytes:
    """RPC00B, or RPC00A with the same numbers in the same places."""
    v = {**RPC_VALUES, **changes}
    text = "1" + "0001.00" + "0000.10"
    text += f"{v['LINE_OFF']:06.0f}{v['SAMP_OFF']:05.0f}{v['LAT_OFF']:+08.4f}{v['LONG_OFF']:+09.4f}"
    text += f"{v['HEIGHT_OFF']:+05.0f}{v['LINE_SCALE']:06.0f}{v['SAMP_SCALE']:05.0f}{v['LAT_SCALE']:+08.4f}"
    text += f"{v['LONG_SCALE']:+09.4f}{v['HEIGHT_SCALE']:+05.0f}"
    for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN"):
        text += "".join(coefficient(float(value)) for value in v[f"{name}_COEFF"])
    assert len(text) == 1041, tag
    return text.encode()


def ichipb(first: tuple[int, int], size: tuple[int, int], *, scale: float = 1.0, full=(4000, 4020), **changes) -> bytes:
    """ICHIPB of a chip of ``size`` (rows, cols) whose first pixel's corner is at ``first`` in the full image."""
    values: dict[str, object] = {
        "XFRM_FLAG": "00", "SCALE_FACTOR": f"{scale:010.5f}", "ANAMRPH_CORR": "00", "SCANBLK_NUM": "00",
        "FI_ROW": f"{full[0]:08d}", "FI_COL": f"{full[1]:08d}",
    }  # fmt: skip
    rows, cols = size
    for number, (row, col) in zip(
        ("11", "12", "21", "22"),
        ((0.5, 0.5), (0.5, cols - 0.5), (rows - 0.5, 0.5), (rows - 0.5, cols - 0.5)),
        strict=True,
    ):
        values |= {f"OP_ROW_{number}": row, f"OP_COL_{number}": col}
        values |= {f"FI_ROW_{number}": first[0] + row * scale, f"FI_COL_{number}": first[1] + col * scale}
    values |= changes
    text = "".join(v if isinstance(v := values[name], str) else f"{v:012.3f}" for name in ICHIPB)
    assert len(text) == 224
    return text.encode()


def cscrna(corners) -> bytes:
    """CSCRNA of (lon, lat, height) clockwise from upper left."""
    return ("N" + "".join(f"{lat:+09.5f}{lon:+010.5f}{high:+08.1f}" for lon, lat, high in corners)).encode()


def blocka(corners, *, lines: int) -> bytes:
    """BLOCKA of texts for first row's last, last row's last, last row's first, first row's first column."""
    return (f"0100000{lines:05d}000000{'':16}" + "".join(corners) + "010.0").encode()
