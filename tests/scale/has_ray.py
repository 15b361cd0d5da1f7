"""Whether what examples/scale/ray_predict.py needs is installed."""
import sys

try:
    import pyarrow.parquet
    import ray
except ImportError as error:
    print(f"{error.name} is not installed")
    sys.exit(77)  # skipped
