// The same drawing as words and numbers: for names, for exact positions, and for whoever cannot see the picture.

class List {
  /** *changed* is called after every change, with whether what there is has changed, and not only a value. */
  constructor(root, state, changed) {
    this.root = root;
    this.state = state;
    this.changed = changed;
  }

  draw() {
    const focused = document.activeElement?.id;
    this.root.replaceChildren(...this.state.items.map((item, place) => this.item(item, place)));
    if (!this.state.items.length) this.root.append(element("p", {}, "Nothing is drawn yet."));
    if (focused && !document.activeElement?.id) document.getElementById(focused)?.focus();
  }

  /** Put the numbers right while something is dragged. */
  numbers() {
    this.state.items.forEach((item, place) => item.spots.forEach((spot, corner) => spot.forEach((x, axis) => {
      const field = document.getElementById(`i${place}-${corner}-${axis}`);
      if (field && field !== document.activeElement) field.value = x;
    })));
  }

  item(item, place) {
    const box = element("fieldset", { className: place === this.state.chosen ? "chosen" : "" },
      element("legend", {}, `${KINDS[item.kind]} ${item.name}`),
      element("div", { className: "pairs" },
        ...this.field(`i${place}-name`, "Name", { value: item.name }, (value) => { item.name = value; }),
        ...this.field(`i${place}-label`, "Name for people", { value: item.label }, (value) => { item.label = value; })));
    if (item.kind !== "bays") box.append(this.classes(item, place));
    box.append(element("div", { className: "spots" }, ...item.spots.map((_, corner) => this.spot(item, place, corner))));
    const tools = element("div", { className: "tools" });
    if (item.kind === "lines") tools.append(this.button("Swap from and to", `swap-${place}`, () => item.spots.reverse()));
    else tools.append(this.button("Add a corner", `corner-${place}`, () => addCorner(item)));
    tools.append(this.button(`Delete ${item.name}`, `delete-${place}`, () => this.state.items.splice(place, 1), "danger"));
    box.append(tools);
    box.addEventListener("focusin", () => {
      if (this.state.chosen === place) return;
      this.state.chosen = place;
      for (const one of this.root.children) one.classList.toggle("chosen", one === box);
      this.changed(false);
    });
    return box;
  }

  field(id, text, attributes, take) {
    const field = element("input", { id, spellcheck: false, autocapitalize: "off", ...attributes });
    field.addEventListener("change", () => this.changed(true));
    field.addEventListener("input", () => {
      take(field.value);
      this.changed(false);
    });
    field.addEventListener("focus", () => this.state.remember());
    return [element("label", { htmlFor: id }, text), field];
  }

  classes(item, place) {
    const boxes = CLASSES.map((name) => {
      const box = element("input", { type: "checkbox", id: `i${place}-${name}`, checked: item.classes.includes(name) });
      box.addEventListener("change", () => {
        this.state.remember();
        item.classes = CLASSES.filter((one) => (one === name ? box.checked : item.classes.includes(one)));
        this.changed(false);
      });
      return element("label", {}, box, ` ${name}`);
    });
    return element("div", { className: "tools", role: "group", ariaLabel: `What ${item.name} counts` }, ...boxes);
  }

  spot(item, place, corner) {
    const end = item.kind === "lines" ? ["from", "to"][corner] : `corner ${corner + 1}`;
    const fields = ["x", "y"].map((axis, n) => {
      const field = element("input", {
        type: "number", min: 0, max: 1, step: 0.005, id: `i${place}-${corner}-${n}`, value: item.spots[corner][n],
        ariaLabel: `${item.name}, ${end}, ${axis}`,
      });
      field.addEventListener("focus", () => this.state.remember());
      field.addEventListener("input", () => {
        const good = field.value !== "" && field.validity.rangeUnderflow === false && !field.validity.rangeOverflow;
        field.ariaInvalid = String(!good);
        if (good) item.spots[corner][n] = Number(field.value);
        this.changed(false);
      });
      field.addEventListener("change", () => { field.value = item.spots[corner][n]; field.ariaInvalid = "false"; });
      return field;
    });
    const row = element("div", {}, `${end} `, ...fields);
    if (item.kind !== "lines" && item.spots.length > 3) {
      const cut = this.button("−", `cut-${place}-${corner}`, () => item.spots.splice(corner, 1), "quiet");
      cut.ariaLabel = `Take ${end} of ${item.name} away`;
      row.append(cut);
    }
    return row;
  }

  button(text, id, act, kind = "quiet") {
    const one = element("button", { type: "button", id, className: kind }, text);
    one.addEventListener("click", () => {
      this.state.remember();
      act();
      this.changed(true);
    });
    return one;
  }
}

function element(name, properties, ...inside) {
  const one = Object.assign(document.createElement(name), properties);
  if (properties.role) one.setAttribute("role", properties.role);
  one.append(...inside);
  return one;
}

/** Put a corner into the middle of the longest side. */
function addCorner(item) {
  const far = item.spots.map(([x, y], n) => {
    const [u, v] = item.spots[(n + 1) % item.spots.length];
    return Math.hypot(u - x, v - y);
  });
  const n = far.indexOf(Math.max(...far));
  const [a, b] = [item.spots[n], item.spots[(n + 1) % item.spots.length]];
  item.spots.splice(n + 1, 0, [rounded((a[0] + b[0]) / 2), rounded((a[1] + b[1]) / 2)]);
}
