"""Opens answers in polars and in pyarrow, which must read the same, and counts their pictures.

    python tests/scale/answers.py ANSWERS
"""
import json, sys
from pathlib import Path

try:
    import polars as pl
    import pyarrow.dataset
    import pyarrow.parquet as pq
except ImportError as error:
    print(f"{error.name} is not installed")
    sys.exit(77)  # skipped

folder = Path(sys.argv[1])
table = pl.read_parquet(folder / "*.parquet")
faces = "face" in table.columns  # of photographs
order = ["shard", "picture", "face"] if faces else ["shard", "picture"]
table = table.sort(order)
arrow = pyarrow.dataset.dataset(folder, format="parquet").to_table()
other = pl.from_arrow(arrow).sort(order)
assert table.equals(other), "polars and pyarrow differ"
notes = [json.loads(pq.read_schema(file).metadata[b"ror"]) for file in folder.glob("*.parquet")]
pictures = table.n_unique(["shard", "picture"])
assert pictures == sum(note["pictures"] for note in notes)
assert table["age"].count() == sum(note["faces"] for note in notes)
unread = table.filter(pl.col("error").is_not_null())
assert unread.height == sum(note["unread"] for note in notes)
assert unread["age"].null_count() == unread.height
print(f"{pictures} pictures, {table['age'].count()} faces, {unread.height} not read")
