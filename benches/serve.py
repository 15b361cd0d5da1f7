"""Photos over HTTP from many clients at once, beside the same folder on the command line and beside FastAPI.

    python benches/serve.py FOLDER [--requests 10000] [--clients 64] [--rounds 3] [--peer PYTHON]

Every answer of the server must be the command line's. With --peer, a Python that has fastapi, uvicorn and what
benches/requirements.txt lists, FastAPI with the same network in PyTorch answers the same photos. A round runs
all of them one after the other. Prints a table: photos per second, milliseconds, MB of memory.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = "pretrained-both"


def command_line(folder: Path) -> tuple[float, dict[str, str]]:
    """Photos per second of `ror predict FOLDER --json`, and the answers by name."""
    start = time.monotonic()
    said = subprocess.run([ROOT / "ror", "predict", folder, "--json"], check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - start
    answers = {}
    for line in said.stdout.splitlines():
        path = json.loads(line)["path"]
        answers[Path(path).name] = line.replace(json.dumps(path, ensure_ascii=False), '""', 1)
    return len(answers) / seconds, answers


def memory(pid: int) -> float:
    """MB in use by a process and those it started."""
    kilobytes = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines())
        if pid in (int(folder.name), int(fields["PPid"])) and "VmRSS" in fields:
            kilobytes += int(fields["VmRSS"].split()[0])
    return kilobytes / 1024


def load(port: int, photos: dict[str, bytes], requests: int, clients: int) -> tuple[list[float], list[tuple[str, str]]]:
    """Seconds of each request, and the answers."""
    names = list(photos)
    todo, lock = iter(range(requests)), threading.Lock()
    seconds, answers, errors = [], [], []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        while True:
            with lock:
                number = next(todo, None)
            if number is None or errors:
                return
            name = names[number % len(names)]
            start = time.monotonic()
            try:
                connection.request("POST", "/v1/predict", photos[name])
                response = connection.getresponse()
                text = response.read().decode()
                if response.status != 200:
                    raise OSError(f"{response.status} {text}")
            except OSError as error:
                errors.append(error)
                return
            seconds.append(time.monotonic() - start)
            answers.append((name, text))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"error: {errors[0]}")
    return seconds, answers


def serve(command: list, environment: dict, photos: dict[str, bytes], options) -> tuple[dict, list[tuple[str, str]]]:
    """Starts a server, loads it, and ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, "--port", str(port)], env=os.environ | environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                load(port, photos, 2 * options.clients, options.clients)  # warm
                break
            except SystemExit:
                if process.poll() is not None:
                    raise
                time.sleep(0.5)
        before, start = memory(process.pid), time.monotonic()
        seconds, answers = load(port, photos, options.requests, options.clients)
        wall = time.monotonic() - start
        hundredths = statistics.quantiles(seconds, n=100)
        row = {"photos/s": options.requests / wall, "p50 ms": 1000 * hundredths[49], "p99 ms": 1000 * hundredths[98]}
        return row | {"MB before": before, "MB after": memory(process.pid)}, answers
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait(200) not in (0, -signal.SIGTERM):
            raise SystemExit(f"error: the server ended with {process.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", metavar="PYTHON")
    options = parser.parse_args()
    photos = {path.name: path.read_bytes() for path in sorted(options.folder.iterdir())}
    peer = {"CARD": MODEL, "PYTHONPATH": str(ROOT / "python"), "ROR_MODELS": str(ROOT / "models")}
    app = ["-m", "uvicorn", "--app-dir", ROOT / "benches/rivals", "serve:app", "--workers", str(os.cpu_count()), "--no-access-log"]
    rows = []
    for _ in range(options.rounds):
        rate, expected = command_line(options.folder)
        rows.append({"what": "ror predict FOLDER", "photos/s": rate})
        row, answers = serve([ROOT / "ror", "serve"], {}, photos, options)
        wrong = {name for name, text in answers if text != expected[name]}
        if wrong:
            raise SystemExit(f"error: {len(wrong)} photos are answered otherwise than on the command line: {sorted(wrong)[:3]}")
        rows.append({"what": "ror serve"} | row)
        if options.peer:
            rows.append({"what": "FastAPI, uvicorn"} | serve([options.peer, *app], peer, photos, options)[0])
    print("| what | photos/s | p50 ms | p99 ms | MB before | MB after |\n|---|---|---|---|---|---|")
    for row in rows:
        numbers = [row.get(name) for name in ["photos/s", "p50 ms", "p99 ms", "MB before", "MB after"]]
        print(f"| {row['what']} | " + " | ".join("" if n is None else f"{n:.1f}" for n in numbers) + " |")


if __name__ == "__main__":
    main()
