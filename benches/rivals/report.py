"""What every rival prints at its end: a line of JSON."""

import importlib.metadata
import json
import resource


def report(*packages: str, seconds: float, how: str = "", workers: int = 0, **check: float) -> None:
    """The rival's name with versions, seconds, peak memory, and what shows that it did the same work.

    `workers` are processes beside this one, each taken to be as large as the largest.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    other = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    names = [f"{name} {importlib.metadata.version(name)}" for name in packages] + [how] * bool(how)
    name = ", ".join(names)
    print(json.dumps({"name": name, "seconds": seconds, "peak_mb": (own + workers * other) / 1024, "check": check}))
