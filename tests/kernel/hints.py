"""Cells as people type them who know pandas, seaborn and Keras: each fails and says what to type instead, and
that runs.

    python tests/kernel/hints.py

tests/front.rs runs it.
"""

import tomllib
import unittest
from pathlib import Path

from front import Kernel, text

HINTS = Path(__file__).resolve().parents[2] / "setup" / "front" / "hints.toml"


class Hints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()
        _, reply = cls.kernel.run("let faces = Faces::synthetic(300, 0)?; let table = faces.records().clone();")
        assert reply["status"] == "ok"

    @classmethod
    def tearDownClass(cls):
        cls.kernel.end()

    def test_every_hint(self):
        for hint in tomllib.loads(HINTS.read_text())["hint"]:
            with self.subTest(hint["example"]):
                messages, reply = self.kernel.run(hint["example"])
                self.assertEqual(reply["status"], "error")
                self.assertIn(f"Hint: {hint['say']}: `{hint['instead']}`\n", text(messages, "stderr"))
                messages, reply = self.kernel.run(hint["instead"])
                self.assertEqual(reply["status"], "ok", messages)

    def test_other_cells_have_none(self):
        for code in ["table.height()", 'let ages = table["age"].numbers()?;', "let broken: bool = 3;", 'panic!("no")']:
            messages, _ = self.kernel.run(code)
            self.assertNotIn("Hint", text(messages, "stderr"), code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
