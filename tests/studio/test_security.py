"""Who is answered: the page that has the token, on the loopback address, and nobody else."""

import pytest

ASKED = ("/api/describe", "/", "/app.js", "/index.html")


def test_the_token_opens_the_page_and_leaves_the_address(opened):
    status, headers, _ = opened.send("GET", f"/?token={opened.token}", Cookie=None)
    assert (status, headers["Location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))
    status, headers, content = opened.send("GET", "/")
    assert status == 200
    assert b"<title>multiaug studio</title>" in content
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("cookie", [None, "multiaug-studio-1=x", "broken;;=\x01"])
def test_without_the_cookie_nothing_is_served(opened, path, cookie):
    assert opened.send("GET", path, Cookie=cookie)[0] == 403


def test_a_wrong_token_is_refused(opened):
    for token in ("", "x", opened.token[:-1], opened.token + "x", "ä"):
        quoted = token.replace("ä", "%C3%A4")
        assert opened.send("GET", f"/?token={quoted}", Cookie=None)[0] == 403
    port = opened.host.rpartition(":")[2]
    assert opened.send("GET", "/", Cookie=f"multiaug-studio-{port}=wrong")[0] == 403


@pytest.mark.parametrize("host", [None, "evil.example", "evil.example:80", "127.0.0.1", "[::1]:80"])
def test_a_foreign_host_is_refused_whatever_it_knows(opened, host):
    assert opened.send("GET", "/", Host=host)[0] == 421
    assert opened.send("GET", f"/?token={opened.token}", Host=host, Cookie=None)[0] == 421


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://{host}"])
def test_a_foreign_origin_changes_nothing_and_sees_nothing(opened, origin):
    origin = origin and origin.format(host=opened.host)
    body = {"transforms": [], "tag": None}
    assert opened.send("PUT", "/api/saved/foreign", body, Origin=origin)[0] == 403
    assert opened.send("POST", "/api/render", body, Origin=origin)[0] == 403
    assert not (opened.folder / "foreign.json").exists()
    if origin is not None:
        assert opened.send("GET", "/api/describe", Origin=origin)[0] == 403


def test_other_sites_may_link_to_the_page_and_fetch_nothing(opened):
    cross = {"Sec_Fetch_Site": "cross-site"}
    assert opened.send("GET", "/", **cross)[0] == 200
    assert opened.send("GET", "/api/describe", **cross)[0] == 403
    assert opened.send("GET", "/app.js", Sec_Fetch_Site="same-site")[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/../_server.py", "/%2e%2e/_server.py", "/page/../../_server.py", "//etc/passwd",
        "/etc/passwd", "/..%2f_server.py", "/index.html/..", "/.", "/api/../index.html",
    ],
)  # fmt: skip
def test_only_files_of_the_page_are_served(opened, path):
    assert opened.send("GET", path)[0] == 404


@pytest.mark.parametrize(
    "name", ["..%2fout", "%2e%2e/out", "a/b", "", ".hidden", "%00", "out%0a", "C:%5cout", "a" * 65]
)
def test_only_names_in_the_folder_are_saved_and_loaded(opened, name):
    before = sorted(opened.folder.parent.rglob("*.json"))
    body = {"transforms": [], "tag": None}
    assert opened.send("PUT", f"/api/saved/{name}", body)[0] == 400
    if name:
        assert opened.send("GET", f"/api/saved/{name}")[0] == 400
    assert sorted(opened.folder.parent.rglob("*.json")) == before


def test_links_out_of_the_folder_are_neither_read_nor_written(opened, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"transforms": []}')
    link = opened.folder / "link.json"
    link.symlink_to(secret)
    try:
        assert "link" not in opened.ask("GET", "/api/saved")[1]["saved"]
        assert opened.send("GET", "/api/saved/link")[0] == 400
        assert opened.send("PUT", "/api/saved/link", {"transforms": [], "tag": None})[0] >= 400
        assert secret.read_text() == '{"transforms": []}'
    finally:
        link.unlink()


@pytest.mark.parametrize("length", ["100000000", "-1", "x", None])
def test_bodies_without_an_honest_length_are_refused(opened, length):
    assert opened.send("POST", "/api/render", Content_Length=length)[0] == 413


def test_what_is_no_request_of_the_page_is_refused_in_a_sentence(opened):
    for body in (None, [], {}, {"transforms": "x"}, {"transforms": [], "index": 99}):
        status, answer = opened.ask("POST", "/api/render", body)
        assert status == 400
        assert answer["error"].endswith(".")
    for configs in ([1], [{"type": "Nothing", "settings": {}}], [{"type": "Rotate"}]):
        status, answer = opened.ask("POST", "/api/render", {"transforms": configs})
        assert (status, answer["error"]["place"]) == (422, 0)
