const main = document.querySelector("main");
const faces = [...main.children];
faces.forEach((face, place) => { face.dataset.place = place; });

// Sorts the faces by a button's field. A second click reverses the order.
const buttons = [...document.querySelectorAll("[data-by]")];
let last = "place", down = false;
buttons.forEach((button) => {
  button.addEventListener("click", () => {
    const by = button.dataset.by;
    down = by === last && !down;
    last = by;
    const sign = down ? -1 : 1;
    faces.sort((a, b) => sign * (a.dataset[by] - b.dataset[by]) || a.dataset.place - b.dataset.place);
    main.append(...faces);
    buttons.forEach((other) => {
      other.setAttribute("aria-pressed", other === button);
      other.dataset.order = other === button ? (down ? "\u25bc" : "\u25b2") : "";
    });
  });
});

// Shows the faces that fit all fields. Ages are compared as they are shown.
const form = document.querySelector("form");
const counter = document.querySelector("[role=status]");
const all = counter.textContent;
const filter = () => {
  const { name, gender, from, to } = form.elements;
  const words = name.value.toLowerCase();
  const low = from.value === "" ? -Infinity : +from.value, high = to.value === "" ? Infinity : +to.value;
  let shown = 0;
  faces.forEach((face) => {
    const age = Math.round(face.dataset.age);
    const fits = face.dataset.path.toLowerCase().includes(words)
      && (!gender.value || face.classList.contains(gender.value)) && low <= age && age <= high;
    face.hidden = !fits;
    shown += fits;
  });
  counter.textContent = shown === faces.length ? all : `${shown.toLocaleString("en")} of ${all}`;
};
form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter)); // once the fields are empty
form.addEventListener("submit", (event) => event.preventDefault());
filter(); // a browser may keep the fields when it loads the page again

// Shows a face's photo, with a box around the face. The browser closes a dialog at Escape, and goes
// back to the face.
const dialog = document.querySelector("dialog");
const [, photo, words] = dialog.children;
const enlarge = (face) => {
  const crop = face.querySelector("img"), link = face.querySelector("a");
  const image = new Image();
  const box = document.createElement("i");
  const [left, top, width, height] = face.dataset.bounds.split(" ").map((share) => `${share}%`);
  Object.assign(box.style, { left, top, width, height });
  image.alt = face.dataset.path;
  const showCrop = () => {
    image.src = crop.src;
    image.width = 3 * crop.width;
    box.remove();
  };
  image.addEventListener("error", () => {
    showCrop();
    words.append("; this browser cannot show the photo, or it was moved");
  }, { once: true });
  photo.className = `photo ${face.className}`;
  photo.replaceChildren(image, box);
  const said = [...face.querySelectorAll("span")].map((span) => span.textContent);
  words.textContent = `${face.dataset.path}: ${said.join(", ")}`;
  if (link) image.src = link.href; else showCrop();
  dialog.showModal();
};
faces.forEach((face) => face.querySelector("button").addEventListener("click", () => enlarge(face)));
dialog.querySelector("button").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
// The event comes late, perhaps after another face was opened.
dialog.addEventListener("close", () => { if (!dialog.open) photo.replaceChildren(); });
