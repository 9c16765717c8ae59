"""What readers of the tutorial asked, each answered in a few lines that check themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import multiaug as ma
from multiaug.keras import ImageDataGenerator

Arrays = np.ndarray[Any, Any]


def which_pictures_come_out(digits: Arrays, colours: Arrays) -> str:
    """In order without shuffling; the same augmented ones for the same seed."""
    datagen = ImageDataGenerator(rotation_range=30)
    runs = [next(datagen.flow(colours, shuffle=False, seed=7, batch_size=9)) for _ in range(2)]
    assert (runs[0] == runs[1]).all()
    _, labels = next(datagen.flow(colours, np.arange(len(colours)), shuffle=False, batch_size=9))
    assert list(labels) == list(range(9))
    return "shuffle=False keeps the order; seed= fixes the draws"


def what_about_masks(digits: Arrays, colours: Arrays) -> str:
    """One geometry for the picture and its mask; ids are copied, never blended."""
    masks = (colours.mean(-1) > 128).astype(np.uint8)
    flow = ImageDataGenerator(rotation_range=40, zoom_range=0.2).flow(
        colours, targets=masks, seed=0
    )
    x, moved = next(flow)
    assert set(np.unique(moved)) <= {0, 1}
    agreement = ((x.mean(-1) > 128) == moved).mean()
    assert agreement > 0.95
    return f"targets=masks: moved mask = mask of the moved picture at {agreement:.1%} of pixels"


def any_channels_channels_first(digits: Arrays, colours: Arrays) -> str:
    """RGB, 4, 6, or any other number of channels, in either layout."""
    for channels in (1, 3, 4, 6, 13):
        x = np.random.default_rng(0).random((8, channels, 16, 16))
        datagen = ImageDataGenerator(rotation_range=20, data_format="channels_first")
        assert next(datagen.flow(x)).shape == x.shape
    return "data_format='channels_first', any number of channels"


def bytes_in_an_npy_file(digits: Arrays, colours: Arrays) -> str:
    """uint8 (N, 4, 100, 100) stays on disk as bytes; only batches become floats."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.npy")
        np.save(path, np.random.default_rng(0).integers(0, 256, (200, 4, 100, 100), np.uint8))
        x = np.load(path, mmap_mode="r")
        datagen = ImageDataGenerator(
            featurewise_center=True,
            featurewise_std_normalization=True,
            rescale=1 / 255,
            rotation_range=20,
            data_format="channels_first",
        )
        datagen.fit(x)
        batch = next(datagen.flow(x, batch_size=16))
        del x
    assert batch.shape == (16, 4, 100, 100)
    return "np.load(.., mmap_mode='r'), then fit and flow as always"


def keep_the_aspect_ratio(digits: Arrays, colours: Arrays) -> str:
    """One factor for both axes."""
    datagen = ImageDataGenerator(zoom_range=(0.7, 1.3), isotropic_zoom=True)
    drawn = datagen.get_random_transform((32, 32, 3), seed=1)
    assert drawn["zx"] == drawn["zy"] != 1
    return "isotropic_zoom=True"


def rotate_without_aliasing(digits: Arrays, colours: Arrays) -> str:
    """Order 3 (splines) loses less than order 1; shrinking needs a low-pass: antialias=True."""
    from skimage.data import astronaut

    picture = astronaut()[100:228, 100:228].astype(np.float32)
    lost = {}
    for order in (1, 3):
        datagen = ImageDataGenerator(interpolation_order=order, fill_mode="reflect")
        turned = picture
        for _ in range(12):
            turned = datagen.apply_transform(turned, {"theta": 30})
        inner = (slice(40, 88), slice(40, 88))
        lost[order] = float(np.abs(turned[inner] - picture[inner]).mean())
    assert lost[3] < lost[1]
    spec = ma.DataSpec("p", [ma.EntrySpec.of_role("image", "intensity", border="reflect")])
    ma.Pipeline([ma.Scale((0.4, 0.5), antialias=True)], spec)  # for shrinking
    levels = ", ".join(f"order {order}: {value:.1f}" for order, value in lost.items())
    return f"grey levels lost in twelve turns of 30 degrees: {levels}"


def what_channel_shift_does(digits: Arrays, colours: Arrays) -> str:
    """One number for all channels, clipped to the picture's own range: brighter or darker."""
    picture = colours[0].astype(np.float32)
    datagen = ImageDataGenerator()
    found = datagen.apply_transform(picture, {"channel_shift_intensity": 30})
    assert (found == np.clip(picture + 30, picture.min(), picture.max())).all()
    return "adds one number to all channels; ma.ChannelShift gives every channel its own"


def statistics_for_test_data(digits: Arrays, colours: Arrays) -> str:
    """Fit on training data, save, and load where predictions are made."""
    train, test = colours[:800], colours[800:]
    settings = {"featurewise_center": True, "featurewise_std_normalization": True}
    datagen = ImageDataGenerator(**settings, rotation_range=20)
    datagen.fit(train)
    with tempfile.TemporaryDirectory() as folder:
        datagen.save_statistics(Path(folder, "stats.zarr"))
        later = ImageDataGenerator(**settings)
        later.load_statistics(Path(folder, "stats.zarr"))
    found = later.standardize(test)
    expected = (test - train.mean((0, 1, 2))) / (train.std((0, 1, 2)) + 1e-6)
    assert np.allclose(found, expected, atol=1e-4)
    return "save_statistics / load_statistics, then standardize(x)"


def several_copies(digits: Arrays, colours: Arrays) -> str:
    """copies=k in the iterator; or written down once, with `multiaug.export`."""
    flow = ImageDataGenerator(rotation_range=30).flow(colours[:10], copies=4, shuffle=False)
    assert flow.n == 40
    batch = next(flow)
    assert (batch[0] != batch[1]).any()
    return "flow(.., copies=4)"


def evaluate_and_predict(digits: Arrays, colours: Arrays) -> str:
    """In order, without augmentation, with the statistics of the training data."""
    datagen = ImageDataGenerator(featurewise_center=True, rotation_range=30)
    datagen.fit(colours)
    still = ImageDataGenerator(featurewise_center=True)
    still.mean = datagen.mean
    flow = still.flow(colours[:50], shuffle=False, batch_size=16)
    found = np.concatenate([flow[i] for i in range(len(flow))])
    assert np.allclose(found, colours[:50] - datagen.mean, atol=1e-3)
    return "model.evaluate(flow), model.predict(flow): they take the place of *_generator"


def a_cloud_without_intrinsics(digits: Arrays, colours: Arrays) -> str:
    """An organised cloud, from PCL say, tells its own camera."""
    rows, columns = np.mgrid[:48, :64].astype(np.float32)
    depth = 2 + 0.3 * np.sin(columns / 9) + 0.2 * np.cos(rows / 7)
    cloud = np.stack([(columns - 31.5) / 60 * depth, (rows - 23.5) / 60 * depth, depth], -1)
    found = ma.estimate_intrinsics(cloud)
    assert abs(float(found.intrinsics[0, 0]) - 60) < 0.1
    return f"ma.estimate_intrinsics(xyz): focal length {float(found.intrinsics[0, 0]):.1f} of 60"


def zca_on_large_pictures(digits: Arrays, colours: Arrays) -> str:
    """By pairs of records where a covariance would not fit: memory is an argument."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 64, 64, 3), np.uint8)
    datagen = ImageDataGenerator(
        featurewise_center=True, zca_whitening=True, zca_solver="dual", zca_memory="1GB"
    )
    datagen.fit(x)
    assert datagen.standardize(x[:4]).shape == (4, 64, 64, 3)
    return "zca_solver='dual', zca_memory='16GB': no matrix of pixels by pixels is made"


def behind_ones_own_generator(digits: Arrays, colours: Arrays) -> str:
    """Any iterator of records, through a pipeline."""

    def own() -> Any:
        for picture in colours[:40]:
            yield {"image": picture}

    spec = ma.DataSpec("p", [ma.EntrySpec.of_role("image", "intensity", channels=3)])
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Flip("x")], spec)
    batches = list(ma.map_batches(own(), pipeline, batch_size=8))
    assert len(batches) == 5
    return "ma.map_batches(iterator, pipeline, batch_size=8)"


QUESTIONS: dict[str, Callable[[Arrays, Arrays], str]] = {
    "Which pictures come out?": which_pictures_come_out,
    "What about masks?": what_about_masks,
    "RGB, 4 or 6 channels, channels first?": any_channels_channels_first,
    "uint8 .npy of (2000, 4, 100, 100)?": bytes_in_an_npy_file,
    "Keep the aspect ratio when zooming?": keep_the_aspect_ratio,
    "Rotate without aliasing?": rotate_without_aliasing,
    "What does channel_shift do?": what_channel_shift_does,
    "Statistics for test data?": statistics_for_test_data,
    "Several copies of each picture?": several_copies,
    "Evaluate and predict?": evaluate_and_predict,
    "A cloud from PCL without intrinsics?": a_cloud_without_intrinsics,
    "ZCA on 10,000 pictures of 224 x 224 x 3 in 16 GB?": zca_on_large_pictures,
    "Behind my own generator?": behind_ones_own_generator,
}
