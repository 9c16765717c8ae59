// What a tab shows: kept in the tab alone, with what undo goes back to.

const KEY = "multiaug-studio";
const MOST = 200;

export const state = {
  transforms: [], // {id, type, settings, on, open}
  index: 0, seed: 0, draws: 1, outlines: true,
  name: "", tag: null,
};
let past = [];
let future = [];
let next = 1;
let last = "";
let lastTime = 0;

const frozen = () => JSON.stringify(state.transforms);

export function begin(transforms) {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEY));
  } catch { /* nothing was kept */ }
  if (kept && Array.isArray(kept.transforms)) Object.assign(state, kept);
  else state.transforms = made(transforms);
  next = 1 + Math.max(0, ...state.transforms.map((t) => t.id));
  last = frozen();
}

export function made(transforms, open = false) {
  return transforms.map((t) => ({ id: next++, type: t.type, settings: t.settings, on: true, open }));
}

export function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(state));
  } catch { /* private windows may refuse; the page works all the same */ }
}

// Moves of one slider within a second are one step of undo.
export function changed(what = "") {
  const now = performance.now();
  const present = frozen();
  if (present === last) return;
  const same = what !== "" && what === changed.what && now - lastTime < 1000;
  if (!same) {
    past.push(last);
    if (past.length > MOST) past.shift();
  }
  future = [];
  last = present;
  lastTime = now;
  changed.what = what;
  keep();
}

export function undo() {
  if (!past.length) return false;
  future.push(last);
  return go(past.pop());
}

export function redo() {
  if (!future.length) return false;
  past.push(last);
  return go(future.pop());
}

function go(text) {
  last = text;
  changed.what = "";
  state.transforms = JSON.parse(text);
  keep();
  return true;
}

export const canUndo = () => past.length > 0;
export const canRedo = () => future.length > 0;

export const sent = () =>
  state.transforms.filter((t) => t.on).map(({ type, settings }) => ({ type, settings }));
// Where a transform that was sent stands in the list.
export const placeOf = (sentPlace) => state.transforms.filter((t) => t.on)[sentPlace];
