"""Every public function refuses arguments of the wrong kind, in a sentence of multiaug's own."""

import inspect
import warnings

import pytest

import multiaug as ma
from tests.arguments.callables import WRONG, Case, cases
from tests.nightly import NIGHTLY

CASES = cases()
# A path that leads nowhere is the operating system's to refuse; the classic lets that through.
OF_FILES = (FileNotFoundError, IsADirectoryError)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Where "a string" is a fine name for a new store, it is made here."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_wrong_kinds_are_accepted_or_refused_in_a_sentence(case: Case):
    bare = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, argument in enumerate(case.valid):
            # By day every other kind for each: the same functions check them all.
            kinds = [*WRONG.items()] if NIGHTLY else [*WRONG.items()][i % 2 :: 2]
            for kind, make in kinds:
                try:
                    case.run(**{argument: make()})
                except (ma.MultiaugError, *OF_FILES):
                    pass
                except Exception as error:  # all that comes from inside
                    bare.append(f"{argument}={kind}: {type(error).__name__}: {error}")
    assert bare == []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_right_arguments_are_accepted(case: Case):
    if case.refused:
        with pytest.raises((ma.MultiaugError, *OF_FILES)):
            case.run()
    else:
        case.run()


def test_all_exported_callables_are_tried():
    """What the root exports and is not tried here has a reason."""
    tried = {case.name.removeprefix("ma.") for case in CASES if case.name.startswith("ma.")}
    called = {
        name
        for name, value in vars(ma).items()
        if callable(value) and not name.startswith("_") and not inspect.ismodule(value)
    }
    errors = {n for n in called if isinstance(getattr(ma, n), type) and "Error" in n}
    without_arguments = {"shipped_specs", "tune_malloc"}
    # Data that a person reads and never makes, and what only sets a folder for the whole process.
    others = {"Block", "Mistake", "MultiaugWarning", "RecordParams", "Source", "Statistics"}
    others |= {"enable_compilation_cache"}
    # What classes of one's own are made of, and what they are compared with.
    others |= {"RecordSource", "RecordStream", "SequentialSource"}
    assert called - errors - without_arguments - others - tried == set()
