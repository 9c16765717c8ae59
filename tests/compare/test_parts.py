"""Folds, scores, scaling, optimiser: the parts of a comparison against references."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.compare._examples import IGNORED, Scaling, as_places, shares_of
from multiaug.compare._folds import group_ids, make_folds, same_division
from multiaug.compare._network import _mean_of_groups
from multiaug.compare._scores import confusion, score_of
from multiaug.compare._task import find_task
from multiaug.compare._training import Architecture, Trainer, _adam
from multiaug.compare._validation import for_validation
from tests.nightly import by_night

SPEC = ma.load_spec("rgb-segmentation")
RECORD = {"image": np.zeros((16, 16, 3), np.uint8), "mask": np.zeros((16, 16), np.uint8)}


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_and_folds_are_of_about_one_size(seed):
    groups = np.random.default_rng(seed).integers(0, 12, 100)
    folds = make_folds(3, 100, groups, None, seed)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    sizes = np.bincount(folds, minlength=3)
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()


def test_every_fold_has_its_share_of_each_class():
    classes = np.repeat([0, 1, 2], [50, 10, 4])
    folds = make_folds(4, 64, None, classes, 0)
    for label in (0, 1, 2):
        counts = np.bincount(folds[classes == label], minlength=4)
        assert counts.max() - counts.min() <= 1
    assert not same_division(folds, make_folds(4, 64, None, classes, 1))
    assert same_division(folds, 3 - folds)


def test_too_few_records_or_groups_are_refused():
    with pytest.raises(ma.ParameterError, match="needs at least 6 records, found 5"):
        make_folds(3, 5, None, None, 0)
    with pytest.raises(ma.ParameterError, match="found 2 for 3 folds"):
        make_folds(3, 8, np.arange(8) % 2, None, 0)
    with pytest.raises(ma.ParameterError, match="one id for each of the 8 records"):
        group_ids([1, 2], np.arange(8), 8)


def test_groups_may_be_ids_of_any_kind_or_a_function():
    positions = np.array([0, 2, 3])
    assert group_ids(["a", "b", "a", "c"], positions, 4).tolist() == [0, 0, 1]
    assert group_ids(lambda i: (i // 3, "scene"), positions, 4).tolist() == [0, 0, 1]


def test_mean_iou_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(-1, 3, (5, 8, 8)), rng.integers(0, 4, (5, 8, 8))
    expected = []
    for label in range(3):  # class 3 never truly occurs
        here, there = truth == label, (predicted == label) & (truth != IGNORED)
        expected.append((here & there).sum() / (here | there).sum())
    found = score_of(confusion(truth, predicted, 4), "segmentation")
    assert found == pytest.approx(np.mean(expected), rel=1e-12)
    counted = truth != IGNORED
    accuracy = (truth == predicted)[counted].mean()
    assert score_of(confusion(truth, predicted, 4), "classification") == pytest.approx(accuracy)


def test_scaling_leaves_out_what_has_no_data_and_marks_it():
    images = np.random.default_rng(0).normal(5, 3, (4, 8, 8, 2)).astype(np.float32)
    images[1, :4, :, 1] = np.nan
    scaled = Scaling.of(images).apply(images, np.array([1]))
    known = np.isfinite(images[..., 1])
    assert scaled.shape == (4, 8, 8, 3)
    for values in (scaled[..., 0], scaled[..., 1][known]):
        assert (values.mean(), values.std()) == pytest.approx((0, 1), abs=1e-4)
    assert (scaled[..., 1][~known] == 0).all()
    np.testing.assert_array_equal(scaled[..., 2] == 1, known)


def test_shares_are_one_at_the_label_and_those_of_the_mix_where_records_are_mixed():
    task = find_task(SPEC, RECORD, None, None, None)
    ids, labels = np.array([0, 7]), np.array([[[0, 7], [IGNORED, 3]]])
    assert as_places(labels, ids).tolist() == [[[0, 1], [IGNORED, IGNORED]]]
    shares = shares_of(task, {}, labels, ids)
    assert shares.tolist() == [[[[1, 0], [0, 1]], [[0, 0], [0, 0]]]]
    mixed = np.zeros((1, 2, 2, 8), np.float32)
    mixed[..., 0], mixed[..., 7] = 0.25, 0.75
    assert (shares_of(task, {"mask_onehot": mixed}, labels, ids) == [0.25, 0.75]).all()
    with pytest.raises(ma.ParameterError, match="Give it 8 classes"):
        shares_of(task, {"mask_onehot": mixed[..., :5]}, labels, ids)


@by_night  # importing torch takes seconds
def test_adam_is_that_of_torch():
    import torch

    rng = np.random.default_rng(0)
    start, slopes = rng.normal(size=(3, 4)), rng.normal(size=(10, 3, 4))
    trainer = Trainer(Architecture("segmentation", (16, 16), 3, 2, 4, 4), 10, 1e-2)
    theirs = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.AdamW([theirs], lr=1.0, betas=(0.9, 0.99), weight_decay=1e-2)
    ours = {"w": start.astype(np.float32)}
    first = second = {"w": np.zeros((3, 4), np.float32)}
    for number, slope in enumerate(slopes):
        rate = trainer.rate(number)
        optimizer.param_groups[0]["lr"] = rate
        theirs.grad = torch.tensor(slope)
        optimizer.step()
        rates = np.float32([rate, 1 - 0.9 ** (number + 1), 1 - 0.99 ** (number + 1)])
        gradient = {"w": slope.astype(np.float32)}
        ours, first, second = _adam(ours, first, second, gradient, rates)
    np.testing.assert_allclose(ours["w"], theirs.detach().numpy(), atol=1e-5)
    rates = [trainer.rate(number) for number in range(10)]
    assert rates[0] == max(rates) == 1e-2
    assert rates == sorted(rates, reverse=True)


@by_night
def test_channels_are_normalised_in_groups_as_in_torch():
    import torch

    x = np.random.default_rng(0).normal(3, 2, (2, 4, 6, 16)).astype(np.float32)
    expected = torch.nn.functional.group_norm(torch.tensor(x).permute(0, 3, 1, 2), 2)
    centred = x - np.asarray(_mean_of_groups(x))
    found = centred / np.sqrt(np.asarray(_mean_of_groups(centred**2)) + 1e-5)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1).numpy(), atol=2e-6)


def test_validation_has_what_is_done_to_all_values_alike_and_no_other_geometry():
    noise, both = ma.GaussianNoise(0.1), ma.Normalize([0.5] * 3, [0.2] * 3)
    transforms = [ma.Grey(), ma.Crop(8), ma.Flip("x"), ma.Rotate((90, 90)), ma.Resize(32), noise]
    some = [ma.Grey(p=0.5), ma.Brightness(0.1), ma.Erase(), ma.OneOf([ma.Grey()])]
    pipeline = ma.Pipeline([*transforms, *some, both], SPEC)
    kept = for_validation(pipeline, None, (16, 24), RECORD).transforms
    assert [repr(one) for one in kept] == [repr(ma.Grey()), repr(both), repr(ma.Resize((16, 24)))]


def test_the_task_is_found_or_asked_for():
    rich = {
        name: ma.EntrySpec.of_role(name, role, dtype=dtype)
        for name, role, dtype in (
            ("image", "intensity", "uint8"), ("a", "label", "uint8"), ("b", "label", "uint8"),
            ("depth", "depth", "float32"), ("kind", "scalar", None), ("scene", "scalar", None),
        )
    }  # fmt: skip
    record = {"image": np.zeros((8, 8, 3), np.uint8), "a": np.zeros((8, 8), np.uint8)}
    record |= {"b": record["a"], "depth": np.ones((8, 8), np.float32)}
    record |= {"kind": np.int64(1), "scene": np.int64(0)}
    spec = ma.DataSpec("rich", rich)
    with pytest.raises(ma.ParameterError, match=r"\['a', 'b'\]. Name one with target="):
        find_task(spec, record, None, None, None)
    task = find_task(spec, record, "b", None, None)
    assert (task.kind, task.inputs, task.unused) == ("segmentation", ("image", "depth"), ("a",))
    few = {n: record[n] for n in ("image", "kind", "scene")}
    with pytest.raises(ma.ParameterError, match="kind"):
        find_task(spec, few, None, None, None)
    task = find_task(spec, few, None, None, "scene")
    assert (task.kind, task.target) == ("classification", "kind")
    with pytest.raises(ma.ParameterError, match="must be images of the records other than"):
        find_task(spec, record, "b", ["b"], None)
    with pytest.raises(ma.ParameterError, match="something to predict"):
        find_task(spec, {"image": record["image"]}, None, None, None)
