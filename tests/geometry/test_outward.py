"""Boxes rounded outward, few at once or many."""

import numpy as np

from stacchip_osml.geometry.polygons import _FEW, outward


def test_few_boxes_are_rounded_as_many_are():
    random = np.random.default_rng(0)
    count = 2 * _FEW
    low, size = random.uniform(-180, 180, (2, count)), random.uniform(0, 1, (2, count))
    low[:, :8] = [[0.0, -0.0, 1e-320, -1e-320, 0.5, -0.5, np.nan, 1e-40], [90.0, -90.0, 0.1, -0.1, 0.0, 0.0, np.nan, 0]]
    sides = low[0], low[1], low[0] + size[0], low[1] + size[1]

    many = outward(*sides)

    few = np.concatenate([outward(*(side[at : at + 64] for side in sides)) for at in range(0, count, 64)])
    assert np.array_equal(many, few, equal_nan=True)
    known = ~np.isnan(low[0])
    assert (many[known, :2] <= np.stack(sides[:2], axis=1)[known]).all()
    assert (many[known, 2:] >= np.stack(sides[2:], axis=1)[known]).all()
