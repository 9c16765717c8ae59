// The controls of one setting, by its kind. `set` gets the new value, as JSON has it.
import { el } from "./dom.js";

export function controlOf(setting, value, id, set) {
  const make = KINDS[setting.kind] ?? json;
  const body = make(setting, value, id, set);
  const unit = setting.unit ? el("span", { class: "soft" }, setting.unit) : "";
  const box = el("div", { class: "setting", "data-setting": setting.name, role: "group", "aria-labelledby": `${id}-name` },
    el("div", { class: "setting-name", title: setting.about },
      el("b", { id: `${id}-name` }, setting.name), unit),
    body,
    el("p", { class: "error", hidden: true, id: `${id}-error` }));
  for (const input of box.querySelectorAll("input, select, textarea")) {
    input.setAttribute("aria-describedby", `${id}-error`);
  }
  return box;
}

const KINDS = { range, ranges, sizes: range, number, switch: toggle, choice, entries, text, json };

// A slider, and a field beside it that takes numbers beyond the span of the slider.
function slider(setting, value, label, change) {
  const [least, most] = setting.span;
  const limits = { min: setting.low, max: setting.high };
  const bar = el("input", { type: "range", min: Math.min(least, value), max: Math.max(most, value), step: setting.step, "aria-label": `${setting.name} ${label}`.trim() });
  const box = el("input", { type: "number", ...limits, step: "any", "aria-label": `${setting.name} ${label}, number`.replace(" ,", ",") });
  const show = (number) => { bar.value = number; box.value = round(number); };
  show(value);
  const take = (number) => {
    if (!Number.isFinite(number)) return;
    change(setting.step === 1 ? Math.round(number) : number);
  };
  bar.addEventListener("input", () => { take(round(Number(bar.value))); });
  box.addEventListener("change", () => {
    const number = Number(box.value);
    bar.max = Math.max(most, number);
    bar.min = Math.min(least, number);
    take(number);
  });
  return { parts: [bar, box], show };
}

const round = (number) => Number(Number(number).toPrecision(6));

function range(setting, value, id, set) {
  const pair = [...(value ?? setting.span)];
  const ends = setting.kind === "sizes" ? ["height", "width"] : ["from", "to"];
  const ordered = setting.kind === "range";
  const rows = [];
  const sliders = pair.map((number, end) => {
    const made = slider(setting, number, ends[end], (changed) => {
      pair[end] = changed;
      // The one pushes the other along, so that the range stays one.
      if (ordered && pair[0] > pair[1]) pair[1 - end] = changed;
      sliders.forEach((s, i) => s.show(pair[i]));
      set([...pair]);
    });
    rows.push(el("div", { class: "row labelled" }, el("span", { class: "end" }, ends[end]), ...made.parts));
    return made;
  });
  return optional(setting, value, set, () => [...pair], el("div", {}, ...rows));
}

function ranges(setting, value, id, set) {
  const all = value.map((pair) => [...pair]);
  const names = all.length === 2 ? ["x", "y"] : all.map((_, i) => `${i}`);
  return el("div", {}, ...all.map((pair, i) =>
    el("div", {}, el("span", { class: "end soft" }, names[i]),
      range({ ...setting, kind: "range", nullable: false, name: `${setting.name} ${names[i]}` }, pair, id, (changed) => {
        all[i] = changed;
        set(all.map((p) => [...p]));
      }))));
}

function number(setting, value, id, set) {
  let present = value ?? setting.span[0];
  const made = slider(setting, present, "", (changed) => {
    present = changed;
    made.show(changed);
    set(changed);
  });
  return optional(setting, value, set, () => present, el("div", { class: "row" }, ...made.parts));
}

// Settings that may be None have a box that says whether there is a value.
function optional(setting, value, set, present, body) {
  if (!setting.nullable) return body;
  body.hidden = value === null;
  const box = el("input", { type: "checkbox", onchange: () => { body.hidden = !box.checked; set(box.checked ? present() : null); } });
  box.checked = value !== null;
  return el("div", {}, el("label", { class: "check" }, box, el("span", { class: "soft" }, "given")), body);
}

function toggle(setting, value, id, set) {
  const box = el("input", { type: "checkbox", "aria-labelledby": `${id}-name`, onchange: () => { word.textContent = box.checked ? "on" : "off"; set(box.checked); } });
  box.checked = value === true;
  const word = el("span", { class: "soft" }, value ? "on" : "off");
  return el("label", { class: "check" }, box, word);
}

function choice(setting, value, id, set) {
  const none = setting.nullable ? [el("option", { value: "" }, "none")] : [];
  const chosen = el("select", { "aria-labelledby": `${id}-name`, onchange: () => set(chosen.value === "" ? null : chosen.value) },
    ...none, ...setting.options.map((o) => el("option", { value: o }, o)));
  chosen.value = value ?? "";
  return chosen;
}

function entries(setting, value, id, set) {
  const boxes = setting.options.map((name) => {
    const box = el("input", { type: "checkbox", value: name, onchange: send });
    box.checked = (value ?? []).includes(name);
    return box;
  });
  const note = el("span", { class: "soft" });
  const say = () => { note.textContent = boxes.some((b) => b.checked) ? "" : "all that it applies to"; };
  function send() {
    const chosen = boxes.filter((b) => b.checked).map((b) => b.value);
    say();
    set(chosen.length || !setting.nullable ? chosen : null);
  }
  say();
  return el("div", { class: "chips" }, ...boxes.map((b) => el("label", { class: "check" }, b, el("span", {}, b.value))), note);
}

function text(setting, value, id, set) {
  const box = el("input", { type: "text", "aria-labelledby": `${id}-name`, onchange: () => set(box.value === "" && setting.nullable ? null : box.value) });
  box.value = value ?? "";
  return box;
}

function json(setting, value, id, set) {
  const box = el("textarea", { "aria-labelledby": `${id}-name`, spellcheck: "false", onchange: () => {
    try {
      set(JSON.parse(box.value));
    } catch (error) {
      const place = document.getElementById(`${id}-error`);
      place.textContent = `This is no JSON: ${error.message}.`;
      place.hidden = false;
    }
  } });
  box.value = JSON.stringify(value, null, 1).replace(/\n\s*(?=[-\d\]])/g, " ");
  return box;
}
