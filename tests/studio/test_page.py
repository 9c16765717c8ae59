"""The page in a browser, as a person with a mouse, or with the keyboard alone, uses it."""

import json

import pytest

IMAGE = 'figure[data-panel="image"][data-column="1"] img'


@pytest.fixture
def tab(browser, opened):
    """Opens the page in a tab of its own; what it asked for lies in ``asked``."""
    contexts = []

    def new(**settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.goto(opened.studio.url)
        page.wait_for_selector("body[data-renders]", timeout=30_000)
        return page

    yield new
    for context in contexts:
        context.close()


def renders(page):
    return int(page.get_attribute("body", "data-renders"))


def shows(page, before):
    """Wait for an image that is not the one before; returns it."""
    page.wait_for_selector(f'{IMAGE}:not([src="{before}"])', timeout=30_000)
    return page.get_attribute(IMAGE, "src")


def test_a_slider_changes_the_image_and_undo_brings_it_back(tab, opened):
    page = tab()
    first = page.get_attribute(IMAGE, "src")
    page.click('[data-type="Brightness"] .name')
    slider = page.locator('[data-type="Brightness"] input[type="range"]').first
    slider.focus()
    slider.press("Home")
    moved = shows(page, first)
    assert moved != first
    page.click("#undo")
    page.wait_for_selector(f'{IMAGE}[src="{first}"]', timeout=30_000)
    assert page.wrong == []
    # Nothing leaves the machine: images are in the answers, all else is from the studio.
    assert {url.split("/")[2] for url in page.asked if not url.startswith("data:")} == {opened.host}
    assert "token" not in page.url


def test_save_reload_and_two_tabs(tab, opened):
    one, two = tab(), tab()
    shown = one.get_attribute(IMAGE, "src")
    one.click('[data-type="Rotate"] .name')
    box = one.locator('[data-type="Rotate"] input[type="number"]').first
    box.fill("-90")
    box.press("Enter")
    turned = shows(one, shown)
    one.keyboard.press("Control+s")
    one.keyboard.type("turned")
    one.keyboard.press("Enter")
    one.wait_for_selector("dialog:not([open])", state="attached")
    document = json.loads((opened.folder / "turned.json").read_text())
    assert document["transforms"][0]["degrees"] == [-90, 30]

    # The other tab has its own pipeline, and does not write over what it has not seen.
    assert two.get_attribute(IMAGE, "src") == shown
    two.keyboard.press("Control+s")
    two.keyboard.type("turned")
    two.keyboard.press("Enter")
    two.wait_for_selector("#dialog-body .problem:not([hidden])")
    assert "exists already" in two.text_content("#dialog-body .problem")
    two.keyboard.press("Escape")
    two.wait_for_selector("dialog:not([open])", state="attached")
    two.keyboard.press("o")
    two.get_by_role("button", name="turned", exact=True).click()
    assert shows(two, shown) == turned

    # Browsers leave the focus in a dialog for a moment after it has closed.
    two.keyboard.press("Control+s")
    two.keyboard.press("Escape")
    two.wait_for_selector("dialog:not([open])", state="attached")
    two.locator("dialog input").dispatch_event("keydown", {"key": "?"})
    two.wait_for_selector("dialog[open] table")
    two.keyboard.press("Escape")

    one.reload()
    one.wait_for_selector(f'{IMAGE}[src="{turned}"]', timeout=30_000)
    assert one.wrong == two.wrong == []


def test_with_the_keyboard_alone(tab):
    page = tab()
    press = page.keyboard.press
    first = page.get_attribute(IMAGE, "src")
    press("/")
    page.keyboard.type("inver")
    press("Enter")  # Invert is open, and its name has the focus
    inverted = shows(page, first)
    names = page.locator("#list .name")
    assert names.all_text_contents() == ["Rotate", "Brightness", "Invert"]
    press("Alt+ArrowUp")
    assert names.all_text_contents() == ["Rotate", "Invert", "Brightness"]
    press("Shift+Tab")
    press("Space")  # off
    page.wait_for_selector('[data-type="Invert"].off')
    press("Tab")
    press("Delete")
    assert names.all_text_contents() == ["Rotate", "Brightness"]
    page.wait_for_selector(f'{IMAGE}[src="{first}"]', timeout=30_000)
    for _ in range(3):
        press("Control+z")
    assert names.all_text_contents() == ["Rotate", "Brightness", "Invert"]
    page.wait_for_selector(f'{IMAGE}[src="{inverted}"]', timeout=30_000)
    press(".")
    assert page.input_value("#seed") == "1"
    press("]")
    assert page.input_value("#record") == "1"
    shows(page, inverted)
    press("?")
    page.wait_for_selector("dialog[open]")
    press("Escape")
    focus = []
    for _ in range(12):
        press("Tab")
        focus.append(page.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle"))
    assert "none" not in focus
    assert page.wrong == []


def test_what_the_library_says_stands_beside_the_setting(tab):
    page = tab()
    page.click('[data-type="Rotate"] .name')
    chance = page.locator('[data-type="Rotate"] [data-setting="p"]')
    chance.locator('input[type="number"]').fill("2")
    chance.locator('input[type="number"]').press("Enter")
    error = chance.locator(".error:not([hidden])")
    error.wait_for()
    assert "a probability in [0, 1]" in error.text_content()
    chance.locator('input[type="number"]').fill("1")
    chance.locator('input[type="number"]').press("Enter")
    error.wait_for(state="detached")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overflows_and_everything_has_a_name(tab, width):
    page = tab(viewport={"width": width, "height": 800}, color_scheme="dark")
    page.click('[data-type="Brightness"] .name')
    assert page.locator("html").get_attribute("data-theme") == "dark"
    wide = page.locator("html").evaluate("e => e.scrollWidth")
    assert wide <= width
    nameless = page.locator("button, input, select, textarea").evaluate_all(
        """all => all.filter(e => !(e.getAttribute("aria-label") || e.textContent.trim()
            || e.labels?.length || e.getAttribute("aria-labelledby"))).map(e => e.outerHTML)"""
    )
    assert nameless == []
