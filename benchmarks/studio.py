"""From a moved slider to the image that is shown: `python -m benchmarks.studio`.

The page itself says how long each render took: from asking the server to all images decoded. With a
browser (Chromium and playwright) sliders are moved as a person does; without one, the request is
timed. Each transform stands alone, on a record of 512 x 512: an image and its mask.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from http.client import HTTPConnection

import numpy as np
from skimage import data

import multiaug as ma
from multiaug.studio import serve
from multiaug.studio._controls import config_of

BAR = 150.0
SPEC = ma.load_spec("rgb-segmentation")
PIPELINES = {
    "Rotate, Flip, Brightness": [ma.Rotate(30), ma.Flip("x"), ma.Brightness(0.2)],
    "Shear, Gamma, GaussianNoise": [ma.Shear(10), ma.Gamma((0.5, 2.0)), ma.GaussianNoise()],
    "RandomResizedCrop, CLAHE": [ma.RandomResizedCrop((512, 512), (0.3, 1.0)), ma.CLAHE()],
    "Scale": [ma.Scale((0.8, 1.25))],
    "GaussianBlur": [ma.GaussianBlur((0.1, 2.0))],
    "ColorJitter": [ma.ColorJitter(0.4, 0.4, 0.4, 0.1)],
    "Elastic": [ma.Elastic(0.02)],
}


def source() -> ma.Source:
    """The photograph that scikit-image ships, and a mask."""
    image = data.astronaut()
    y, x = np.mgrid[:512, :512]
    mask = ((y - 120) ** 2 + (x - 230) ** 2 < 90**2).astype(np.uint8)
    return ma.open_source({"image": image[None], "mask": mask[None]}, SPEC)


def in_browser(url: str, path: str, moves: int) -> list[float]:
    """Milliseconds that the page counted, for every move of the first slider."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("body[data-renders]", timeout=120_000)
        page.locator("#list .name").first.click()
        # Of a size every value makes images of another shape: no slider of those.
        slider = page.locator('#list .setting:not([data-setting="size"]) input[type="range"]').first
        for number in range(moves + 1):
            if number < 2:
                time.sleep(4)  # what is compiled, or tried, behind the first images
            before = page.get_attribute("body", "data-renders")
            slider.press("ArrowRight")
            page.wait_for_selector(f'body:not([data-renders="{before}"])', timeout=120_000)
            found.append(float(page.get_attribute("body", "data-milliseconds") or 0))
        browser.close()
    return found[1:]


def by_request(url: str, transforms: list[ma.transforms.Transform], moves: int) -> list[float]:
    """Milliseconds of the request alone, for every value of the first range."""
    host, token = url.split("/")[2], url.rpartition("=")[2]
    configs = [config_of(one) for one in transforms]
    first = next(n for n, v in configs[0]["settings"].items() if isinstance(v, list | float))
    found = []
    for number in range(moves + 2):
        value = configs[0]["settings"][first]
        step = 1 + number / 1000
        new = [v * step for v in value] if isinstance(value, list) else value * step
        moved = [{**configs[0], "settings": {**configs[0]["settings"], first: new}}, *configs[1:]]
        began = time.perf_counter()
        connection = HTTPConnection(host)
        connection.request(
            "POST",
            "/api/render",
            json.dumps({"transforms": moved, "index": 0, "seed": 0, "draws": 1}),
            {
                "Origin": f"http://{host}",
                "Cookie": f"multiaug-studio-{host.rpartition(':')[2]}={token}",
            },
        )
        connection.getresponse().read()
        connection.close()
        found.append(1000 * (time.perf_counter() - began))
        if number < 2:
            time.sleep(4)
    return found[2:]


def main(moves: int = 15) -> int:
    """Print a table; 1 where a median is above the bar."""
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    print(f"512 x 512, {'browser' if path else 'request only'}; milliseconds, bar {BAR:.0f}")
    worst = 0.0
    for name, transforms in PIPELINES.items():
        pipeline = ma.Pipeline(transforms, SPEC)
        with serve(source(), pipeline, open_browser=False, wait=False) as studio:
            if path:
                found = in_browser(studio.url, path, moves)
            else:
                found = by_request(studio.url, transforms, moves)
        middle = statistics.median(found)
        worst = max(worst, middle)
        print(f"{name:30} median {middle:6.0f}   most {max(found):6.0f}", flush=True)
    return int(worst > BAR)


if __name__ == "__main__":
    sys.exit(main())
