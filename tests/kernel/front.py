"""What Jupyter's clients see of the kernel behind its front: cells run in the project's own kernel.

    python tests/kernel/front.py [TEST...]    # all, or such as Life or Cells.test_streams

tests/kernel.rs runs it. Processes are found by /proc, so it needs Linux.
"""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
import uuid
from contextlib import suppress
from pathlib import Path

import nbformat
import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient import NotebookClient
from nbconvert import HTMLExporter

sys.path.append(str(Path(__file__).resolve().parents[2] / "setup" / "front"))
from ports import LISTENS, sockets, table  # noqa: E402

START = 1200  # seconds; after an edit the kernel first compiles the crate
LIMIT = 60  # seconds for a message
PATIENCE = 2  # seconds, in place of the front's 5

# What the tests' cells call.
HELPERS = """
fn update(id: &str, text: &str) {
    tell(&format!(r#"{{"display":"{id}","data":{{"text/html":"<b>{text}</b>","text/plain":"{text}"}}}}"#));
}
fn tell(message: &str) {
    println!("EVCXR_FRONT {} {message}", std::env::var("EVCXR_FRONT").unwrap());
}
fn wait(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}
fn asked_to_stop() -> bool {
    std::path::Path::new(&std::env::var("EVCXR_FRONT_STOP").unwrap()).exists()
}
"""
LOOP = 'println!("begun"); while !asked_to_stop() { wait(10); } Err::<(), &str>("stopped")?;'
ENDLESS = 'println!("begun"); while std::hint::black_box(true) { wait(10); }'
QUESTION = """
println!("EVCXR_INPUT_REQUEST:name?");
use std::io as inner; // the front makes `std::io::stdin` an error
let mut line = String::new();
inner::stdin().read_line(&mut line).unwrap();
println!("hello {}", line.trim());
"""


class Kernel:
    """A kernel and a client of it. Its processes are told from others by their environment."""

    def __init__(self, **environment: str):
        self.mark = uuid.uuid4().hex
        self.manager = KernelManager(kernel_name="ror")
        environment |= {"EVCXR_FRONT_PATIENCE": str(PATIENCE), "FRONT_TEST": self.mark}
        self.manager.start_kernel(env=os.environ | environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.begin()

    def begin(self) -> None:
        self.client.wait_for_ready(timeout=START)
        self.run(HELPERS)

    def send(self, code: str, **options) -> str:
        return self.client.execute(code, **options)

    def messages(self, id: str):
        """What iopub says about a request, until it is idle, each with when it came."""
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT)
            if message["parent_header"].get("msg_id") == id:
                message["came"] = time.monotonic()
                yield message
                if message["content"].get("execution_state") == "idle":
                    return

    def hear(self, ids: list[str], client: BlockingKernelClient) -> list[list[dict]]:
        """The same about several requests, in whatever order they are answered."""
        heard, idle = {id: [] for id in ids}, 0
        while idle < len(ids):
            message = client.get_iopub_msg(timeout=LIMIT)
            if (id := message["parent_header"].get("msg_id")) in heard:
                heard[id].append(message)
                idle += message["content"].get("execution_state") == "idle"
        return list(heard.values())

    def reply(self, id: str, client: BlockingKernelClient | None = None) -> dict:
        while True:
            message = (client or self.client).get_shell_msg(timeout=LIMIT)
            if message["parent_header"]["msg_id"] == id:
                return message["content"]

    def finish(self, id: str) -> tuple[list[dict], dict]:
        return list(self.messages(id)), self.reply(id)

    def run(self, code: str, **options) -> tuple[list[dict], dict]:
        return self.finish(self.send(code, **options))

    def begun(self, code: str, **options) -> str:
        """Starts a cell and waits until it says that it has begun."""
        id = self.send(code, **options)
        for message in self.messages(id):
            if "begun" in message["content"].get("text", ""):
                return id
        raise AssertionError(f"the cell ended: {self.reply(id)}")

    def interrupt(self) -> str:
        """Sends an interrupt and returns its ID when it is answered."""
        message = self.client.session.msg("interrupt_request", {})
        self.client.control_channel.send(message)
        answer = self.client.get_control_msg(timeout=LIMIT)
        assert answer["msg_type"] == "interrupt_reply", answer
        assert answer["parent_header"]["msg_id"] == message["header"]["msg_id"]
        assert answer["content"] == {"status": "ok"}
        return message["header"]["msg_id"]

    def front(self) -> int:
        return self.manager.provisioner.process.pid

    def processes(self) -> dict[int, str]:
        return processes(self.mark)

    def evcxr(self) -> int:
        return next(pid for pid, command in self.processes().items() if "evcxr_jupyter --control_file" in command)

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def processes(mark: str) -> dict[int, str]:
    """The processes that run with FRONT_TEST so in their environment, and their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"FRONT_TEST={mark}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def kinds(messages: list[dict]) -> list[str]:
    return [message["msg_type"] for message in messages if message["msg_type"] not in ["status", "execute_input"]]


def text(messages: list[dict], name: str) -> str:
    streams = [message["content"] for message in messages if message["msg_type"] == "stream"]
    return "".join(content["text"] for content in streams if content["name"] == name)


def result(messages: list[dict]) -> str | None:
    for message in messages:
        if message["msg_type"] == "execute_result":
            return message["content"]["data"]["text/plain"]


def eventually(what, limit: float = 10):
    """Waits until a function returns something true, and returns it."""
    end = time.monotonic() + limit
    while not (found := what()):
        assert time.monotonic() < end, f"not in {limit} s"
        time.sleep(0.02)
    return found


class Cells(unittest.TestCase):
    """Tests that share a kernel; each leaves it running."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()

    @classmethod
    def tearDownClass(cls):
        cls.kernel.end()

    def setUp(self):
        self.assertTrue(self.kernel.manager.is_alive(), "the kernel has died")

    def keeps_variables(self, code: str, do) -> tuple[list[dict], dict]:
        """Runs a cell, does something when it has begun, and checks that an earlier variable stays."""
        self.kernel.run("let kept = 41;")
        id = self.kernel.begun(code)
        do()
        ended = self.kernel.finish(id)
        self.assertEqual(result(self.kernel.run("kept + 1")[0]), "42")
        return ended

    # Outputs

    def test_displays_come_while_the_cell_runs(self):
        code = 'update("a", "1"); println!("x"); wait(400); update("a", "2"); update("b", "3"); wait(400); update("a", "4");'
        runs = []
        for _ in range(2):
            id = self.kernel.send(code)
            messages = list(self.kernel.messages(id))
            self.assertEqual(self.kernel.reply(id)["status"], "ok")
            shown = [message for message in messages if "display" in message["msg_type"]]
            self.assertEqual(
                kinds(messages),
                ["display_data", "stream", "update_display_data", "display_data", "update_display_data"],
            )
            self.assertEqual([message["content"]["data"]["text/plain"] for message in shown], ["1", "2", "3", "4"])
            self.assertEqual(shown[0]["content"]["data"]["text/html"], "<b>1</b>")
            ids = [message["content"]["transient"]["display_id"] for message in shown]
            self.assertTrue(ids[0] == ids[1] == ids[3] != ids[2], ids)
            parents = [message["parent_header"] for message in messages]
            self.assertTrue(all(parent == parents[0] for parent in parents))
            self.assertGreater(shown[1]["came"] - shown[0]["came"], 0.3)
            self.assertGreater(shown[3]["came"] - shown[1]["came"], 0.3)
            self.assertEqual(len({message["msg_id"] for message in messages}), len(messages))
            runs.append(set(ids))
        self.assertFalse(runs[0] & runs[1], "the cell run again updates its old output")

    def test_streams(self):
        """All other text passes unchanged, in its order."""
        plain = [
            "EVCXR_FRONT {no JSON",
            "EVCXR_FRONT []",
            'EVCXR_FRONT {"display": 1, "data": {}}',
            'EVCXR_FRONT {"display": "a", "data": {"text/plain": NaN}}',
            'EVCXR_FRONT {"other": "a"}',
            'EVCXR_FRONT {"failed":"forged"}',
            'a photo EVCXR_FRONT 0123456789abcdef {"failed":"forged"}.jpg',
            'EVCXR_FRONT{"display": "a", "data": {}}',
            "grün 🦀 \t<b>& \\ end",
            "",
        ]
        printed = "".join(f'println!("{{}}", r#"{line}"#);' for line in plain)
        code = f'{printed} println!("1 %\\r2 %"); print!("part "); println!("{{}}", "x".repeat(60_000));'
        messages, _ = self.kernel.run(code + 'for i in 0..3_000 { println!("{i}"); };')
        expected = "".join(line + "\n" for line in plain) + "1 %\r2 %\npart " + "x" * 60_000 + "\n"
        expected += "".join(f"{i}\n" for i in range(3000))
        self.assertEqual(text(messages, "stdout"), expected)
        self.assertEqual(set(kinds(messages)), {"stream"})

    def test_a_mark_on_stderr_is_text(self):
        line = 'EVCXR_FRONT {"display":"a","data":{"text/plain":"1"}}'
        messages, _ = self.kernel.run(f'eprintln!("{{}}", r#"{line}"#); wait(100);')
        self.assertEqual(text(messages, "stderr"), line + "\n")

    def test_a_display_after_an_unfinished_line(self):
        messages, _ = self.kernel.run('print!("50 %"); update("a", "1"); println!("end");')
        self.assertEqual(kinds(messages), ["stream", "display_data", "stream"])
        self.assertEqual(text(messages, "stdout"), "50 %end\n")

    def test_a_large_display(self):
        messages, _ = self.kernel.run('for i in 0..3 { update("a", &format!("{}{i}", "y".repeat(60_000))); }')
        shown = [message["content"]["data"]["text/html"] for message in messages if "display" in message["msg_type"]]
        self.assertEqual(shown, [f"<b>{'y' * 60_000}{i}</b>" for i in range(3)])

    def test_input(self):
        for name in ["Ada", "Grace"]:
            id = self.kernel.send(QUESTION, allow_stdin=True)
            asked = self.kernel.client.get_stdin_msg(timeout=LIMIT)
            self.assertEqual(asked["parent_header"]["msg_id"], id)
            self.assertEqual(asked["content"]["prompt"], "name?")
            self.kernel.client.input(name)
            self.kernel.client.input("stray")  # must not answer the next question
            self.assertEqual(text(self.kernel.finish(id)[0], "stdout"), f"hello {name}\n")

    def test_others_cannot_reach_evcxr(self):
        """One message could hang it."""
        inodes = sockets(self.kernel.evcxr())
        ports = [port for port, _, state, inode in table() if state == LISTENS and inode in inodes]
        self.assertEqual(len(ports), 5)
        for port in ports:
            with self.assertRaises(TimeoutError):
                socket.create_connection(("127.0.0.1", port), timeout=0.5)
        self.assertEqual(result(self.kernel.run("1 + 1")[0]), "2")

    # Interrupts

    def test_an_interrupt_leaves_variables(self):
        self.kernel.run("let kept = 41;")
        id = self.kernel.begun(LOOP)
        queued, start = self.kernel.send('println!("not run");'), time.monotonic()
        interrupt = self.kernel.interrupt()
        of_cell, of_interrupt, of_queued = self.kernel.hear([id, interrupt, queued], self.kernel.client)
        self.assertLess(time.monotonic() - start, PATIENCE / 2)
        self.assertEqual(text(of_cell, "stderr"), '"stopped"\n')
        self.assertEqual([message["content"]["execution_state"] for message in of_interrupt], ["busy", "idle"])
        self.assertEqual(kinds(of_queued), [])
        self.assertEqual(self.kernel.reply(queued)["status"], "aborted")
        self.assertEqual(result(self.kernel.run("kept + 1")[0]), "42")
        self.assertEqual(result(self.kernel.run("asked_to_stop()")[0]), "false")

    def test_a_signal_is_an_interrupt(self):
        messages, _ = self.keeps_variables(LOOP, lambda: os.kill(self.kernel.front(), signal.SIGINT))
        self.assertEqual(text(messages, "stderr"), '"stopped"\n')

    def test_a_cell_that_says_it_is_stopping_gets_time(self):
        code = LOOP.replace("Err", f'tell(r#"{{"stopping":true}}"#); wait({1500 * PATIENCE}); Err')
        messages, _ = self.keeps_variables(code, self.kernel.interrupt)
        self.assertEqual(text(messages, "stderr"), '"stopped"\n')
        self.assertEqual(text(messages, "stdout"), "")

    def test_an_interrupt_of_nothing_changes_nothing(self):
        self.kernel.run("let kept = 41;")
        self.kernel.interrupt()
        os.kill(self.kernel.front(), signal.SIGINT)
        time.sleep(0.2)
        self.assertEqual(result(self.kernel.run("kept + 1")[0]), "42")
        self.assertEqual(result(self.kernel.run("asked_to_stop()")[0]), "false")

    def loses_variables(self, id: str, wanted: tuple[float, float], start: float) -> None:
        messages, reply = self.kernel.finish(id)
        self.assertTrue(wanted[0] < messages[-1]["came"] - start < wanted[1], messages[-1]["came"] - start)
        self.assertIn("all variables are lost", text(messages, "stderr"))
        self.assertEqual(reply["status"], "error")
        self.assertIn("cannot find value `lost`", str(self.kernel.run("lost")[0]))
        self.assertEqual(result(self.kernel.run("1 + 1")[0]), "2")

    def test_a_cell_that_does_not_stop_is_killed(self):
        self.kernel.run("let lost = 41;")
        id = self.kernel.begun(ENDLESS)
        start = time.monotonic()
        self.kernel.interrupt()
        self.loses_variables(id, (PATIENCE - 0.1, PATIENCE + 3), start)

    def test_a_second_interrupt_kills_at_once(self):
        self.kernel.run("let lost = 41;")
        id = self.kernel.begun(ENDLESS)
        self.kernel.interrupt()
        start = time.monotonic()
        self.kernel.interrupt()
        self.loses_variables(id, (0, PATIENCE / 2), start)

    def test_a_cell_that_waits_for_input_is_killed(self):
        self.kernel.run("let lost = 41;")
        id = self.kernel.send(QUESTION, allow_stdin=True)
        self.kernel.client.get_stdin_msg(timeout=LIMIT)
        start = time.monotonic()
        self.kernel.interrupt()
        self.kernel.interrupt()
        self.loses_variables(id, (0, PATIENCE / 2), start)

    def test_an_interrupt_ends_the_compiler(self):
        self.kernel.run("let kept = 41;")
        steps = "const N: u64 = { let mut i = 0; while i < 2_000_000_000 { i += 1; } i };"
        id = self.kernel.send(f"#[allow(long_running_const_eval)] {steps} println!(\"{{N}}\");")
        eventually(lambda: any("rustc" in command for command in self.kernel.processes().values()), LIMIT)
        start = time.monotonic()
        self.kernel.interrupt()
        messages, reply = self.kernel.finish(id)
        self.assertLess(messages[-1]["came"] - start, PATIENCE)
        self.assertEqual(reply["status"], "error")
        self.assertEqual(text(messages, "stderr"), "Interrupted while it was compiled.\n")
        eventually(lambda: not any("rustc" in command for command in self.kernel.processes().values()))
        self.assertEqual(result(self.kernel.run("kept + 1")[0]), "42")

    # The queue

    def test_cells_after_an_error_are_aborted(self):
        sent = [self.kernel.send(code) for code in ["wait(100);", "no_such_name", "println!(\"not run\");", "1 + 1"]]
        self.assertEqual(self.kernel.reply(self.kernel.client.comm_info())["comms"], {})  # answered at once
        statuses = []
        for id in sent:
            messages, reply = self.kernel.finish(id)
            statuses.append(reply["status"])
            states = [message["content"].get("execution_state") for message in messages]
            self.assertEqual((states[0], states[-1]), ("busy", "idle"))
            if reply["status"] == "aborted":
                self.assertEqual(kinds(messages), [])
        self.assertEqual(statuses, ["ok", "error", "aborted", "aborted"])
        self.assertEqual(result(self.kernel.run("1 + 1")[0]), "2")

    def test_cells_go_on_where_errors_are_allowed(self):
        sent = [self.kernel.send(code, stop_on_error=False) for code in ["no_such_name", "1 + 1"]]
        self.assertEqual(self.kernel.finish(sent[0])[1]["status"], "error")
        self.assertEqual(result(self.kernel.finish(sent[1])[0]), "2")

    def test_a_cell_can_say_that_it_has_failed(self):
        failing = self.kernel.send('tell(r#"{"failed":"no face"}"#);')
        after = self.kernel.send("1 + 1")
        messages, reply = self.kernel.finish(failing)
        self.assertEqual(kinds(messages), [])
        self.assertEqual((reply["status"], reply["evalue"]), ("error", "no face"))
        self.assertIsInstance(reply["execution_count"], int)
        self.assertEqual(self.kernel.finish(after)[1]["status"], "aborted")

    # Other requests

    def ask(self, kind: str, content: dict, channel: str = "shell") -> dict:
        client = self.kernel.client
        message = client.session.msg(kind, content)
        (client.shell_channel if channel == "shell" else client.control_channel).send(message)
        id = message["header"]["msg_id"]
        states = [message["content"].get("execution_state") for message in self.kernel.messages(id)]
        self.assertEqual((states[0], states[-1]), ("busy", "idle"))
        if channel == "shell":
            return self.kernel.reply(id)
        return client.get_control_msg(timeout=LIMIT)["content"]

    def test_requests_that_evcxr_does_not_answer(self):
        self.assertEqual(self.ask("comm_info_request", {}), {"status": "ok", "comms": {}})
        for channel in ["shell", "control"]:
            self.assertEqual(self.ask("kernel_info_request", {}, channel)["language_info"]["name"], "Rust")
            self.assertEqual(self.ask("no_such_request", {}, channel)["status"], "error")

    def test_history(self):
        for code in ["let first = 1;", "let second = 2;", "let first = 1;"]:
            self.kernel.run(code)
        self.kernel.run("let silent = 3;", store_history=False)
        tail = self.ask("history_request", {"hist_access_type": "tail", "n": 3, "output": False, "raw": True})
        self.assertEqual(tail["status"], "ok")
        lines = [line for _, _, line in tail["history"]]
        self.assertEqual(lines, ["let first = 1;", "let second = 2;", "let first = 1;"])
        start = tail["history"][0][1]
        ask = {"hist_access_type": "range", "session": 0, "start": start, "stop": start + 2, "output": True}
        found = self.ask("history_request", ask)["history"]
        self.assertEqual([line for _, _, line in found], [["let first = 1;", None], ["let second = 2;", None]])
        ask = {"hist_access_type": "search", "pattern": "let f*", "unique": True, "output": False, "raw": True}
        self.assertEqual([line for _, _, line in self.ask("history_request", ask)["history"]], ["let first = 1;"])

    def test_a_comm_is_closed(self):
        message = self.kernel.client.session.msg("comm_open", {"comm_id": "7", "target_name": "none", "data": {}})
        self.kernel.client.shell_channel.send(message)
        self.assertEqual(kinds(list(self.kernel.messages(message["header"]["msg_id"]))), ["comm_close"])

    def test_control_answers_while_a_cell_runs(self):
        id = self.kernel.begun(LOOP)
        self.assertEqual(self.ask("kernel_info_request", {}, "control")["status"], "ok")
        self.kernel.interrupt()
        self.kernel.finish(id)

    def test_malformed_messages_are_dropped(self):
        session = self.kernel.client.session
        port = self.kernel.manager.get_connection_info()
        context = zmq.Context()
        good = session.serialize(session.msg("execute_request", {"code": "1"}))
        signed = lambda *parts: [b"<IDS|MSG>", session.sign(list(parts)), *parts]
        bad = [
            [b""],
            [b"", b"", b""],
            [b"<IDS|MSG>"],
            good[:3],
            [good[0], b"0" * 64, *good[2:]],
            [good[0], b"\xff", *good[2:]],
            signed(b"{}", b"{}", b"{}", b"{}"),
            signed(b"[]", b"{}", b"{}", b"{}"),
            signed(b"\xff", b"", b"", b""),
            signed(good[2], b"{}", b"{}", b"[1]"),
            signed(good[2], b"{}", b"{}", b'{"code": NaN}'),
            signed(good[2], b"{}", b"{}", b'{"code": "\\ud83d"}'),
            signed(good[2], b"{}", b"{}", b'{"code": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
            signed(b'{"msg_id": "1", "msg_type": 5}', b"{}", b"{}", b"{}"),
            signed(b'{"msg_id": [], "msg_type": "history_request"}', b"{}", b"{}", b'{"n": "many"}'),
            [*signed(b'{"msg_id": "2", "msg_type": "comm_msg"}', b"{}", b"{}", b"{}"), b"a buffer"],
        ]
        for channel in ["shell", "control", "stdin", "hb"]:
            dealer = context.socket(zmq.DEALER)
            dealer.connect(f"tcp://{port['ip']}:{port[f'{channel}_port']}")
            for frames in bad:
                dealer.send_multipart(frames)
            dealer.close(linger=1000)
        context.term()
        self.assertEqual(result(self.kernel.run("1 + 1")[0]), "2")
        self.ask("kernel_info_request", {}, "control")
        self.assertTrue(self.kernel.client.is_alive())

    # Clients

    def test_two_clients(self):
        other = BlockingKernelClient()
        other.load_connection_info(self.kernel.manager.get_connection_info())
        other.session.session = uuid.uuid4().hex
        other.start_channels()
        # As an editor does that attaches: requests first, and no welcome on iopub.
        other.comm_info()
        other.kernel_info()
        self.assertEqual(other.get_shell_msg(timeout=LIMIT)["msg_type"], "comm_info_reply")
        self.assertEqual(other.get_shell_msg(timeout=LIMIT)["msg_type"], "kernel_info_reply")
        other.wait_for_ready(timeout=LIMIT)

        clients = [self.kernel.client, other]
        ids = [client.execute(f'update("a", "{i}"); println!("{i}");') for i, client in enumerate(clients)]
        for listening in clients:
            for i, messages in enumerate(self.kernel.hear(ids, listening)):
                self.assertEqual((kinds(messages), text(messages, "stdout")), (["display_data", "stream"], f"{i}\n"))
        for id, client in zip(ids, clients):
            self.assertEqual(self.kernel.reply(id, client)["status"], "ok")
            with self.assertRaises(queue.Empty):
                client.get_shell_msg(timeout=0.2)
        other.stop_channels()

    def test_no_file_with_the_key_is_left(self):
        environment = Path(f"/proc/{self.kernel.evcxr()}/environ").read_bytes().decode().split("\0")
        stop = next(each.removeprefix("EVCXR_FRONT_STOP=") for each in environment if "EVCXR_FRONT_STOP=" in each)
        self.assertTrue(any(re.fullmatch("EVCXR_FRONT=[0-9a-f]{16}", each) for each in environment))
        self.assertEqual([path.name for path in Path(stop).parent.glob("front.*")], [])


class Alone(unittest.TestCase):
    """Tests in which others start the kernel."""

    def test_nbclient_and_nbconvert_show_the_last_state(self):
        cells = [HELPERS, 'for i in 0..5 { update("bar", &format!("step {i}")); println!("line {i}"); wait(50); };']
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        NotebookClient(notebook, kernel_name="ror", startup_timeout=START).execute()
        shown = notebook.cells[1].outputs
        self.assertEqual([output.output_type for output in shown], ["display_data"] + ["stream"] * 5)
        self.assertEqual(shown[0].data, {"text/html": "<b>step 4</b>", "text/plain": "step 4"})
        self.assertEqual([output.text for output in shown[1:]], [f"line {i}\n" for i in range(5)])
        page, _ = HTMLExporter().from_notebook_node(notebook)
        self.assertEqual(re.findall("<b>step .</b>", page), ["<b>step 4</b>"])

    def test_kill_of_jupyter(self):
        program = f"""
from jupyter_client import KernelManager
manager = KernelManager(kernel_name="ror")
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout={START})
client.execute('println!("begun"); while std::hint::black_box(true) {{}}')
while True:
    print(client.get_iopub_msg()["content"], flush=True)
"""
        mark = uuid.uuid4().hex
        environment = os.environ | {"FRONT_TEST": mark}
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            self.assertTrue(any("'text': 'begun" in line for line in server.stdout))
            self.assertEqual(len(processes(mark)), 5)
            server.kill()
        eventually(lambda: not processes(mark), 5)


class Life(unittest.TestCase):
    """However a kernel ends while a cell runs, none of its processes is left."""

    kernel = None

    @classmethod
    def tearDownClass(cls):
        cls.kernel.end()

    def setUp(self):
        if self.kernel:
            self.kernel.end()
        type(self).kernel = Kernel()
        self.kernel.begun(ENDLESS)
        self.assertGreaterEqual(len(self.kernel.processes()), 4)

    def gone(self) -> None:
        eventually(lambda: not self.kernel.manager.is_alive(), 5)
        eventually(lambda: not self.kernel.processes(), 5)

    def test_kill_of_the_front(self):
        os.kill(self.kernel.front(), signal.SIGKILL)
        self.gone()

    def test_kill_of_evcxr(self):
        os.kill(self.kernel.evcxr(), signal.SIGKILL)
        self.gone()

    def test_termination(self):
        os.kill(self.kernel.front(), signal.SIGTERM)
        self.gone()

    def test_restart_and_shutdown(self):
        before, start = self.kernel.processes(), time.monotonic()
        self.kernel.manager.restart_kernel()  # in the cell
        self.assertLess(time.monotonic() - start, 2, "it ended only when Jupyter terminated it")
        self.assertFalse(before.keys() & self.kernel.processes().keys())
        self.kernel.begin()
        self.kernel.client.shutdown()  # after a cell
        answer = self.kernel.client.get_control_msg(timeout=LIMIT)
        self.assertEqual((answer["msg_type"], answer["content"]["status"]), ("shutdown_reply", "ok"))
        self.gone()


if __name__ == "__main__":
    unittest.main(verbosity=2)
