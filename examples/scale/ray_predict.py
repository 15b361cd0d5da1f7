"""Answers a folder of tar shards by Ray: a task a shard, tried again where it fails; counts pictures.

    python examples/scale/ray_predict.py ANSWERS SHARDS
"""
import json, os, subprocess, sys
from pathlib import Path

import pyarrow.parquet as pq
import ray

ROR = os.environ.get("ROR", str(Path(__file__).resolve().parents[2] / "ror"))


@ray.remote(num_cpus=1, max_retries=3, retry_exceptions=True)
def answer(shard, to):
    # All of this shard, whatever a launcher around Ray says of shares.
    subprocess.run([ROR, "predict", shard, "--to", to, "--shard", "0/1"], check=True)


to, folder = [Path(path).resolve() for path in sys.argv[1:]]
ray.init()
tasks = {shard: answer.remote(shard, to) for shard in sorted(folder.glob("*.tar"))}
failed = []
for shard, task in tasks.items():
    try:
        ray.get(task)
    except ray.exceptions.RayError:
        failed.append(shard.name)
notes = [json.loads(pq.read_schema(file).metadata[b"ror"]) for file in to.glob("*.parquet")]
print(f"{sum(note['pictures'] for note in notes)} pictures of {len(notes)} shards; failed: {failed}")
sys.exit(bool(failed))
