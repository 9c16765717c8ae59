"""A room whose walls, floor and camera are known, and what HHA is of it, in float64."""

import numpy as np

SIDES, FOCAL = (24, 32), 20.0


def room(pitch, roll, floor=True):
    """Points and normals of a floor 1.2 below a camera that is tilted, and of two walls."""
    p, r = np.deg2rad([pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turn = about_x @ about_z  # from the room, y down, to the camera
    y, x = np.mgrid[: SIDES[0], : SIDES[1]].astype(float)
    rays = np.stack([(x - 15.5) / FOCAL, (y - 11.5) / FOCAL, np.ones(SIDES)], -1)
    planes = [((0, -1, 0), 1.2), ((0, 0, -1), 4.0), ((-1, 0, 0), 1.5)][0 if floor else 1 :]
    normals = np.array([turn @ n for n, _ in planes])
    reach = np.stack([-d / (rays @ n) for n, (_, d) in zip(normals, planes, strict=True)], -1)
    reach = np.where(reach > 0, reach, np.inf)
    nearest = reach.argmin(-1)
    points = rays * reach.min(-1)[..., None]
    return points, normals[nearest], turn @ [0, -1, 0]


def expected(points, normals, up, near, max_height):
    height = points @ up
    angle = np.degrees(np.arccos(np.clip(normals @ up, -1, 1))) / 180
    channels = [near / points[..., 2], (height - height.min()) / max_height, angle]
    return np.clip(np.stack(channels, -1), 0, 1)
