// Adds pages and sorting to the crate's tables. `table.rs` puts their rows (gzipped JSON) into an
// attribute. Where scripts do not run, the rows in the HTML remain.
document.querySelectorAll("div[data-ror-table]").forEach(async (box) => {
  const packed = Uint8Array.from(atob(box.dataset.rorTable), (c) => c.charCodeAt(0));
  box.removeAttribute("data-ror-table");
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { columns, numeric, size } = await new Response(unpacked).json();
  const body = box.querySelector("tbody"), heads = [...box.querySelectorAll("thead th")].slice(1);
  const order = columns[0].map((_, i) => i), names = heads.map((head) => head.innerHTML);
  let first = 0, sorted = -1, down = false;
  const cell = (tag, text, right, grey) => {
    const made = document.createElement(tag);
    made.style.cssText = `padding:3px 10px;font-weight:normal;text-align:${right ? "right" : "left"}`;
    if (grey) made.style.color = "#8a949e";
    made.textContent = text;
    return made;
  };
  const pager = document.createElement("p");
  pager.style.cssText = "color:#5c6772;font-size:12px";
  box.querySelector("p").replaceWith(pager);
  const show = () => {
    const shown = order.slice(first, first + size);
    body.replaceChildren(...shown.map((row) => {
      const line = document.createElement("tr");
      line.append(cell("th", row, true, true));
      columns.forEach((column, i) => {
        line.append(cell("td", column[row] ?? "null", numeric[i], column[row] === null));
      });
      return line;
    }));
    const go = (text, to) => {
      const button = document.createElement("button");
      button.style.cssText = "margin-right:4px;cursor:pointer";
      button.textContent = text;
      button.disabled = to < 0 || to >= order.length || to === first;
      button.onclick = () => { first = to; show(); };
      return button;
    };
    const last = Math.floor((order.length - 1) / size) * size;
    const number = (n) => n.toLocaleString("en-US");
    pager.replaceChildren(go("\u00ab", 0), go("\u2039", first - size), go("\u203a", first + size), go("\u00bb", last),
      ` rows ${number(first + 1)} to ${number(first + shown.length)} of ${number(order.length)}; click a column name to sort`);
    heads.forEach((head, i) => {
      head.innerHTML = names[i] + (i === sorted ? (down ? " \u25bc" : " \u25b2") : "");
    });
  };
  heads.forEach((head, i) => {
    head.style.cursor = "pointer";
    head.onclick = () => {
      down = sorted === i && !down;
      sorted = i;
      const sign = down ? -1 : 1, values = numeric[i] ? columns[i].map((v) => v === null ? null : Number(v)) : columns[i];
      order.sort((a, b) => {
        const [x, y] = [values[a], values[b]];
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return (x < y ? -sign : x > y ? sign : 0) || a - b;
      });
      first = 0;
      show();
    };
  });
  show();
});
