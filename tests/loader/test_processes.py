"""Loaders of several JAX processes: arrays over all of them, every record once."""

import json
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, sys
import jax
import numpy as np

number, address, store = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.config.update("jax_platforms", "cpu")
jax.distributed.initialize(address, 2, number)

import multiaug as ma

source = ma.open_source(store)
mesh = jax.sharding.Mesh(np.array(jax.devices()), ("records",))
sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("records"))
pipeline = ma.Pipeline([ma.Flip("x", p=0)], source.spec)
loader = ma.Loader(source, pipeline, batch_size=4, sharding=sharding, drop_last=True)
assert loader.shard == (number, 2), loader.shard
seen = []
for batch in loader:
    image, index = batch["image"], batch["index"]
    assert image.shape == (8, 4, 4, 3), image.shape
    assert image.sharding == sharding
    own = [np.asarray(shard.data) for shard in index.addressable_shards]
    pictures = [np.asarray(shard.data) for shard in image.addressable_shards]
    assert len(own) == len(pictures) == 1
    assert (pictures[0] == own[0][:, None, None, None]).all()
    seen.append(own[0].tolist())
plain = ma.Loader(source, batch_size=4)
print(json.dumps([seen, [np.asarray(b["index"]).tolist() for b in plain]]), flush=True)
"""


def test_two_processes_share_an_epoch(tmp_path):
    import numpy as np

    import multiaug as ma

    image = np.broadcast_to(np.arange(43, dtype=np.uint8)[:, None, None, None], (43, 4, 4, 3))
    spec = ma.load_spec("rgb-segmentation")
    store = ma.write_zarr([{"image": image}], spec, tmp_path / "in.zarr", chunk=3)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(number), address, str(store)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    found = [json.loads(out.splitlines()[-1]) for out, _ in outputs]
    full = [record for seen, _ in found for batch in seen for record in batch]
    assert len(found[0][0]) == len(found[1][0]) == 5  # of 21 records: a step less than 22 give
    assert len(full) == len(set(full)) == 40
    every = [record for _, seen in found for batch in seen for record in batch]
    assert sorted(every) == list(range(43))
    assert len(found[0][1]) == len(found[1][1]) == 6
