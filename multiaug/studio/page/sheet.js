// Images of a record before and after, and what was drawn. Places are kept while values change.
import { byId, el } from "./dom.js";
import { sent } from "./state.js";

export function drawSheet(before, draws) {
  const names = [...new Set([before, ...draws].flatMap((column) => Object.keys(column.images)))];
  const columns = [["Before", before], ...draws.map((d) => [draws.length > 1 ? `Seed ${d.seed}` : "After", d])];
  const sheet = byId("sheet");
  const shape = JSON.stringify([names, columns.map(([head]) => head.replace(/\d+/, "")), columns.length]);
  if (sheet.dataset.shape !== shape) {
    sheet.dataset.shape = shape;
    const least = columns.length > 3 ? 150 : names.length > 2 ? 150 : 160;
    sheet.style.gridTemplateColumns = `repeat(${columns.length}, minmax(${least}px, ${most(names.length, columns.length)}px))`;
    sheet.replaceChildren(
      ...columns.map(() => el("div", { class: "head" })),
      ...names.flatMap((name) => columns.map(([head], column) =>
        el("figure", { "data-panel": name, "data-column": column },
          el("div", { class: "frame" }, el("img", { alt: "" })), el("figcaption", {})))));
  }
  sheet.querySelectorAll(".head").forEach((head, i) => { head.textContent = columns[i][0]; });
  for (const figure of sheet.querySelectorAll("figure")) {
    const name = figure.dataset.panel;
    const [head, column] = columns[Number(figure.dataset.column)];
    const image = column.images[name];
    const [shown, frame, caption] = [figure.querySelector("img"), figure.querySelector(".frame"), figure.querySelector("figcaption")];
    const size = (before.images[name] ?? image);
    frame.style.aspectRatio = size ? `${size.width} / ${size.height}` : "1";
    shown.hidden = !image;
    if (!image) { caption.textContent = `${name}: none`; continue; }
    if (shown.getAttribute("src") !== image.src) shown.src = image.src;
    shown.alt = `${name}, ${image.role}, ${head.toLowerCase()}`;
    shown.classList.toggle("small", image.width < 200);
    caption.textContent = `${name} · ${image.role} · ${image.width} × ${image.height}`;
  }
}

// A column is as wide as fits beside the others, and no wider than lets two rows be seen.
function most(rows, columns) {
  if (columns > 3) return 300;
  return rows > 1 ? 420 : 640;
}

export function drawDrawn(before, draws) {
  const place = byId("drawn");
  const names = sent().map((t) => t.type);
  const values = Object.keys({ ...before.values, ...draws[0].values });
  const heads = draws.map((d) => el("th", { scope: "col" }, `seed ${d.seed}`));
  const rows = [];
  names.forEach((name, i) => {
    const fields = listed(draws[0].drawn[i]);
    if (!fields.length) rows.push(el("tr", {}, el("th", { scope: "row" }, name), el("td", { colspan: draws.length }, "nothing")));
    for (const [field] of fields) {
      rows.push(el("tr", {}, el("th", { scope: "row" }, `${name} ${field}`.trim()),
        ...draws.map((d) => el("td", {}, text(new Map(listed(d.drawn[i])).get(field))))));
    }
  });
  const tables = [el("table", {}, el("thead", {}, el("tr", {}, el("th", {}), ...heads)), el("tbody", {}, ...rows))];
  if (values.length) {
    tables.push(el("table", {}, el("thead", {}, el("tr", {}, el("th", {}), el("th", { scope: "col" }, "before"), ...heads.map((h) => h.cloneNode(true)))),
      el("tbody", {}, ...values.map((name) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text(before.values[name])),
        ...draws.map((d) => el("td", {}, text(d.values[name]))))))));
  }
  place.replaceChildren(...tables.map((t) => el("div", { class: "scroll" }, t)));
}

// Dictionaries within dictionaries, as pairs of a path and a value.
function listed(value, path = "") {
  if (value === null || typeof value !== "object") return [[path, value]];
  const flat = Array.isArray(value) && value.every((v) => v === null || typeof v !== "object" || (Array.isArray(v) && v.every((n) => typeof n !== "object")));
  if (flat && value.length) return [[path, value]];
  return Object.entries(value).flatMap(([name, part]) => listed(part, path ? `${path}.${name}` : name));
}

const text = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
