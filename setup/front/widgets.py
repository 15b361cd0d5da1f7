"""Controls in a notebook's output, by the protocol of ipywidgets, and calls of the closures they belong to.

A control is a few models, each known to the kernel and to the client by an ID. The client's moves come as
`comm_msg`, and models are sent as `comm_open`. After a reload of the page, the client asks for all models.
https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md
"""

import re
import uuid
from html import escape

TARGET = "jupyter.widget"
CONTROL = "jupyter.widget.control"
VIEW = "application/vnd.jupyter.widget-view+json"
HINT = "This is the first value. Run the cell in JupyterLab (make lab) to get its controls."
FOLLOWERS = 20  # that are kept
GONE = "The process of this notebook's cells has ended: run the cell again."
ARGUMENTS = re.compile(r"\binteract\s*\(.*?\|\s*(?:mut\s+)?\(?([^|]*?)\)?\s*\|", re.DOTALL)


def model(kind: str, **state) -> dict:
    """Returns the state of a model of ipywidgets 8."""
    module = "@jupyter-widgets/base" if kind == "Layout" else "@jupyter-widgets/controls"
    style = kind.endswith("Style")
    return {
        "_model_module": module,
        "_model_module_version": "2.0.0",
        "_model_name": f"{kind}Model",
        "_view_module": "@jupyter-widgets/base" if style else module,
        "_view_module_version": "2.0.0",
        "_view_name": "StyleView" if style else f"{kind}View",
        **state,
    }


def labels(code: str, number: int, count: int) -> list[str]:
    """Returns the names of the arguments of a cell's closure, if there are as many as controls."""
    found = ARGUMENTS.findall(code)
    names = [name.split(":")[0].strip() for name in found[number].split(",")] if number < len(found) else []
    return names if len(names) == count and all(re.fullmatch(r"[a-z]\w*", name) for name in names) else [""] * count


def picture(result: dict, printed: list[tuple[str, str]]) -> str:
    """Formats what a closure returned and printed as HTML."""
    text = "".join(text for name, text in printed if name == "stdout")
    errors = "".join(text for name, text in printed if name == "stderr") + result.get("error", "")
    data = result.get("data", {})
    html = f"<pre>{escape(text)}</pre>" if text else ""
    html += data.get("text/html") or (f"<pre>{escape(shown)}</pre>" if (shown := data.get("text/plain")) else "")
    return html + (f"<pre style='background:#fdd;padding:8px'>{escape(errors)}</pre>" if errors else "")


class Interact:
    """The controls of one closure and what it returned last."""

    def __init__(self, number: int, controls: list[str], keys: list[str], values: list, ids: list[str], cell):
        self.number, self.controls, self.keys, self.values = number, controls, keys, values
        self.ids, self.cell = ids, cell  # of all models, the last shows the result; the notebook's cell
        self.shown = ids[-1]
        self.moves = []  # moves that have not been drawn yet


class Follower:
    """An output that is empty on the page that runs a cell, and shows the cell's live displays on a page that
    is loaded later: the client no longer knows which outputs they belong to."""

    def __init__(self, id: str):
        self.id, self.html, self.late = id, "", False


class Widgets:
    """All models of a kernel. `publish(kind, parent, content, metadata)` sends a message to the clients."""

    def __init__(self, publish):
        self.publish, self.wanted = publish, False  # whether a client has asked for widgets
        self.models, self.interacts, self.asking, self.followers = {}, [], set(), []

    def create(self, parent: dict, state: dict) -> str:
        id = uuid.uuid4().hex
        self.models[id] = state
        content = {"comm_id": id, "target_name": TARGET, "data": {"state": state, "buffer_paths": []}}
        self.publish("comm_open", parent, content, {"version": "2.1.0"})
        return id

    def show(self, parent: dict, message: dict, printed: list, cell, names: list[str]) -> tuple[dict, list[int]]:
        """Creates the controls of a closure. Returns what the cell shows, and the closures of the cell's last
        run, which are gone."""
        html = picture(message, printed)
        data = {
            "text/html": f"{html}<p style='color:#5c6772;font-size:12px'>{HINT}</p>",
            "text/plain": f"{message.get('data', {}).get('text/plain', message.get('error', ''))}\n{HINT}",
        }
        gone = self.close(parent, lambda interact: cell and interact.cell == cell)
        if not self.wanted:
            return data, [*gone, message["interact"]]
        made = lambda kind, **state: f"IPY_MODEL_{self.create(parent, model(kind, **state))}"
        before = set(self.models)
        # Labels have room for ten letters if nothing else is said.
        label = max([10, *map(len, names)])
        own = {"description_width": f"{label}ch"} if label > 10 else {}
        wide, controls, keys, values = made("Layout", width=f"{440 + 8 * label}px"), [], [], []
        for control, name in zip(message["controls"], names):
            kind = control.pop("is")
            style = made("SliderStyle" if kind.endswith("Slider") else "DescriptionStyle", **own)
            layout = wide if kind.endswith("Slider") else made("Layout")
            controls.append(made(kind, layout=layout, style=style, description=name, **control))
            keys.append("index" if "index" in control else "value")
            values.append(control[keys[-1]])
        shown = made("HTML", layout=made("Layout"), style=made("DescriptionStyle"), value=html)
        box = made("VBox", layout=made("Layout"), children=[*controls, shown])
        plain = lambda name: name.removeprefix("IPY_MODEL_")
        ids = [id for id in self.models if id not in before and id != plain(shown)] + [plain(shown)]
        self.interacts.append(Interact(message["interact"], [*map(plain, controls)], keys, values, ids, cell))
        return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": plain(box)}, **data}, gone

    def follow(self, parent: dict) -> tuple[Follower, dict]:
        """Creates a follower, and returns the bundle of its output."""
        parts = {name: f"IPY_MODEL_{self.create(parent, model(kind))}" for name, kind in [("layout", "Layout"), ("style", "DescriptionStyle")]}
        self.followers.append(Follower(self.create(parent, model("HTML", value="", **parts))))
        for old in self.followers[:-FOLLOWERS]:
            self.models.pop(old.id, None)
        self.followers = self.followers[-FOLLOWERS:]
        view = {"version_major": 2, "version_minor": 0, "model_id": self.followers[-1].id}
        return self.followers[-1], {VIEW: view, "text/plain": ""}

    def followed(self, follower: Follower, parent: dict, html: str) -> None:
        follower.html = html
        if follower.late:
            self.draw(follower.id, parent, html)

    def draw(self, id: str, parent: dict, html: str) -> None:
        if id in self.models:
            self.models[id]["value"] = html
            update = {"method": "update", "state": {"value": html}, "buffer_paths": []}
            self.publish("comm_msg", parent, {"comm_id": id, "data": update})

    def close(self, parent: dict, which) -> list[int]:
        """Forgets closures whose cell has run again, and returns their numbers."""
        gone = [interact for interact in self.interacts if which(interact)]
        self.interacts = [interact for interact in self.interacts if interact not in gone]
        for interact in gone:
            for id in interact.ids:
                self.models.pop(id, None)
                self.publish("comm_close", parent, {"comm_id": id, "data": {}})
            self.done(interact)
        return [interact.number for interact in gone]

    def request(self, message) -> dict | None:
        """Processes a client's message. Returns the reply to a request."""
        content, data, parent = message.content, message.content.get("data") or {}, message.header
        id, update = content.get("comm_id"), None
        self.publish("status", parent, {"execution_state": "busy"})
        if message.kind == "comm_info_request":
            self.wanted |= content.get("target_name") == TARGET
            return {"status": "ok", "comms": {id: {"target_name": TARGET} for id in self.models}}
        if message.kind == "comm_open" and content.get("target_name") == CONTROL:
            self.wanted = True
            self.asking.add(id)
        elif message.kind == "comm_open":
            self.publish("comm_close", parent, {"comm_id": id, "data": {}})
        elif message.kind == "comm_close":
            self.asking.discard(id)
        elif id in self.asking and data.get("method") == "request_states":
            update = {"method": "update_states", "states": self.states(), "buffer_paths": []}
        elif id in self.models and data.get("method") == "request_state":
            update = {"method": "update", "state": self.models[id], "buffer_paths": []}
        elif id in self.models and data.get("method") == "update":
            self.models[id] |= data["state"]
            for interact in self.interacts:
                if id in interact.controls and self.moved(interact, id, data["state"]):
                    interact.moves.append(parent)  # idle when it is drawn
                    return None
        if update:
            self.publish("comm_msg", parent, {"comm_id": id, "data": update})
        self.publish("status", parent, {"execution_state": "idle"})

    def states(self) -> dict:
        """All models, as a client asks for them when it loads the notebook."""
        for follower in self.followers:
            follower.late = True
            self.models[follower.id]["value"] = follower.html
        names = {"model_name": "_model_name", "model_module": "_model_module", "model_module_version": "_model_module_version"}
        return {
            id: {name: state[of] for name, of in names.items()} | {"state": state} for id, state in self.models.items()
        }

    def moved(self, interact: Interact, id: str, state: dict) -> bool:
        at = interact.controls.index(id)
        if interact.keys[at] not in state:
            return False
        interact.values[at] = state[interact.keys[at]]
        return True

    def next(self) -> Interact | None:
        """Returns a closure to call, because a control was moved."""
        return next((interact for interact in self.interacts if interact.moves), None)

    def drawn(self, interact: Interact, moves: list[dict], html: str) -> None:
        """Shows what a closure returned for these moves."""
        self.draw(interact.shown, moves[-1], html)
        self.done(interact, moves)

    def done(self, interact: Interact, moves: list[dict] | None = None) -> None:
        moves = interact.moves if moves is None else moves
        for parent in moves:
            self.publish("status", parent, {"execution_state": "idle"})
        interact.moves = [each for each in interact.moves if each not in moves]

    def lost(self) -> None:
        """Says below all controls that their closures are gone."""
        for interact in self.interacts:
            self.draw(interact.shown, interact.moves[-1] if interact.moves else {}, picture({"error": GONE}, []))
            self.done(interact)
        self.interacts = []
