"""One definition of every step and the spec it is for; pixels of every type."""

import numpy as np

from stacchip_osml.chain import (
    align_step,
    band_select_step,
    clip_step,
    color_space_step,
    complex_remap_step,
    decibel_step,
    dra_step,
    gamma_step,
    linear_step,
    lut_step,
    mask_fill_step,
    minmax_step,
    normalized_difference_step,
    percentile_step,
    rescale_step,
    scale_offset_step,
)

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64", "complex64")
"""Types of pixels."""

SAMPLES = {
    "align": align_step(default="bilinear", methods={"scl": "nearest"}),
    "select": band_select_step([2, 0]),
    "select twice": band_select_step([1, 1, 1, 0]),
    "scale_offset": scale_offset_step(),
    "linear": linear_step(scale=[0.5, 2, -1], offset=3),
    "linear to int": linear_step(scale=0.7, offset=[1, 2, 3], dtype="int16"),
    "rescale": rescale_step(low=-20, high=[90, 100, 110]),
    "rescale to float": rescale_step(low=10, high=90, dtype="float32"),
    "rescale negative": rescale_step(low=10, high=90, out_low=200, out_high=5, fill=0),
    "rescale to int16": rescale_step(low=10, high=90, dtype="int16", out_low=-500, out_high=500, fill=-32768),
    "clip": clip_step(low=[3.5, 4, 5], high=60),
    "clip below": clip_step(low=-5),
    "gamma": gamma_step(2.2),
    "gamma in a range": gamma_step(0.5, low=-10, high=100),
    "percentile": percentile_step(5, 95),
    "percentile to float": percentile_step(dtype="float64", out_low=-1),
    "minmax": minmax_step(dtype="uint16"),
    "dra": dra_step(),
    "lut": lut_step(np.arange(40, dtype=np.uint16)[::-1], first=-3),
    "lut by band": lut_step(np.arange(60, dtype=np.float32).reshape(3, 20)),
    "color_space": color_space_step("srgb", "cielab", white=100),
    "complex_remap": complex_remap_step("density", data_mean=30),
    "complex_remap by chip": complex_remap_step("nrl"),
    "mask_fill": mask_fill_step(7),
    "normalized_difference": normalized_difference_step(2, 0),
    "decibel": decibel_step(),
    "decibel floor": decibel_step("amplitude", reference=2, floor=-30),
}
"""Name → a definition for three bands."""


def pixels_of(dtype, *, shape=(3, 9, 11), seed=0):
    """Random pixels around 0 to 100, with what a type can have of trouble: negatives, NaN, extremes."""
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return (random.normal(0, 50, shape) + 1j * random.normal(0, 50, shape)).astype(dtype)
    if dtype.kind == "f":
        pixels = random.normal(40, 40, shape).astype(dtype)
        pixels.reshape(-1)[::17] = np.nan
        return pixels
    pixels = random.integers(0 if dtype.kind == "u" else -20, 110, shape).astype(dtype)
    pixels.reshape(-1)[[1, 2]] = np.iinfo(dtype).min, np.iinfo(dtype).max
    return pixels
