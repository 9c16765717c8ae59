"""Nothing that somebody else has saved is written over."""

import json

import multiaug as ma
from multiaug.studio import serve
from tests.studio.conftest import SPEC, Opened, records

FLIP = [{"type": "Flip", "settings": {"axis": "x", "p": 1.0}}]
TURN = [{"type": "Rotate", "settings": {"degrees": [-5, 5], "p": 1.0}}]


def test_what_is_saved_is_a_document_of_a_pipeline(opened):
    status, done = opened.ask("PUT", "/api/saved/first%20one", {"transforms": FLIP, "tag": None})
    assert (status, "first one" in done["saved"]) == (200, True)
    document = json.loads((opened.folder / "first one.json").read_text())
    assert ma.Pipeline.from_dict(document).transforms == (ma.Flip("x", p=1.0),)
    status, loaded = opened.ask("GET", "/api/saved/first%20one")
    assert (status, loaded["transforms"], loaded["tag"]) == (200, FLIP, done["tag"])


def test_a_change_of_somebody_else_is_kept(opened):
    path = "/api/saved/shared"
    _, first = opened.ask("PUT", path, {"transforms": FLIP, "tag": None})
    assert opened.ask("PUT", path, {"transforms": TURN, "tag": None})[0] == 409
    status, second = opened.ask("PUT", path, {"transforms": TURN, "tag": first["tag"]})
    assert status == 200
    status, refused = opened.ask("PUT", path, {"transforms": FLIP, "tag": first["tag"]})
    assert status == 409
    assert "changed by somebody else" in refused["error"]
    assert opened.ask("GET", path)[1]["transforms"] == TURN
    (opened.folder / "shared.json").unlink()
    assert opened.ask("PUT", path, {"transforms": FLIP, "tag": second["tag"]})[0] == 409
    assert opened.ask("PUT", path, {"transforms": FLIP, "tag": None})[0] == 200
    assert list(opened.folder.glob(".*")) == []


def test_what_cannot_be_built_is_not_saved(opened):
    wrong = [{"type": "Rotate", "settings": {"degrees": "x"}}]
    status, answer = opened.ask("PUT", "/api/saved/wrong", {"transforms": wrong, "tag": None})
    assert (status, answer["error"]["field"]) == (422, "degrees")
    assert not (opened.folder / "wrong.json").exists()


def test_without_a_folder_nothing_is_saved():
    with serve(records(), spec=SPEC, open_browser=False, wait=False) as studio:
        alone = Opened(studio, None)
        assert alone.ask("GET", "/api/describe")[1]["can_save"] is False
        status, answer = alone.ask("PUT", "/api/saved/x", {"transforms": [], "tag": None})
        assert status == 400
        assert "save_to" in answer["error"]
