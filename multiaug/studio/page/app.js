// The page: one tab, one pipeline; every change is rendered by the server, the latest first.
import { ask, latest } from "./api.js";
import { byId, toast } from "./dom.js";
import { close, codeDialog, keysDialog, openDialog, saveDialog } from "./dialogs.js";
import { beginList, drawList, showProblem } from "./list.js";
import { drawDrawn, drawSheet } from "./sheet.js";
import { begin, canRedo, canUndo, keep, placeOf, redo, sent, state, undo } from "./state.js";

const known = await ask("describe");
let before = null;
let beforeOf = "";
let python = "";

const render = latest(async () => {
  const { index, seed, draws, outlines } = state;
  const shown = `${index} ${outlines}`;
  const began = performance.now();
  const waiting = setTimeout(() => { byId("status").textContent = "Rendering…"; }, 400);
  try {
    const done = await ask("render", {
      transforms: sent(), index, seed, draws, outlines, before: shown !== beforeOf,
    });
    if (done.before) [before, beforeOf] = [done.before, shown];
    python = done.python;
    drawSheet(before, done.draws);
    drawDrawn(before, done.draws);
    await Promise.all([...byId("sheet").querySelectorAll("img")].map((i) => i.decode().catch(() => {})));
    showProblem(null);
    byId("sheet").classList.remove("stale");
    clearTimeout(waiting);
    const took = Math.round(performance.now() - began);
    byId("status").textContent = `${took} ms`;
    byId("status").title = `From asking to images decoded; of these, the pipeline took ${Math.round(done.milliseconds.pipeline)} ms`;
    document.body.dataset.renders = Number(document.body.dataset.renders ?? 0) + 1;
    document.body.dataset.milliseconds = took;
  } catch (error) {
    clearTimeout(waiting);
    byId("sheet").classList.add("stale");
    byId("status").textContent = "Not rendered";
    showProblem(error, error.place === null || error.place === undefined ? null : placeOf(error.place));
  }
});

function update() {
  byId("undo").disabled = !canUndo();
  byId("redo").disabled = !canRedo();
  render();
}

function all() {
  drawList();
  controls();
  update();
}

function controls() {
  byId("record").value = state.index;
  byId("seed").value = state.seed;
  byId("draws").value = state.draws;
  byId("outlines").checked = state.outlines;
  byId("record-less").disabled = state.index === 0;
  byId("record-more").disabled = state.index >= known.records - 1;
  byId("seed-less").disabled = state.seed === 0;
}

function set(name, value, most = Infinity) {
  if (typeof value === "number") value = Math.max(0, Math.min(most, Math.trunc(value) || 0));
  state[name] = value;
  keep();
  controls();
  render();
}

const stepRecord = (step) => set("index", state.index + step, known.records - 1);
const stepSeed = (step) => set("seed", state.seed + step, 2 ** 31 - 16);

const THEMES = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");
function theme(step) {
  let chosen = THEMES.indexOf(localStorage.getItem("multiaug-theme") ?? "system");
  if (step) {
    chosen = (chosen + 1) % THEMES.length;
    localStorage.setItem("multiaug-theme", THEMES[chosen]);
    toast(`Theme: ${THEMES[chosen]}`);
  }
  const name = THEMES[chosen] ?? "system";
  document.documentElement.dataset.theme = name === "system" ? (dark.matches ? "dark" : "light") : name;
}
dark.addEventListener("change", () => theme(0));

const back = () => { if (undo()) all(); };
const forth = () => { if (redo()) all(); };
const open = () => openDialog(known, all);
const save = () => saveDialog(known);
const code = () => codeDialog(python);

for (const [id, work] of Object.entries({
  undo: back, redo: forth, open, save, code, help: keysDialog, theme: () => theme(1), "dialog-close": close,
  "record-less": () => stepRecord(-1), "record-more": () => stepRecord(1),
  "seed-less": () => stepSeed(-1), "seed-more": () => stepSeed(1),
})) byId(id).addEventListener("click", work);
byId("record").addEventListener("change", (e) => set("index", Number(e.target.value), known.records - 1));
byId("seed").addEventListener("change", (e) => set("seed", Number(e.target.value), 2 ** 31 - 16));
byId("draws").addEventListener("change", (e) => set("draws", Number(e.target.value)));
byId("outlines").addEventListener("change", (e) => set("outlines", e.target.checked));
byId("dialog").addEventListener("click", (e) => { if (e.target === byId("dialog")) close(); });

const PLAIN = {
  "/": () => byId("search").focus(), "[": () => stepRecord(-1), "]": () => stepRecord(1),
  ",": () => stepSeed(-1), ".": () => stepSeed(1), o: open, c: code, t: () => theme(1), "?": keysDialog,
};
document.addEventListener("keydown", (event) => {
  if (byId("dialog").open) return;
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  // A dialog that has just closed may hold the focus for a moment: nobody types there.
  const typing = !event.target.closest("dialog") && event.target.matches("textarea, select, input:not([type=range]):not([type=checkbox])");
  let work = null;
  if (control && key === "s") work = save;
  else if (control && key === "z" && !typing) work = event.shiftKey ? forth : back;
  else if (control && key === "y" && !typing) work = forth;
  else if (!control && !event.altKey && !typing) work = PLAIN[key];
  if (!work) return;
  event.preventDefault();
  work();
});

theme(0);
begin(known.pipeline);
state.index = Math.min(state.index, known.records - 1);
byId("source").textContent = known.name;
byId("count").textContent = `of ${known.records.toLocaleString("en")}`;
byId("record").max = known.records - 1;
beginList(known.transforms, update);
all();
