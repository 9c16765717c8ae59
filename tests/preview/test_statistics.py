import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import NotFittedError, ParameterError
from multiaug.preview import statistics_sheet
from tests.passes.test_fit import source_of
from tests.statistics.pictures import pictures


def test_a_sheet_has_all_rows(tmp_path):
    records = pictures(80, 8, 8)
    stats = ma.fit(source_of(records), ma.Moments(), ma.ZCA(), progress=False)
    plain = statistics_sheet(stats)
    sheet = statistics_sheet(stats, "image", records=records[:9], path=tmp_path / "sheet.png")
    assert sheet.shape[0] > plain.shape[0] + 250  # before and after
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert np.unique(sheet.reshape(-1, 3), axis=0).shape[0] > 500
    only = statistics_sheet(ma.fit(source_of(records), ma.Moments(), progress=False))
    assert only.shape[0] < plain.shape[0]


def test_what_has_no_picture():
    stats = ma.fit(source_of(pictures(20, 8, 8)), ma.Stationary(), progress=False)
    with pytest.raises(NotFittedError, match="there is no picture"):
        statistics_sheet(stats)
    with pytest.raises(ParameterError, match=r"one of \['image'\]"):
        statistics_sheet(stats, "mask")
    zca = ma.fit(source_of(pictures(20, 8, 8)), ma.ZCA(), progress=False)
    with pytest.raises(ParameterError, match="must have shape"):
        statistics_sheet(zca, records=pictures(2, 4, 4))
