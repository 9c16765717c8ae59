"""Intervals of paired differences: a closed form, and how often they are wrong."""

import numpy as np
import pytest
from scipy import stats

from multiaug.compare._interval import paired_difference


def test_without_shared_records_it_is_the_paired_t_interval() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 12)
    found = paired_difference(values, 0.0)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize("folds", [3, 5])
def test_false_alarms_of_correlated_folds_are_as_rare_as_promised(folds: int) -> None:
    # Nadeau and Bengio's model: differences correlate by test / (test + train) = 1 / folds.
    generator = np.random.default_rng(folds)
    correlation, pairs, runs = 1 / folds, 6, 1000
    common = generator.normal(0, np.sqrt(correlation), (runs, 1))
    values = common + generator.normal(0, np.sqrt(1 - correlation), (runs, pairs))
    corrected = [not paired_difference(one, 1 / (folds - 1)).is_noise for one in values]
    naive = [not paired_difference(one, 0.0).is_noise for one in values]
    assert 0.03 < np.mean(corrected) < 0.07
    assert np.mean(naive) > 0.1


def test_sentences_say_who_is_better_and_when_nobody_can_tell() -> None:
    clear = paired_difference(np.array([0.2, 0.21, 0.19, 0.2]), 0.5)
    assert clear.sentence("flips", "none").startswith("flips beats none by 0.200 (95% interval 0.1")
    worse = paired_difference(np.array([-0.2, -0.21, -0.19, -0.2]), 0.5)
    assert worse.sentence("heavy", "none").startswith("none beats heavy by 0.200 (95% interval 0.1")
    level = paired_difference(np.array([0.1, -0.1, 0.1, -0.1]), 0.5)
    assert "within the noise of these 4 pairs" in level.sentence("a", "none")
    assert "would not tell" in level.sentence("a", "none")
    close = paired_difference(np.array([0.05, 0.2, 0.01]), 0.01)
    assert close.is_noise
    assert close.needed is not None
    assert close.needed > 3
    assert f"about {close.needed - 3} pairs more" in close.sentence("a", "none")
