// The list of transforms on the left: cards with controls, and the search that adds one.
import { byId, el } from "./dom.js";
import { controlOf } from "./controls.js";
import { changed, made, state } from "./state.js";

let known = new Map();
let update = () => {};

export function beginList(transforms, whenChanged) {
  known = new Map(transforms.map((t) => [t.name, t]));
  update = whenChanged;
  search(transforms);
  byId("list").addEventListener("keydown", keys);
}

export function drawList() {
  byId("list").replaceChildren(...state.transforms.map(card));
  byId("empty").hidden = state.transforms.length > 0;
}

function card(item, place) {
  const kind = known.get(item.type);
  const id = `t${item.id}`;
  const on = el("input", { type: "checkbox", class: "switch", "aria-label": `${item.type} on`, title: "On or off", onchange: () => {
    item.on = on.checked;
    box.classList.toggle("off", !item.on);
    commit();
  } });
  on.checked = item.on;
  const body = el("div", { class: "card-body", id: `${id}-body`, hidden: !item.open },
    el("p", { class: "about" }, kind?.about ?? "A transform of your own."),
    el("p", { class: "error", hidden: true }),
    ...settingsOf(item, kind).map((setting) =>
      controlOf(setting, item.settings[setting.name] ?? null, `${id}-${setting.name}`, (value) => {
        item.settings[setting.name] = value;
        commit(`${item.id}.${setting.name}`);
      })));
  const name = el("button", { type: "button", class: "name", "aria-expanded": String(item.open), "aria-controls": `${id}-body`, onclick: () => {
    item.open = !item.open;
    body.hidden = !item.open;
    name.setAttribute("aria-expanded", String(item.open));
    changed("open");
  } }, item.type);
  const box = el("li", { class: item.on ? "card" : "card off", "data-id": item.id, "data-type": item.type },
    el("div", { class: "card-head" }, on, name,
      el("button", { type: "button", class: "icon", "aria-label": `Move ${item.type} up`, title: "Up (Alt+↑)", disabled: place === 0, onclick: () => move(item, -1) }, "↑"),
      el("button", { type: "button", class: "icon", "aria-label": `Move ${item.type} down`, title: "Down (Alt+↓)", disabled: place === state.transforms.length - 1, onclick: () => move(item, 1) }, "↓"),
      el("button", { type: "button", class: "icon", "aria-label": `Remove ${item.type}`, title: "Remove (Delete)", onclick: () => remove(item) }, "×")),
    body);
  return box;
}

// Settings of a class that the page was not told of are JSON.
function settingsOf(item, kind) {
  return kind?.settings ?? Object.keys(item.settings).map((name) => ({ name, kind: "json", unit: "", about: "", nullable: true }));
}

function commit(what = "") {
  changed(what);
  update();
}

function move(item, step) {
  const place = state.transforms.indexOf(item);
  const other = place + step;
  if (other < 0 || other >= state.transforms.length) return;
  state.transforms.splice(place, 1);
  state.transforms.splice(other, 0, item);
  redraw(item.id);
}

function remove(item) {
  const place = state.transforms.indexOf(item);
  state.transforms.splice(place, 1);
  redraw(state.transforms[Math.min(place, state.transforms.length - 1)]?.id);
}

function redraw(focus) {
  drawList();
  const place = byId("list").querySelector(`[data-id="${focus}"] .name`) ?? byId("search");
  place.focus();
  commit();
}

function keys(event) {
  const box = event.target.closest(".card");
  const item = state.transforms.find((t) => String(t.id) === box?.dataset.id);
  if (!item) return;
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    move(item, event.key === "ArrowUp" ? -1 : 1);
  } else if (event.key === "Delete" && event.target.classList.contains("name")) {
    event.preventDefault();
    remove(item);
  }
}

export function add(type) {
  const kind = known.get(type);
  const [item] = made([{ type, settings: structuredClone(kind.start) }], true);
  for (const other of state.transforms) other.open = false;
  state.transforms.push(item);
  redraw(item.id);
  byId("list").lastElementChild.scrollIntoView({ block: "nearest" });
}

// What the library said, beside the setting that it is about; "" where nothing is wrong.
export function showProblem(error, item) {
  for (const place of document.querySelectorAll(".card .error")) place.hidden = true;
  for (const place of document.querySelectorAll(".setting.wrong")) place.classList.remove("wrong");
  const general = byId("problem");
  general.hidden = true;
  if (!error) return;
  const box = item && byId("list").querySelector(`[data-id="${item.id}"]`);
  const setting = box?.querySelector(`[data-setting="${CSS.escape(error.field || " ")}"]`);
  const place = setting?.querySelector(".error") ?? box?.querySelector(".card-body > .error") ?? general;
  setting?.classList.add("wrong");
  place.textContent = error.message;
  place.hidden = false;
  // In a card that is closed nobody would see it.
  if (place !== general && !item.open) {
    general.textContent = `${item.type}: ${error.message}`;
    general.hidden = false;
  }
}

function search(transforms) {
  const field = byId("search");
  const found = byId("found");
  let chosen = 0;
  let names = [];

  function show() {
    const text = field.value.trim().toLowerCase();
    const hits = transforms.map((t) => [rank(t, text), t]).filter(([r]) => r >= 0);
    hits.sort((a, b) => a[0] - b[0]);
    names = hits.map(([, t]) => t.name);
    chosen = Math.min(chosen, Math.max(0, names.length - 1));
    found.replaceChildren(...hits.map(([, t], i) =>
      el("li", { role: "option", id: `found-${i}`, "aria-selected": String(i === chosen), onmousedown: (event) => { event.preventDefault(); take(t.name); } },
        el("span", { class: "group" }, t.group), t.name, el("small", {}, t.about))));
    if (!hits.length) found.append(el("li", { class: "soft" }, "Nothing is called that."));
    found.hidden = false;
    field.setAttribute("aria-expanded", "true");
    field.setAttribute("aria-activedescendant", names.length ? `found-${chosen}` : "");
    found.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }
  function hide() {
    found.hidden = true;
    field.setAttribute("aria-expanded", "false");
  }
  function take(name) {
    field.value = "";
    chosen = 0;
    hide();
    add(name);
  }
  field.addEventListener("input", () => { chosen = 0; show(); });
  field.addEventListener("click", show);
  field.addEventListener("blur", hide);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!found.hidden) chosen = Math.max(0, Math.min(names.length - 1, chosen + (event.key === "ArrowDown" ? 1 : -1)));
      show();
    } else if (event.key === "Enter" && !found.hidden && names.length) {
      event.preventDefault();
      take(names[chosen]);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (found.hidden) field.blur();
      hide();
    }
  });
}

// Names that begin with the text, then names that hold it, then descriptions.
function rank(transform, text) {
  const name = transform.name.toLowerCase();
  if (name.startsWith(text)) return 0;
  if (name.includes(text)) return 1;
  return `${transform.about} ${transform.group}`.toLowerCase().includes(text) ? 2 : -1;
}
