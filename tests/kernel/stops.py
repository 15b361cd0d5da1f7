"""What a Stop leaves, and how long it takes: prints the table of docs/notebooks.md.

    ROR_DATA=UTKFace.tar.gz python tests/kernel/stops.py

Everything is done anew in a cache and a store of its own.
"""

import os
import re
import tempfile
import time
from pathlib import Path

import front

FACES = "let faces = Faces::open()?;"
SPLIT = "let split = Protocol::OriginalGender.split(&faces)?;"
TRAIN = "Training::new(&faces, &split, Task::Gender).net(RorConfig::small(1))"
# What is stopped; what it needs beforehand; the cell; seconds until Stop; what is on the disk afterwards.
CASES = [
    ("unpacking the archive", "", "let _faces = Faces::open()?;", 3, "nothing: it begins anew"),
    ("decoding pictures", FACES, "let _pictures = faces.pictures(48)?;", 2, "nothing: it begins anew"),
    ("an epoch", SPLIT, f"let _net = {TRAIN}.epochs(30).train_or_load()?;", 30, "its whole epochs: it goes on"),
    (
        "a search",
        "",
        f"let _search = {TRAIN}.epochs(3).search(&[64, 128], &[1e-3, 2e-3])?;",
        30,
        "the settings that were trained, and whole epochs: it goes on",
    ),
    (
        "predicting a folder",
        "let files: Vec<_> = std::fs::read_dir(faces.folder().unwrap())?.flatten().map(|entry| entry.path()).collect();",
        "let _found = Predictor::pretrained()?.predict_photos(&detector()?, &files, |_| Ok(()))?;",
        5,
        "nothing: it begins anew",
    ),
    (
        "a loop with `keep_going()?`",
        "",
        "let mut sum = 0u64; loop { sum = std::hint::black_box(sum + 1); ror::keep_going()?; if sum == u64::MAX { break; } }",
        2,
        "",
    ),
    ("an endless loop", "", "while std::hint::black_box(true) {}", 2, ""),
    ("a cell that sleeps", "", "std::thread::sleep(std::time::Duration::from_secs(600));", 2, ""),
]


def run(place: Path) -> None:
    os.environ |= {"ROR_CACHE": str(place / "cache"), "ROR_MODELS": str(place / "models")}
    models = Path(__file__).resolve().parent.parent.parent / "models"
    (place / "models").mkdir()
    for file in models.glob("pretrained-both.*"):
        (place / "models" / file.name).symlink_to(file)
    (place / "models" / "detector").symlink_to(models / "detector")
    front.PATIENCE = 5  # as users have it
    kernel = front.Kernel()
    print("| stopped in | the cell ended after | variables | on the disk |\n|---|---|---|---|")
    defined = []
    for what, before, cell, wait, left in CASES:
        for code in [before, "let kept = 23;"]:
            _, reply = kernel.run(code)
            assert reply["status"] == "ok", reply
        defined.append(before)
        id = kernel.send(cell)
        time.sleep(wait)
        start = time.monotonic()
        kernel.interrupt()
        messages, _ = kernel.finish(id)
        seconds = time.monotonic() - start
        said = front.text(messages, "stderr")
        shown, _ = kernel.run('println!("kept {kept}");')
        stays = "kept 23" in front.text(shown, "stdout")
        assert not stays or "stopped by you" in said, f"{what}: {seconds} {messages}"
        print(f"| {what} | {seconds:.1f} s | {'all stay' if stays else 'gone, and said'} | {left} |", flush=True)
        if not stays:
            assert re.search("variables", said), said
            for code in defined:
                kernel.run(code)
    kernel.end()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        run(Path(place))
