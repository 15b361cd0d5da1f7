"""Cells as people type them who know pandas, seaborn and Keras: each fails and says what to type instead, and
that runs. tests/notebooks/habits.ipynb has more of them.

    python tests/kernel/hints.py

tests/kernel.rs runs it.
"""

import tomllib
import unittest
from pathlib import Path

from front import Kernel, text

HINTS = Path(__file__).resolve().parents[2] / "setup" / "front" / "hints.toml"


# In a folder of their own, with a file to read.
PREPARE = """
let (faces, folder) = (Faces::synthetic(300, 0)?, std::env::temp_dir().join(format!("ror-hints-{}", std::process::id())));
let table = faces.records().clone();
table.write_csv(folder.join("faces.csv"))?;
std::env::set_current_dir(&folder)?;
"""


class Hints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()
        _, reply = cls.kernel.run(PREPARE)
        assert reply["status"] == "ok"
        cls.hints = tomllib.loads(HINTS.read_text())["hint"]

    @classmethod
    def tearDownClass(cls):
        cls.kernel.run("std::fs::remove_dir_all(&folder)?;")
        cls.kernel.end()

    def test_every_hint(self):
        for hint in self.hints:
            with self.subTest(hint["example"]):
                messages, reply = self.kernel.run(hint["example"])
                self.assertEqual(reply["status"], "error")
                self.assertIn(f"Hint: {hint['say']}: `{hint['instead']}`\n", text(messages, "stderr"))

    def test_what_hints_say_runs(self):
        """All of it in one cell, because compiling takes a second."""
        code = "\n".join(f"{{\n{hint['instead']}{'' if hint['instead'].endswith(('}', ';')) else ';'}\n}}" for hint in self.hints)
        messages, reply = self.kernel.run(code)
        self.assertEqual(reply["status"], "ok", messages)

    def test_a_wrong_column_names_those_there_are(self):
        said = 'not found: "agee" not found\nHint: valid columns: ["index", "file", "age", "gender", "race", "content"] Did you mean "age"?\n'
        for code in ['table["agee"]', 'table.column("agee")?.len()', 'faces.records()["agee"].len()']:
            messages, reply = self.kernel.run(code)
            self.assertEqual((reply["status"], text(messages, "stderr")), ("error", said), code)
        messages, _ = self.kernel.run('table.head(Some(1))["agee"].len()')  # not the columns of a variable
        self.assertEqual(text(messages, "stderr"), said.splitlines(keepends=True)[0])
        messages, _ = self.kernel.run('table.filter_by(col("agee").gt(1))?;')
        self.assertIn('\n\nDid you mean "age"?', text(messages, "stderr"))

    def test_other_cells_have_none(self):
        for code in ["table.height()", 'let ages = table["age"].numbers()?;', "let broken: bool = 3;", 'panic!("no")']:
            messages, _ = self.kernel.run(code)
            self.assertNotIn("Hint", text(messages, "stderr"), code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
