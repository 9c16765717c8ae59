"""The pages whose code runs: what lies in their folders, what cannot run, what waits for night."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import multiaug as ma

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

# What cannot run here: page, a line that begins the block, reason.
CANNOT_RUN = (
    ("how-to/from-torchvision.md", "from torchvision", "torchvision: the tests have stand-ins"),
    ("how-to/lightning.md", "import numpy", "pytorch_lightning is not among what tests install"),
    ("compare.md", "import multiaug", "trains for minutes; tests/compare runs it, shortened"),
    ("studio.md", "import multiaug", "serves until Ctrl+C; tests/studio opens it in a browser"),
    ("how-to/ray.md", "import numpy", "ray is not among what tests install"),
)

# What runs by night alone (`make nightly`), and why.
BY_NIGHT = {
    "how-to/from-kornia.md": "eight transforms compile for keypoints; none of them is new",
    "how-to/from-monai.md": "crops that read labels compile for long; none of them is new",
    "how-to/own-transform.md": "the check of a transform; by day tests/extending has the same one",
    "how-to/keras.md": "importing Keras and compiling its step; by day tests/keras has model.fit",
    "policies.md": "policies compile for long; by day test_policies.py has what the page says",
}

# What pages say that their code prints, in words that are not in the code.
PRINTED = {
    "engine.md": ("run of warps and values: Rotate, Flip, Brightness (224 x 224 -> 224 x 224)",),
    "how-to/from-albumentations.md": ("CLAHE: colours have the lightness of Lab",),
    "how-to/masks.md": ("[0 1 2]",),
    "occlusion.md": ("values: native",),
    "policies.md": ("{'image': 2}",),
}

# Pictures that pages draw, and show as they were drawn: the file, and that in docs/images.
PICTURES = {
    "tutorials/from-image-data-generator.md": ("flow.png", "tutorial-flow.jpg"),
    "tutorials/images-and-masks.md": ("sheet.png", "tutorial-sheet.jpg"),
    "tutorials/multispectral.md": ("series.png", "tutorial-series.jpg"),
}

# Pages whose libraries want JAX's usual rules of promotion, where the tests have strict ones.
USUAL_PROMOTION = {"how-to/keras.md"}


def name_of(page: Path) -> str:
    """The page as nav and links name it."""
    return page.relative_to(DOCS if DOCS in page.parents else ROOT).as_posix()


def blocks(page: Path) -> list[str]:
    """Blocks of Python, in order."""
    return _BLOCK.findall(page.read_text("utf-8"))


PAGES = [page for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))) if blocks(page)]


def refused(page: str, block: str) -> bool:
    """Whether a block is one of those that cannot run."""
    return any(page == name and block.startswith(start) for name, start, _ in CANNOT_RUN)


def folder_of_images() -> None:
    """`my-folder` as the first page has it."""
    rng = np.random.default_rng(0)
    for kind, shape in (("images", (64, 64, 3)), ("masks", (64, 64))):
        Path("my-folder", kind).mkdir(parents=True)
        for i in range(8):
            values = rng.integers(0, 4, shape).astype(np.uint8)
            Image.fromarray(values).save(f"my-folder/{kind}/{i}.png")


def small_store() -> None:
    """`train.zarr`: an image and a mask, 40 records."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    arrays = {"image": images, "mask": images[..., 0] // 64}
    source = ma.open_source(arrays, ma.load_spec("rgb-segmentation"))
    ma.convert(source, "train.zarr", progress=False)


# What pages take for granted that is there: files of the reader.
PREPARED = {
    "README.md": folder_of_images,
    "data.md": small_store,
    "statistics.md": small_store,
}


def recipes_example():
    """examples/recipes.py as a module: it has the records that each recipe is for."""
    path = ROOT / "examples" / "recipes.py"
    specification = importlib.util.spec_from_file_location("recipes_of_the_docs", path)
    module = importlib.util.module_from_spec(specification)
    before = [*sys.path]
    specification.loader.exec_module(module)
    sys.path[:] = before
    sys.modules.pop("scene", None)
    return module


def load_hooks():
    """docs/hooks.py as a module: what the site is made with."""
    specification = importlib.util.spec_from_file_location("hooks_of_the_docs", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
