// Open, save, code and keys.
import { ask } from "./api.js";
import { byId, el, toast } from "./dom.js";
import { changed, keep, made, sent, state } from "./state.js";

const KEYS = [
  ["/", "search for a transform to add"],
  ["[ and ]", "previous and next record"],
  [", and .", "previous and next seed"],
  ["Alt+↑ and Alt+↓", "move the transform that has the focus"],
  ["Delete", "remove the transform whose name has the focus"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["O, Ctrl+S, C", "open, save, show the code"],
  ["T", "light, dark, or as the system"],
  ["?", "this list"],
];

function show(title, ...content) {
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(...content);
  if (!byId("dialog").open) byId("dialog").showModal();
}

export const close = () => byId("dialog").close();

export function keysDialog() {
  show("Keys", el("table", {}, el("tbody", {}, ...KEYS.map(([key, what]) =>
    el("tr", {}, el("th", { scope: "row" }, key), el("td", {}, what))))));
}

export async function openDialog(known, taken) {
  const saved = known.can_save ? (await ask("saved")).saved : [];
  const take = async (work, name, tag) => {
    try {
      const found = await work();
      state.transforms = made(found.transforms);
      [state.name, state.tag] = [name, found.tag ?? tag];
      changed();
      keep();
      close();
      taken();
    } catch (error) {
      byId("open-error").textContent = error.message;
      byId("open-error").hidden = false;
    }
  };
  const groups = [...new Set(known.recipes.map((r) => r.group))];
  show("Open",
    el("p", { class: "problem", id: "open-error", role: "alert", hidden: true }),
    el("h3", {}, "Saved pipelines"),
    saved.length
      ? el("div", { class: "choices" }, ...saved.map((name) => el("button", { type: "button", onclick: () => take(() => ask(`saved/${encodeURIComponent(name)}`), name) }, name)))
      : el("p", { class: "soft" }, known.can_save ? "None yet." : "The studio was started without a folder to save in."),
    ...groups.flatMap((group) => [
      el("h3", {}, `Recipes: ${group}`),
      el("div", { class: "choices" }, ...known.recipes.filter((r) => r.group === group).map((r) =>
        el("button", { type: "button", title: r.title, onclick: () => take(() => ask(`recipe/${r.name}`), "", null) }, r.name, el("small", {}, r.title)))),
    ]));
}

export function saveDialog(known) {
  const name = el("input", { type: "text", "aria-label": "Name", maxlength: 64, required: true });
  name.value = state.name;
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const form = el("div", {}, problem,
    el("p", { class: "soft" }, known.can_save
      ? "Saved as a JSON document with the spec of the records; what somebody else has saved meanwhile is never written over."
      : "The studio was started without a folder to save in: start it with save_to=FOLDER, or copy the code."),
    el("div", { class: "actions" }, name, el("button", { type: "button", class: "main", disabled: !known.can_save, onclick: save }, "Save")));
  name.addEventListener("keydown", (event) => { if (event.key === "Enter" && known.can_save) save(); });

  async function save() {
    const chosen = name.value.trim();
    const tag = chosen === state.name ? state.tag : null;
    try {
      const done = await ask(`saved/${encodeURIComponent(chosen)}`, { transforms: sent(), tag }, "PUT");
      [state.name, state.tag] = [chosen, done.tag];
      keep();
      close();
      toast(`Saved as ${chosen}.json`);
    } catch (error) {
      if (error.status === 409 && /removed/.test(error.message)) state.tag = null;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }
  show("Save", form);
  name.focus();
}

export async function codeDialog(python) {
  let document = null;
  let problem = "";
  try {
    document = JSON.stringify(await ask("document", { transforms: sent() }), null, 2);
  } catch (error) {
    problem = error.message;
  }
  const part = (title, text) => [
    el("h3", {}, title), el("pre", { tabindex: 0 }, text),
    el("div", { class: "actions" }, el("button", { type: "button", onclick: () => copy(text) }, `Copy ${title}`)),
  ];
  if (problem) show("Code", el("p", { class: "problem" }, problem));
  else show("Code", ...part("Python", python), ...part("JSON", document));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("The browser did not allow it: select the text and copy it.");
  }
}
