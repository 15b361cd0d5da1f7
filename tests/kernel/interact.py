"""`interact` as a client with widgets sees it, and as clients without see it.

    python tests/kernel/interact.py [TEST...]

tests/kernel.rs runs it. With `--moves N` it prints the latency of N moves and the growth of memory instead.
"""

import re
import sys
import time
import unittest
import uuid
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from front import LOOP, START, Kernel, kinds, text

VIEW = "application/vnd.jupyter.widget-view+json"
FACES = "let faces = Faces::synthetic(60, 0)?;"
COUNT = "interact(0..=9, |value| { println!(\"value {value}\"); assert!(value != 7, \"seven\"); if value == 8 { bail(value) } else { Ok(value) } });"
BAIL = 'fn bail(n: i32) -> Result<i32> { Err(ror::anyhow::anyhow!("no {n}")) }'


class Page:
    """A client with widgets: the models that it knows, as a page has them."""

    def __init__(self, kernel: Kernel):
        self.kernel, self.models = kernel, {}
        self.load()

    def send(self, kind: str, content: dict) -> str:
        message = self.kernel.client.session.msg(kind, content)
        self.kernel.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def load(self) -> None:
        """Asks for all models, as a page does when it is loaded."""
        id = uuid.uuid4().hex
        opened = self.send("comm_open", {"comm_id": id, "target_name": "jupyter.widget.control", "data": {}})
        self.hear(opened)
        asked = self.send("comm_msg", {"comm_id": id, "data": {"method": "request_states"}})
        answers = [m["content"] for m in self.kernel.messages(asked) if m["msg_type"] == "comm_msg"]
        assert [answer["comm_id"] for answer in answers] == [id], answers
        data = answers[0]["data"]
        assert data["method"] == "update_states" and data["buffer_paths"] == [], data
        self.models = {id: model["state"] for id, model in data["states"].items()}

    def hear(self, id: str) -> list[dict]:
        """Takes what the kernel says about a request."""
        messages = list(self.kernel.messages(id))
        for message in messages:
            content = message["content"]
            if message["msg_type"] == "comm_open":
                assert content["target_name"] == "jupyter.widget" and message["metadata"] == {"version": "2.1.0"}
                self.models[content["comm_id"]] = content["data"]["state"]
            elif message["msg_type"] == "comm_msg":
                self.models[content["comm_id"]] |= content["data"]["state"]
            elif message["msg_type"] == "comm_close":
                del self.models[content["comm_id"]]
        return messages

    def run(self, code: str, **metadata) -> tuple[dict, list[str]]:
        """Runs a cell with an `interact`. Returns its bundle and the IDs of its controls."""
        message = self.kernel.client.session.msg("execute_request", {"code": code, "silent": False}, metadata=metadata)
        self.kernel.client.shell_channel.send(message)
        messages = self.hear(message["header"]["msg_id"])
        self.kernel.reply(message["header"]["msg_id"])
        shown = [m["content"]["data"] for m in messages if m["msg_type"] == "display_data"]
        bundle = next(data for data in shown if VIEW in data and data["text/plain"])
        children = self.models[bundle[VIEW]["model_id"]]["children"]
        return bundle, [child.removeprefix("IPY_MODEL_") for child in children]

    def moves(self, control: str, **state) -> str:
        return self.send("comm_msg", {"comm_id": control, "data": {"method": "update", "state": state, "buffer_paths": []}})

    def move(self, control: str, **state) -> list[dict]:
        return self.hear(self.moves(control, **state))


class Interact(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()
        cls.page = Page(cls.kernel)
        cls.kernel.run(BAIL)
        cls.kernel.run(FACES)

    @classmethod
    def tearDownClass(cls):
        cls.kernel.end()

    def test_a_slider_redraws_what_its_closure_returns(self):
        bundle, (slider, shown) = self.page.run(COUNT)
        models = self.page.models
        self.assertEqual([models[slider][key] for key in ["value", "min", "max", "description"]], [0, 0, 9, "value"])
        for name in ["layout", "style"]:
            self.assertIn(models[slider][name].removeprefix("IPY_MODEL_"), models)
        self.assertEqual(models[shown]["value"], "<pre>value 0\n</pre><pre>0</pre>")
        self.assertIn("value 0", bundle["text/html"])
        start = time.monotonic()
        messages = self.page.move(slider, value=3)
        self.assertLess(time.monotonic() - start, 0.5, "something was compiled")
        self.assertEqual(kinds(messages), ["comm_msg"])
        self.assertEqual(models[shown]["value"], "<pre>value 3\n</pre><pre>3</pre>")

    def test_the_latest_value_wins(self):
        code = "interact(0..=99, |value| { std::thread::sleep(std::time::Duration::from_millis(100)); value });"
        _, (slider, shown) = self.page.run(code)
        ids = [self.page.moves(slider, value=value) for value in range(50)]
        start = time.monotonic()
        heard = self.kernel.hear(ids, self.kernel.client)
        self.assertLess(time.monotonic() - start, 2)
        drawn = [m["content"]["data"]["state"]["value"] for messages in heard for m in messages if m["msg_type"] == "comm_msg"]
        self.assertEqual(drawn[-1], "<pre>49</pre>")
        self.assertLess(len(drawn), 5)
        self.assertTrue(all(messages[-1]["content"].get("execution_state") == "idle" for messages in heard))

    def test_errors_and_panics_are_shown_in_place(self):
        _, (slider, shown) = self.page.run(COUNT)
        for value, error in [(7, "panic in the cell: seven"), (8, "no 8"), (70, "can't have the values [70]")]:
            self.assertEqual(kinds(self.page.move(slider, value=value)), ["comm_msg"])
            self.assertIn(error, self.page.models[shown]["value"].replace("&#x27;", "'"))
        self.page.move(slider, value=2)
        self.assertEqual(self.page.models[shown]["value"], "<pre>value 2\n</pre><pre>2</pre>")
        self.assertEqual(text(self.kernel.run('println!("on");')[0], "stdout"), "on\n")

    def test_every_control_and_a_plot(self):
        code = """let all = faces.clone();
interact((18..=60, ["all", "female", "male"], true, 0.5), move |(from, gender, bars, share_of_images)| {
    println!("{share_of_images}");
    if bars { plot::ages(all.records()) } else { Err(ror::anyhow::anyhow!("{from} {gender}")) }
});"""
        _, (start, gender, bars, share, shown) = self.page.run(code)
        models = self.page.models
        self.assertIn("<img", models[shown]["value"])
        names = [models[id]["_model_name"] for id in [start, gender, bars, share]]
        self.assertEqual(names, ["IntSliderModel", "DropdownModel", "CheckboxModel", "FloatTextModel"])
        self.assertEqual([models[id]["description"] for id in [start, gender, bars, share]], ["from", "gender", "bars", "share_of_images"])
        styles = [models[models[id]["style"].removeprefix("IPY_MODEL_")] for id in [start, share]]
        self.assertEqual([style["description_width"] for style in styles], ["15ch", "15ch"], "the longest name is seen whole")
        self.page.move(gender, index=2)
        self.page.move(start, value=30)
        self.page.move(bars, value=False)
        self.assertIn("30 male", models[shown]["value"])

    def test_a_reload_of_the_page(self):
        _, (slider, shown) = self.page.run(COUNT)
        self.page.move(slider, value=5)
        page = Page(self.kernel)
        self.assertEqual((page.models[slider]["value"], page.models[shown]["value"]), (5, "<pre>value 5\n</pre><pre>5</pre>"))
        page.move(slider, value=6)
        self.assertIn("value 6", page.models[shown]["value"])
        listed = self.page.send("comm_info_request", {"target_name": "jupyter.widget"})
        self.assertIn(slider, self.kernel.reply(listed)["comms"])

    def test_a_page_loaded_later_follows_a_long_cell(self):
        """As after closing the browser during a training."""
        code = 'let moving = Moving::new(); println!("begun"); while { moving.show(&"running"); ror::keep_going().is_ok() } {} moving.show(&"ended");'
        cell = self.kernel.begun(code)
        follows = lambda m: "widget-view" in str(m["content"]) and m["content"]["data"].get("text/plain") == ""
        shown = next(m["content"] for m in self.kernel.messages(cell) if follows(m))
        model = shown["data"][VIEW]["model_id"]
        self.assertIn("running", Page(self.kernel).models[model]["value"])
        self.kernel.interrupt()
        last = [m for m in self.kernel.messages(cell) if "update_display_data" in m["msg_type"]][-1]["content"]
        self.assertEqual((last["transient"], last["data"]), (shown["transient"], {"text/plain": ""}))
        self.assertIn("ended", Page(self.kernel).models[model]["value"])

    def test_a_cell_that_runs_again_replaces_its_controls(self):
        _, (slider, _) = self.page.run(COUNT, cellId="one")
        models = len(self.page.models)
        _, (new, shown) = self.page.run(COUNT, cellId="one")
        self.assertNotIn(slider, self.page.models)
        self.assertEqual(len(self.page.models), models)
        self.page.move(new, value=4)
        self.assertIn("value 4", self.page.models[shown]["value"])

    def test_moves_wait_for_a_cell(self):
        _, (slider, shown) = self.page.run(COUNT)
        cell = self.kernel.begun(LOOP)
        moves = [self.page.moves(slider, value=value) for value in [1, 2]]
        time.sleep(0.3)
        self.kernel.interrupt()
        of_cell, *of_moves = self.kernel.hear([cell, *moves], self.kernel.client)
        self.assertNotIn("value", text(of_cell, "stdout"))
        drawn = [m["content"]["data"]["state"]["value"] for messages in of_moves for m in messages if m["msg_type"] == "comm_msg"]
        self.assertEqual(drawn, ["<pre>value 2\n</pre><pre>2</pre>"])

    def test_stop_ends_a_closure(self):
        code = """interact(0..=2, |value| {
    while value == 1 { ror::keep_going()?; }
    while value == 2 { std::hint::black_box(value); }
    Ok::<i32, ror::anyhow::Error>(value)
});"""
        _, (slider, shown) = self.page.run(code)
        move = self.page.moves(slider, value=1)
        time.sleep(0.3)
        self.kernel.interrupt()
        self.page.hear(move)
        self.assertIn("stopped by you", self.page.models[shown]["value"])
        self.page.move(slider, value=0)
        self.assertEqual(self.page.models[shown]["value"], "<pre>0</pre>")
        move = self.page.moves(slider, value=2)
        time.sleep(0.3)
        self.kernel.interrupt()
        self.page.hear(move)  # when it has been killed
        self.assertIn("run the cell again", self.page.models[shown]["value"])
        self.assertEqual(text(self.kernel.run('println!("on");')[0], "stdout"), "on\n")
        self.kernel.run(FACES)


class Without(unittest.TestCase):
    def test_a_client_without_widgets_gets_the_first_value(self):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("interact(3..=9, |value| value * value);")])
        NotebookClient(notebook, kernel_name="ror", startup_timeout=START).execute()
        (output,) = notebook.cells[0].outputs
        self.assertRegex(output.data["text/plain"], "^9\n.*JupyterLab")
        self.assertNotIn("widgets", notebook.metadata)
        page, _ = HTMLExporter().from_notebook_node(notebook)
        self.assertRegex(page, "<pre>9</pre>.*to get its controls")


def memory(kernel: Kernel) -> dict[str, int]:
    """MB of the front and of the process of cells."""
    found = {}
    for process, command in kernel.processes().items():
        if "kernel.py" in command or b"EVCXR_IS_RUNTIME" in Path(f"/proc/{process}/environ").read_bytes():
            status = Path(f"/proc/{process}/status").read_text()
            name = "front" if "kernel.py" in command else "cells"
            found[name] = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024
    return found


def measure(moves: int) -> None:
    """Moves a slider over predictions, one move after the other."""
    kernel = Kernel()
    page = Page(kernel)
    _, (slider, shown) = page.run("interact(0..=23_707, |index| pred_gender_age_group(index));")
    taken = []
    for i in range(moves):
        start = time.perf_counter()
        page.move(slider, value=i * 7919 % 23_708)
        taken.append(1000 * (time.perf_counter() - start))
        assert f"alt='image {i * 7919 % 23_708}'" in page.models[shown]["value"], page.models[shown]["value"][:500]
        if i in [min(200, moves // 2), moves - 1]:
            print(f"after {i + 1} moves: {memory(kernel)} MB", flush=True)
    taken.sort()
    print(f"{moves} moves: median {taken[moves // 2]:.1f} ms, 95th percentile {taken[moves * 95 // 100]:.1f} ms")
    kernel.end()


if __name__ == "__main__":
    if "--moves" in sys.argv:
        measure(int(sys.argv[-1]))
    else:
        unittest.main(verbosity=2)
