"""Warps of dense maps in float64: (transform, drawn, (n, 2) positions, shape) -> where they read.

Positions are (x, y) from the centre of the frame, in pixels.
"""

import numpy as np
from scipy.interpolate import RBFInterpolator


def grid_reference(t, p, at, shape):
    for axis, name in enumerate(("columns", "rows")):
        ends, side = np.float64(p[name]), shape[1 - axis]
        out = (np.arange(len(ends) + 1) / len(ends) - 0.5) * side
        source = (np.append(0, ends) - 0.5) * side
        inside = np.abs(at[:, axis]) <= side / 2
        at[inside, axis] = np.interp(at[inside, axis], out, source)
    return at


def lens_reference(t, p, at, shape):
    k1, k2 = np.float64(p["k"])
    r = 2 * np.hypot(*at.T) / np.hypot(*shape)
    inside = r * (1 + k1 * r**2 + k2 * r**4)
    beyond = 1 + k1 + k2 + (1 + 3 * k1 + 5 * k2) * (r - 1)
    return at * (np.where(r > 1, beyond, inside) / r)[:, None]


def plate_reference(t, p, at, shape):
    y, x = np.meshgrid(*(np.linspace(-0.5, 0.5, n) for n in t.grid), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], -1)
    spline = RBFInterpolator(points, np.float64(p["shifts"]), kernel="thin_plate_spline")
    return at + spline(at / shape[::-1])


def mesh_reference(t, p, at, shape):
    shifts = np.pad(np.float64(p["shifts"]), ((1, 1), (1, 1), (0, 0)))
    (rows, columns), moved = t.grid, at.copy()
    x, y = (np.linspace(-n / 2, n / 2, k + 1) for n, k in ((shape[1], columns), (shape[0], rows)))
    corners = np.stack(np.meshgrid(x, y), -1)
    for i in range(rows):
        for j in range(columns):
            for trio in (((0, 0), (0, 1), (1, 0)), ((1, 1), (0, 1), (1, 0))):
                c = np.array([[*corners[i + a, j + b], 1] for a, b in trio]).T
                weights = np.linalg.solve(c, np.concatenate([at, np.ones((len(at), 1))], 1).T)
                d = np.array([shifts[i + a, j + b] for a, b in trio])
                inside = (weights > -1e-9).all(0)
                moved[inside] = at[inside] + weights[:, inside].T @ d
    return moved


REFERENCES = {
    "GridDistortion": grid_reference,
    "OpticalDistortion": lens_reference,
    "ThinPlateSpline": plate_reference,
    "PiecewiseAffine": mesh_reference,
}
