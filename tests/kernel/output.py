"""What cells print, show and keep, in one long session: nothing is lost, nothing hangs.

    python tests/kernel/output.py [TEST...]

tests/kernel.rs runs it. Needs Linux.
"""

import os
import re
import tempfile
import unittest
from pathlib import Path

from jupyter_client import KernelManager

from front import LIMIT, Kernel, kinds, text

FACES = "let faces = Faces::synthetic(60, 0)?;"
FLUSH = 'print!("flushed"); std::io::Write::flush(&mut std::io::stdout())?;'


class Output(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()
        cls.kernel.run(FACES)

    @classmethod
    def tearDownClass(cls):
        cls.kernel.end()

    def setUp(self):
        """Between every two cells something is printed without a line end and flushed."""
        messages, reply = self.run_cell(FLUSH)
        self.assertEqual((text(messages, "stdout"), reply["status"]), ("flushed", "ok"))

    def run_cell(self, code: str, **options) -> tuple[list[dict], dict]:
        return self.kernel.run(code, **options)

    def shown(self, code: str) -> list[dict]:
        """The bundles that a cell shows."""
        messages, reply = self.run_cell(code)
        self.assertEqual(reply["status"], "ok", messages)
        shown = [message for message in messages if message["msg_type"] in ["display_data", "execute_result"]]
        return [message["content"]["data"] for message in shown]

    # Printed text

    def test_unfinished_lines_belong_to_their_cell(self):
        self.assertEqual(text(self.run_cell('print!("a"); eprint!("b");')[0], "stdout"), "a")
        self.assertEqual(text(self.run_cell('println!("c"); eprint!("d");')[0], "stderr"), "d")
        self.assertEqual(text(self.run_cell('print!("E"); print!("EVCXR");')[0], "stdout"), "EEVCXR")
        messages, _ = self.run_cell('print!("before "); panic!("at the disco");')
        self.assertEqual(text(messages, "stdout"), "before ")

    def test_unfinished_lines_come_at_once(self):
        code = f'{FLUSH} std::thread::sleep(std::time::Duration::from_millis(600)); println!("end");'
        came = [m["came"] for m in self.run_cell(code)[0] if m["msg_type"] == "stream"]
        self.assertGreater(came[-1] - came[0], 0.5)

    def test_last_words_of_a_process(self):
        self.run_cell("let lost = 1;")
        for end in ["std::process::exit(3)", "std::process::abort()"]:
            messages, reply = self.run_cell(f'println!("whole"); {FLUSH} {end};')
            self.assertEqual(text(messages, "stdout"), "whole\nflushed")
            self.assertIn("all variables are lost", text(messages, "stderr"))
            self.assertEqual(reply["status"], "error")
            # The next process is prepared like the first.
            self.assertEqual(text(self.run_cell(FLUSH)[0], "stdout"), "flushed")
            messages, _ = self.run_cell('panic!("short")')
            self.assertEqual(text(messages, "stderr"), "panic in the cell: short\n")
        self.run_cell(FACES)

    def test_a_killed_process_is_prepared_again(self):
        id = self.kernel.begun('println!("begun"); loop { std::hint::black_box(1); }')
        self.kernel.interrupt()
        self.kernel.interrupt()
        self.kernel.finish(id)
        messages, _ = self.run_cell('panic!("short")')
        self.assertIn("panic in the cell: short\n", text(messages, "stderr"))
        self.run_cell(FACES)

    def test_text_of_a_thread_after_its_cell(self):
        id = self.kernel.send('let _t = std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(500)); println!("late"); });')
        list(self.kernel.messages(id))
        late = self.kernel.client.get_iopub_msg(timeout=LIMIT)
        self.assertEqual((late["parent_header"]["msg_id"], late["content"]["text"]), (id, "late\n"))

    def test_standard_input_is_an_error(self):
        read = "let mut line = String::new(); {}.read_line(&mut line)?;"
        for code in [
            read.format("std::io::stdin()"),
            "use std::io; " + read.format("io::stdin()"),
            "use std::io::stdin; " + read.format("stdin()"),
            "use std::io::{Read, stdin}; " + read.format("stdin ( )"),
            "std::io::read_to_string(std::io::stdin())?;",
            "for line in std::io::stdin().lines() { println!(\"{}\", line?); }",
            "use std::io::BufRead; std::io::stdin().lock().read_line(&mut String::new())",
        ]:
            messages, reply = self.run_cell(code)
            self.assertEqual(reply["status"], "error", code)
            self.assertIn("a cell has no standard input", text(messages, "stderr"), code)
        messages, _ = self.run_cell('println!("std::io::stdin() {}", r#"io::stdin"#); // io::stdin()')
        self.assertEqual(text(messages, "stdout"), "std::io::stdin() io::stdin\n")

    def test_libraries_that_read_standard_input_ask(self):
        """What the front can't see in the code."""
        code = """use std::io as inner; let mut line = String::new();
inner::stdin().read_line(&mut line)?; println!("got {line:?}");"""
        id = self.kernel.send(code, allow_stdin=True)
        self.kernel.client.get_stdin_msg(timeout=LIMIT)
        self.kernel.client.input("Ada")
        self.assertEqual(text(self.kernel.finish(id)[0], "stdout"), 'got "Ada\\n"\n')

    # Shown values

    def test_show_works_anywhere(self):
        code = """fn inner(faces: &Faces) { show(&plot::ages(faces.records())); }
            for i in 0..3 { show(&i); println!("then {i}"); } inner(&faces); 7"""
        messages, _ = self.run_cell(code)
        self.assertEqual(kinds(messages), [*["display_data", "stream"] * 3, "display_data", "execute_result"])
        self.assertIn("<img", messages[-3]["content"]["data"]["text/html"])

    def test_a_figure_of_a_variable_of_the_same_cell(self):
        for code in [
            "let table = faces.records().clone(); plot::ages(&table.lazy().collect()?)",
            "let ages = plot::ages(faces.records())?; let both = (ages.clone(), ages); both",
            "let ages = plot::ages(faces.records())?; vec![ages.clone(), ages]",
            "(plot::ages(faces.records())?, 3)",
            "[3, 4].map(|_| plot::ages(faces.records()))",
        ]:
            (shown,) = self.shown(code)
            self.assertIn("<img", shown.get("text/html", ""), code)
        self.assertEqual(self.shown('vec![Some(1), None]')[0]["text/plain"], "[1, None]")
        self.assertEqual(self.shown('(1, "a")')[0]["text/plain"], '(1, "a")')
        self.assertEqual(self.shown('std::path::Path::new("a")')[0]["text/plain"], '"a"')

    def test_what_cannot_be_shown_is_said(self):
        messages, _ = self.run_cell("struct Own; show(&Own);")
        self.assertIn("a notebook can't show `Own`", str(messages))

    def test_the_last_state_of_a_moving_figure(self):
        """The figure is a variable, which is not dropped when its cell ends."""
        messages, _ = self.run_cell('let moving = Moving::new(); for i in 0..50 { moving.show(&i); };')
        shown = [m["content"]["data"]["text/plain"] for m in messages if "display" in m["msg_type"]]
        self.assertEqual((shown[0], shown[-1]), ("0", "49"))
        self.assertLess(len(shown), 10)

    # Errors, and what they leave

    def test_errors_name_the_cell_and_line(self):
        messages, reply = self.run_cell("let fine = 1;\nlet broken: bool = 2;")
        error = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(messages[-2]["content"]["traceback"]))
        self.assertIn(f"cell [{reply['execution_count']}], line 2", error)
        messages, _ = self.run_cell("let five = 5")
        self.assertIn("expected `;`, found the end of the cell", str(messages))
        for message in messages:
            self.assertNotRegex(str(message), "evcxr_variable_store|command_")

    def test_a_moved_variable_is_named(self):
        self.run_cell("let table = faces.records().clone();")
        messages, _ = self.run_cell("let height = table.lazy().collect()?.height();")
        self.assertIn("Moved by this cell and gone: `table`", text(messages, "stdout"))
        messages, _ = self.run_cell("table.height()")
        self.assertRegex(str(messages), r"`table` was moved by cell \[\d+\]")

    def value(self, name: str) -> str:
        """What a variable shows, or that there is none."""
        messages, _ = self.run_cell(name)
        shown = [m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] == "execute_result"]
        return shown[0] if shown else "cannot find" if "cannot find value" in str(messages) else str(messages)

    def test_a_failing_cell_keeps_what_ran(self):
        fail = 'Err::<(), &str>("no")?;'
        for code, kept, lost in [
            (f"let one = 1;\nlet two = vec![2]; {fail}\nlet three = 3;", {"one": "1", "two": "[2]"}, ["three"]),
            (f"let (mut a, b) = (String::from(\"a\"), 2.5);\nlet c: u32 = \"x\".parse()?;", {"a": '"a"', "b": "2.5"}, ["c"]),
            (f"let mut list = vec![];\nfor i in 0..3 {{ list.push(i); if i == 1 {{ {fail} }} }}", {"list": "[0, 1]"}, []),
            ("let small = faces.records().head(Some(3)); // a table\nsmall.column(\"agee\")?", {"small.height()": "3"}, []),
            ('fn f() -> Result<()> { "x".parse::<u8>()?; Ok(()) } let q = 7;\nf()?', {"q": "7"}, []),
            (f"let shadow = 1; let shadow = shadow + 1; {fail}", {"shadow": "2"}, []),
            ("let four = vec![4];\nlet none: Option<u8> = None; none.unwrap(); let five = 5;", {"four": "[4]"}, ["five"]),
            ("let (six, list) = (6, vec![1]);\nlet past = list[six];", {"six": "6", "list": "[1]"}, ["past"]),
            ("use ror::tch::{Device, Kind, Tensor};\nlet ones = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));\nones.matmul(&ones)", {"ones.numel()": "6"}, []),
            ('let text = String::from("a");\nif text.len() == 1 { println!("{text}"); panic!("no") }', {"text": '"a"'}, []),
        ]:
            messages, reply = self.run_cell(code)
            self.assertEqual(reply["status"], "error", code)
            self.assertNotIn("Not kept", text(messages, "stderr"), code)
            for name, value in kept.items():
                self.assertEqual(self.value(name), value, code)
            for name in lost:
                self.assertEqual(self.value(name), "cannot find", code)
        # The cells after it are as after any other.
        self.assertEqual(self.value("one + two[0]"), "3")
        _, reply = self.run_cell("let three = 4; let five = three + 1;")
        self.assertEqual((reply["status"], self.value("five")), ("ok", "5"))

    def test_a_failing_cell_says_what_it_did_not_keep(self):
        for code in [
            'let one = vec![1];\ndrop(one);\nlet two = 2; Err::<(), &str>("no")?;',
            'let one = vec![1];\nlet two = 2; Err::<(), &str>("no")?;\ndrop(one);',
        ]:
            messages, reply = self.run_cell(code)
            self.assertEqual(reply["status"], "error")
            self.assertIn("Not kept, because the cell failed: `one`", text(messages, "stderr"))
            self.assertEqual((self.value("two"), self.value("one")), ("2", "cannot find"))
        messages, _ = self.run_cell('let zero = vec![0]; let moved = zero; panic!("short")')
        self.assertIn("Not kept, because the cell failed: `moved`, `zero`", text(messages, "stderr"))

    def test_errors_of_cells_that_could_keep_variables(self):
        """Such a cell is compiled a second time, as it was typed."""
        messages, reply = self.run_cell("let fine = 1;\nlet broken: bool = faces.record(0)?;\nfine")
        self.assertEqual([m["msg_type"] for m in messages].count("error"), 1)
        error = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(messages[-2]["content"]["traceback"]))
        self.assertIn(f"cell [{reply['execution_count']}], line 2", error)
        self.assertNotRegex(str(messages), "evcxr_variable_store|NotKept|EvcxrUserCodeError")
        self.assertIn("cannot find value `fine`", str(self.run_cell("fine")[0]))

    def test_cells_are_counted_from_one_without_gaps(self):
        first = self.run_cell("1")[1]["execution_count"]
        self.run_cell("std::process::exit(0)")
        self.run_cell(FACES)
        messages, reply = self.run_cell("1")
        counts = {m["content"]["execution_count"] for m in messages if "execution_count" in m["content"]}
        self.assertEqual((counts, reply["execution_count"]), ({first + 3}, first + 3))

    # Help

    def ask(self, kind: str, code: str) -> dict:
        message = self.kernel.client.session.msg(kind, {"code": code, "cursor_pos": len(code), "detail_level": 0})
        self.kernel.client.shell_channel.send(message)
        return self.kernel.reply(message["header"]["msg_id"])

    def test_completions_are_our_public_names_first(self):
        names = [match.split("(")[0] for match in self.ask("complete_request", "faces.")["matches"]]
        self.assertTrue({"len", "records", "record", "labels", "pictures"} <= set(names[:20]), names)
        self.assertFalse({"0", "by_content", "table", "evcxr_display"} & set(names), names)
        self.assertGreater(names.index("try_into"), names.index("records"))
        names = [match.split("(")[0] for match in self.ask("complete_request", "plot::")["matches"]]
        self.assertIn("ages", names)
        self.assertFalse([name for name in names if "::" in name], names)
        self.run_cell("let pair = (1, 2);")
        self.assertIn("0", self.ask("complete_request", "pair.")["matches"])

    def test_help_without_scaffolding(self):
        for kind, said in self.ask("inspect_request", "plot::draw")["data"].items():
            self.assertIn("A curve", said)
            self.assertNotRegex(said, "fn main|# Ok", kind)


class Prediction(unittest.TestCase):
    """`pred_gender_age_group` prints as the original did."""

    def test_it_prints_wherever_it_is_called(self):
        with tempfile.TemporaryDirectory() as folder:
            kernel = Kernel(ROR_DATA=folder, ROR_CACHE=f"{folder}/cache")
            try:
                _, reply = kernel.run(
                    f"""let drawn = Faces::synthetic(4, 0)?;
for i in 0..4 {{ drawn.picture(i)?.save(format!("{folder}/{{}}_0_0_20170116000000000.jpg", 20 + i))?; }}"""
                )
                self.assertEqual(reply["status"], "ok")
                for code in [
                    "pred_gender_age_group(3u8)?;",
                    "for i in [3usize] { pred_gender_age_group(i)?; }",
                    "fn inner(i: i32) -> Result<()> { pred_gender_age_group(i)?; Ok(()) } inner(3)?;",
                    "pred_gender_age_group(3)",
                ]:
                    messages, reply = kernel.run(code)
                    self.assertEqual(reply["status"], "ok", messages)
                    words = [line.split(":")[0] for line in text(messages, "stdout").splitlines()]
                    self.assertEqual(words, ["True gender", "Predict gender", "True Age", "Predict age group"], code)
            finally:
                kernel.end()


class Start(unittest.TestCase):
    def test_a_cell_says_what_it_waits_for_and_why_the_kernel_does_not_start(self):
        self.waits_for({}, "the crate is compiled")

    def test_another_home_of_cargo_is_named(self):
        home = tempfile.mkdtemp()
        self.waits_for({"CARGO_HOME": home}, f"CARGO_HOME is {home}, but was ")

    def waits_for(self, environment: dict[str, str], words: str) -> None:
        """Starts a kernel whose cargo only waits and then fails."""
        with tempfile.TemporaryDirectory() as folder:
            cargo, go = Path(folder) / "cargo", Path(folder) / "go"
            cargo.write_text(f"#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.1; done\necho 'error: a semicolon' >&2\nexit 1\n")
            cargo.chmod(0o755)
            manager = KernelManager(kernel_name="ror")
            manager.start_kernel(env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"} | environment)
            client = manager.blocking_client()
            client.start_channels()
            try:
                client.wait_for_ready(timeout=LIMIT)  # though nothing is compiled yet
                id, heard = client.execute("1 + 1"), []
                while not heard or heard[-1]["msg_type"] != "error":
                    heard.append(client.get_iopub_msg(timeout=LIMIT))
                    if heard[-1]["msg_type"] == "display_data":
                        self.assertIn(words, heard[-1]["content"]["data"]["text/plain"])
                        go.touch()
                self.assertIn("clear_output", kinds(heard))
                self.assertIn("error: a semicolon", heard[-1]["content"]["traceback"])
                reply = client.get_shell_msg(timeout=LIMIT)
                while reply["parent_header"]["msg_id"] != id:
                    reply = client.get_shell_msg(timeout=LIMIT)
                self.assertEqual(reply["content"]["status"], "error")
            finally:
                client.stop_channels()
                manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
