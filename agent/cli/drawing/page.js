// Puts the page together: what is drawn by pointer and by key, what was pasted, and the TOML that comes out.

const $ = (id) => document.getElementById(id);
const STEP = 0.005;
const FAR = 0.05;
const SNAP = 24; // CSS pixels: a click so near to the first corner closes an outline

const state = {
  still: null, // its size
  url: "",
  picture: null, // what the TOML was drawn over
  items: [],
  chosen: -1,
  tool: "move",
  draft: [],
  hover: null, // where the pointer is meanwhile
  given: null, // what was pasted
  base: [],
  past: [],
  saved: "",
  remember() {
    const now = JSON.stringify([state.items, state.picture]);
    if (state.past.at(-1) !== now) state.past.push(now);
    if (state.past.length > 200) state.past.shift();
  },
};

const stage = new Stage($("stage"), state);
const list = new List($("list"), state, changed);
const stills = new Stills(onStill, (text) => { $("told-still").textContent = text; });

function changed(anew) {
  if (anew) {
    state.chosen = Math.min(state.chosen, state.items.length - 1);
    list.draw();
  }
  list.numbers();
  stage.draw();
  write();
  $("undo").disabled = !state.past.length;
  $("done").hidden = state.draft.length < 3;
}

function onStill(url, size) {
  [state.url, state.still] = [url, size];
  $("told-still").textContent = `The still is ${size[0]} x ${size[1]}.`;
  if (!state.items.length || !isOdd(state.picture, size)) state.picture = size;
  changed(false);
}

function write() {
  const faults = faultsOf(state.items);
  const doubts = doubtsOf(state.items);
  const odd = isOdd(state.picture, state.still);
  $("odd").hidden = !odd;
  $("odd-text").textContent = odd ? `Fault: the drawing was made over ${state.picture.join(" x ")}, and this still is `
    + `${state.still.join(" x ")}: another shape. A camera that shows one cannot be counted with lines for the other. `
    + "Open a still of the right stream, or move everything to where it belongs and say so." : "";
  let text = "";
  try {
    if (!state.given && !NAME.test($("link").value)) throw new Error("the link needs a name of lower-case letters, digits and hyphens");
    if (!state.items.length) throw new Error("nothing is drawn: a camera needs a line, a zone or a bay");
    text = state.given ? merged(state.given, state.base, state.items, state.picture)
      : linkOf({ link: $("link").value, source: $("source").value, model: $("model").value }, state.items, state.picture);
  } catch (error) {
    faults.push({ text: error.message });
  }
  if (odd) faults.push({ text: "the still has another shape than the picture that was drawn over" });
  $("faults").replaceChildren(
    ...faults.map((one) => element("p", { className: "fault" }, one.text)),
    ...doubts.map((one) => element("p", { className: "doubt" }, one)));
  state.items.forEach((item, place) => {
    const field = $(`i${place}-name`);
    if (field) field.ariaInvalid = String(faults.some((one) => one.item === item && /name/.test(one.text)));
  });
  $("toml").value = faults.length ? "" : text;
  $("copy").disabled = $("save").disabled = faults.length > 0;
  $("head").hidden = Boolean(state.given);
}

// --- drawing

function add(kind, spots) {
  state.remember();
  let number = 1;
  while (state.items.some((one) => one.name === `${KINDS[kind]}-${number}`)) number++;
  state.items.push({ kind, name: `${KINDS[kind]}-${number}`, label: "", classes: ["person"], spots, notes: [] });
  state.chosen = state.items.length - 1;
  state.draft = [];
  use("move");
  changed(true);
}

function use(tool) {
  state.tool = tool;
  state.draft = [];
  document.querySelector(`[name=tool][value=${tool}]`).checked = true;
  $("advice").textContent = {
    move: "",
    lines: "Click where it begins, then where it ends; or draw it in one go.",
    zones: "Click its corners in order; click the first one again to close it.",
    bays: "Click its corners in order; click the first one again to close it.",
  }[tool];
}

let drag = null;

$("stage").addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  const { item, corner } = event.target.dataset;
  if (state.tool === "move") {
    if (item === undefined) return;
    event.preventDefault();
    state.remember();
    state.chosen = Number(item);
    drag = { item: state.items[item], corner, last: stage.spot(event) };
    $("stage").setPointerCapture(event.pointerId);
    changed(true);
    document.querySelector(`[data-grip="${item}.${corner ?? 0}"]`)?.focus();
    return;
  }
  event.preventDefault();
  $("stage").setPointerCapture(event.pointerId);
  const spot = stage.spot(event);
  if (state.tool !== "lines" && closes(event)) return add(state.tool, state.draft);
  state.draft.push(spot);
  state.hover = null;
  drag = { from: spot };
  changed(false);
  if (state.tool === "lines" && state.draft.length === 2) add("lines", state.draft);
});

$("stage").addEventListener("pointermove", (event) => {
  const spot = stage.spot(event);
  if (state.draft.length) {
    state.hover = spot;
    stage.draw();
  }
  if (drag?.item) follow(spot);
});

function follow(spot) {
  if (drag.corner !== undefined) drag.item.spots[drag.corner] = spot;
  else shift(drag.item, spot[0] - drag.last[0], spot[1] - drag.last[1]);
  drag.last = spot;
  changed(false);
}

$("stage").addEventListener("pointerup", (event) => {
  const spot = stage.spot(event);
  if (drag?.item) follow(spot);
  const begun = drag;
  drag = null;
  if (!begun?.from || state.tool !== "lines" || state.draft.length !== 1) return;
  if (Math.hypot(spot[0] - begun.from[0], spot[1] - begun.from[1]) > 0.03) add("lines", [begun.from, spot]);
});

$("stage").addEventListener("pointercancel", () => { drag = null; });

/** Say whether a click is at the first corner of the outline that is being drawn. */
function closes(event) {
  if (state.draft.length < 3) return false;
  const box = $("stage").getBoundingClientRect();
  const [x, y] = state.draft[0];
  return Math.hypot(event.clientX - box.left - x * box.width, event.clientY - box.top - y * box.height) < SNAP;
}

/** Move a whole figure, as far as it stays within the picture. */
function shift(item, dx, dy) {
  const room = (axis, by) => {
    const all = item.spots.map((one) => one[axis]);
    return Math.min(1 - Math.max(...all), Math.max(-Math.min(...all), by));
  };
  const [x, y] = [room(0, dx), room(1, dy)];
  item.spots = item.spots.map((one) => [rounded(one[0] + x), rounded(one[1] + y)]);
}

$("stage").addEventListener("keydown", (event) => {
  const { item, corner } = event.target.dataset;
  if (item === undefined) return;
  const one = state.items[item];
  const by = event.shiftKey ? FAR : STEP;
  const way = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[event.key];
  if (way) {
    state.remember();
    one.spots[corner] = one.spots[corner].map((x, axis) => rounded(Math.min(1, Math.max(0, x + way[axis]))));
  } else if (event.key === "Delete" || event.key === "Backspace") {
    state.remember();
    if (one.kind !== "lines" && one.spots.length > 3) one.spots.splice(corner, 1);
    else state.items.splice(item, 1);
  } else return;
  event.preventDefault();
  state.chosen = Math.min(Number(item), state.items.length - 1);
  changed(!way);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    use("move");
    changed(false);
  } else if (event.key === "Enter" && state.draft.length > 2 && event.target.tagName !== "BUTTON") add(state.tool, state.draft);
  else if (event.key === "z" && (event.ctrlKey || event.metaKey) && !/INPUT|TEXTAREA/.test(event.target.tagName)) undo();
});

function undo() {
  const now = JSON.stringify([state.items, state.picture]);
  let before = state.past.pop();
  while (before === now) before = state.past.pop();
  if (before === undefined) return changed(false);
  [state.items, state.picture] = JSON.parse(before);
  state.draft = [];
  changed(true);
}

for (const one of document.querySelectorAll("[name=tool]")) {
  one.addEventListener("change", () => { use(one.value); changed(false); });
}
for (const one of document.querySelectorAll("[data-add]")) {
  const spots = { lines: [[0.5, 0.8], [0.5, 0.2]] };
  const area = [[0.35, 0.4], [0.65, 0.4], [0.65, 0.7], [0.35, 0.7]];
  one.addEventListener("click", () => {
    add(one.dataset.add, structuredClone(spots[one.dataset.add] ?? area));
    $(`i${state.chosen}-name`).focus();
  });
}
$("undo").addEventListener("click", undo);
$("done").addEventListener("click", () => add(state.tool, state.draft));
$("adopt").addEventListener("click", () => {
  state.remember();
  state.picture = state.still;
  changed(false);
});

// --- TOML

let read = null;

function look() {
  try {
    read = readToml($("given").value.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n"));
    const cameras = camerasOf(read.tree);
    $("which").replaceChildren(...cameras.map((one) => new Option(one.at(-1) ?? "lines alone", JSON.stringify(one))));
    $("told-given").textContent = cameras.length ? "" : "There is no camera in it, and no lines.";
  } catch (error) {
    if (!(error instanceof TomlFault)) throw error;
    read = null;
    $("which").replaceChildren();
    $("told-given").textContent = `This is no TOML: ${error.message}.`;
  }
  $("which").disabled = $("which").options.length < 2;
}

function take() {
  if (!read || !$("which").options.length) return;
  try {
    const base = JSON.parse($("which").value);
    const table = tableAt(read.tree, base);
    const items = itemsOf(table);
    keepNotes(read, base, items);
    state.remember();
    [state.given, state.base, state.items, state.picture] = [read, base, items, pictureOf(table) ?? state.still];
    state.chosen = items.length ? 0 : -1;
    $("told-given").textContent = `Taken over: ${items.map((one) => one.name).join(", ") || "nothing is drawn in it yet"}.`;
    changed(true);
  } catch (error) {
    $("told-given").textContent = `This cannot be drawn: ${error.message}.`;
  }
}

$("given").addEventListener("input", look);
$("take").addEventListener("click", take);
$("open").addEventListener("change", async (event) => {
  if (!event.target.files[0]) return;
  $("given").value = await event.target.files[0].text();
  look();
});
for (const id of ["link", "source", "model"]) $(id).addEventListener("input", write);

$("copy").addEventListener("click", async () => {
  $("toml").select();
  try {
    await navigator.clipboard.writeText($("toml").value);
  } catch {
    document.execCommand("copy"); // older browsers lend the clipboard to no page from a file
  }
  saved("Copied.");
});
$("save").addEventListener("click", () => {
  const name = state.given ? "site.toml" : `${$("link").value}.toml`;
  const url = URL.createObjectURL(new Blob([$("toml").value], { type: "text/plain" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  saved(`Downloaded as ${name}.`);
});

function saved(text) {
  state.saved = $("toml").value;
  $("told-toml").textContent = text;
}

window.addEventListener("beforeunload", (event) => {
  if (state.items.length && $("toml").value !== state.saved) event.preventDefault();
});
new ResizeObserver(() => stage.draw()).observe($("frame"));
changed(true);
