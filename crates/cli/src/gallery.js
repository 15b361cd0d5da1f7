// Sorts the faces by a button's field. A second click reverses the order.
const main = document.querySelector("main");
const faces = [...main.children];
faces.forEach((face, place) => { face.dataset.place = place; });
const buttons = [...document.querySelectorAll("button")];
let last = "place", down = false;
buttons.forEach((button) => {
  button.onclick = () => {
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
  };
});
