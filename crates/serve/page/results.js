"use strict";
// Answers of the server, and what is shown and saved of them.
const at = (id) => document.getElementById(id);
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// The token is in the part of the address that browsers do not send.
if (location.hash.length > 1) {
  sessionStorage.setItem("token", decodeURIComponent(location.hash.slice(1)));
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem("token");
const isLocal = /^(localhost|127\..*|\[::1\])$/.test(location.hostname);
at("where").textContent = isLocal
  ? "Nothing leaves this machine, and no image is stored."
  : `Images are sent to ${location.hostname} and nowhere else. They are not stored.`;

/** Makes an element with properties and children; text is never read as HTML. */
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const MOST_BYTES = 64 << 20; // the server's limit of a body

/** Predicts an image. Waits while the server is busy; errors are answers, too. */
async function predict(image) {
  if (image.size > MOST_BYTES) return { error: "the image has more than 64 MiB" };
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  for (;;) {
    let response;
    try {
      response = await fetch("v1/predict", { method: "POST", headers, body: image });
    } catch {
      return { error: "the server does not answer: is ror serve still running?" };
    }
    if (response.status === 429) {
      await pause(Number(response.headers.get("Retry-After")) || 1);
      continue;
    }
    const wrong = { error: `the server answered with status ${response.status}` };
    if (response.status === 401) {
      return { error: "this address lacks the token: open the one that ror serve printed, with all after the #" };
    }
    return response.json().catch(() => wrong);
  }
}

/** Makes the box of a face in a photo of this size, in percent of its sides. */
function box(face, width, height) {
  const made = element("div", {}, element("span", {}, "", element("span", { className: "range" })));
  place(made, face, width, height);
  return made;
}

function place(made, face, width, height, mirrored = false) {
  const [left, top, wide, tall] = face.box;
  const x = mirrored ? width - left - wide : left;
  const percent = (value, of) => `${(100 * value) / of}%`;
  made.style.left = percent(x, width);
  made.style.top = percent(top, height);
  made.style.width = percent(wide, width);
  made.style.height = percent(tall, height);
  made.className = `box ${face.gender}`;
  made.classList.toggle("high", top < 0.08 * height);
  made.classList.toggle("right", x > 0.6 * width);
  const [words, range] = made.firstChild.childNodes;
  const [low, high] = face.age_range.map(Math.round);
  words.data = `${face.gender} ${Math.round(face.age)}`;
  range.textContent = ` (${low}–${high})`;
}

// Photos in the order in which they came: {path, answer, figure}.
const photos = [];
const confidence = (face) => Math.max(face.female, 1 - face.female);
const COLUMNS = [
  { name: "Photo", by: (row) => row.place },
  { name: "Gender", by: (row) => row.face.female },
  { name: "Confidence", number: true, by: (row) => confidence(row.face) },
  { name: "Age", number: true, by: (row) => row.face.age },
  { name: "80 % range", number: true, by: (row) => row.face.age_range[1] - row.face.age_range[0] },
  { name: "Notes", by: (row) => row.face.notes.length },
];
let rows = [];
let sorted = { column: COLUMNS[0], down: false };

for (const column of COLUMNS) {
  const button = element("button", { type: "button", textContent: column.name });
  button.onclick = () => {
    sorted = { column, down: sorted.column === column && !sorted.down };
    sort();
  };
  column.head = element("th", { scope: "col", className: column.number ? "number" : "" }, button);
  at("head").append(column.head);
}

/** Adds the rows of a photo's faces. */
function addRows(photo, picture) {
  photo.answer.faces.forEach((face, number) => {
    const row = { place: rows.length, face };
    const show = element("button", { type: "button", textContent: photo.path });
    show.onclick = () => {
      document.querySelectorAll(".box.shown").forEach((other) => other.classList.remove("shown"));
      photo.figure.querySelectorAll(".box")[number].classList.add("shown");
      photo.figure.scrollIntoView({ block: "center" });
    };
    const small = element("canvas", { width: 48, height: 48 });
    if (picture) small.getContext("2d").drawImage(picture, ...face.box, 0, 0, 48, 48);
    const text = (words) => element("td", { textContent: words });
    const figure = (words) => element("td", { className: "number", textContent: words });
    const [low, high] = face.age_range.map(Math.round);
    row.line = element("tr", {}, element("td", {}, element("div", {}, small, show)), text(face.gender),
      figure(`${Math.round(100 * confidence(face))} %`), figure(face.age.toFixed(1)), figure(`${low}–${high}`),
      text(face.notes.join(", ")));
    rows.push(row);
  });
  sort();
}

function sort() {
  const { column, down } = sorted;
  const sign = down ? -1 : 1;
  rows.sort((a, b) => sign * (column.by(a) - column.by(b)) || a.place - b.place);
  at("rows").append(...rows.map((row) => row.line));
  for (const other of COLUMNS) {
    const order = other === column ? (down ? "descending" : "ascending") : "none";
    other.head.setAttribute("aria-sort", order);
    other.head.firstChild.dataset.order = { ascending: "▲", descending: "▼", none: "" }[order];
  }
}

const HEADING = ["path", "face", "x", "y", "width", "height", "score", "notes", "gender", "female", "age",
  "age_low", "age_high", "age_group", "status", "error"];

/** The table of `ror predict --csv`: a row per face, and one for a photo without. */
function csv() {
  const lines = [HEADING];
  for (const { path, answer } of photos) {
    const none = Array(12).fill("");
    if (!answer) continue;
    if (answer.error) lines.push([path, "", ...none, "error", answer.error]);
    else if (!answer.faces.length) lines.push([path, "", ...none, "no face", ""]);
    else answer.faces.forEach((face, number) => lines.push([path, number + 1, ...face.box, face.score,
      face.notes.join("; "), face.gender, face.female, face.age, ...face.age_range, face.age_group, "ok", ""]));
  }
  return lines.map((line) => `${line.map(cell).join(",")}\n`).join("");
}

/** A value of a CSV file. A spreadsheet would run a text that begins like a formula. */
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function json() {
  const answered = photos.filter((photo) => photo.answer);
  return `${JSON.stringify(answered.map(({ path, answer }) => ({ ...answer, path })))}\n`;
}

function save(name, type, text) {
  const link = element("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
at("save-csv").onclick = () => save("faces.csv", "text/csv", csv());
at("save-json").onclick = () => save("faces.json", "application/json", json());
at("clear").onclick = () => {
  photos.forEach((photo) => URL.revokeObjectURL(photo.url));
  photos.length = rows.length = 0;
  at("photos").replaceChildren();
  at("rows").replaceChildren();
  at("results").hidden = true;
  at("status").textContent = "";
  at("choose").focus();
};
