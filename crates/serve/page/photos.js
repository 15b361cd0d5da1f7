// Photos that are dropped, pasted or chosen.
const AT_ONCE = 4;
const IS_IMAGE = /\.(jpe?g|jpe|jfif|png|webp|bmp|gif|tiff?|heic|heif|avif|jxl)$/i;
const waiting = [];
let sending = 0;

/** Adds files: [path, file]. */
function add(files) {
  for (const [path, file] of files) {
    const url = URL.createObjectURL(file);
    const picture = element("img", { src: url, alt: path, decoding: "async" });
    const caption = element("figcaption", { textContent: path });
    const figure = element("figure", {}, element("div", { className: "view" }, picture), caption);
    const photo = { path, file, url, picture, caption, figure };
    photos.push(photo);
    waiting.push(photo);
    at("photos").append(figure);
  }
  if (files.length) at("results").hidden = false;
  else say("there is no image among them");
  while (sending < AT_ONCE && waiting.length) work();
}

/** Sends photos until none waits. */
async function work() {
  sending += 1;
  for (let photo; (photo = waiting.shift()); ) {
    count();
    const answer = await predict(photo.file);
    if (photos.includes(photo)) await show(photo, answer);
    delete photo.file;
  }
  sending -= 1;
  count();
}

async function show(photo, answer) {
  photo.answer = answer;
  const { figure, picture, caption } = photo;
  const view = figure.firstChild;
  const loaded = await picture.decode().then(() => true, () => false);
  if (!loaded) picture.remove(); // the browser can't show it, such as TIFF
  if (answer.error) {
    caption.append(": ", element("span", { className: "wrong", textContent: answer.error }));
    return;
  }
  if (!loaded) view.style.aspectRatio = `${answer.width} / ${answer.height}`;
  view.append(...answer.faces.map((face) => box(face, answer.width, answer.height)));
  figure.classList.toggle("many", answer.faces.length > 2); // room for the words
  if (!answer.faces.length) caption.append(": no face found");
  addRows(photo, loaded && picture);
}

function count() {
  const done = photos.filter((photo) => photo.answer).length;
  const faces = photos.reduce((sum, { answer }) => sum + (answer?.faces?.length ?? 0), 0);
  const wrong = photos.filter((photo) => photo.answer?.error).length;
  const some = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const all = done === photos.length ? some(done, "photo") : `${done} of ${some(photos.length, "photo")}`;
  if (photos.length) say(`${all}, ${some(faces, "face")}${wrong ? `, ${wrong} not read` : ""}`);
}

function say(text) {
  at("status").textContent = text;
}

/** The images in a folder of the file system, with their paths. */
async function within(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed)).catch(() => null);
    return file ? [[entry.fullPath.slice(1), file]] : [];
  }
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    // A call returns some of the entries, and after the last ones none.
    const entries = await new Promise((done, failed) => reader.readEntries(done, failed)).catch(() => []);
    if (!entries.length) return files.filter(([path]) => IS_IMAGE.test(path));
    for (const below of entries) files.push(...(await within(below)));
  }
}

async function dropped(data) {
  // All are taken before the first wait, after which they are gone.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.());
  const files = [...data.files];
  const found = [];
  for (const [place, entry] of entries.entries()) {
    if (entry?.isDirectory) found.push(...(await within(entry)));
  }
  const folders = new Set(entries.filter((entry) => entry?.isDirectory).map((entry) => entry.name));
  found.push(...files.filter((file) => !folders.has(file.name)).map((file) => [file.name, file]));
  add(found);
}

const chosen = (input) => {
  const files = [...input.files].map((file) => [file.webkitRelativePath || file.name, file]);
  input.value = "";
  return files;
};
at("choose").onclick = () => at("files").click();
at("choose-folder").onclick = () => at("folder").click();
at("files").onchange = () => add(chosen(at("files")));
at("folder").onchange = () => add(chosen(at("folder")).filter(([path]) => IS_IMAGE.test(path)));
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget || at("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  dropped(event.dataTransfer);
});
addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) add(files.map((file) => [file.name, file]));
});
