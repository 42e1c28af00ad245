// The picture and what lies over it, as SVG: every end and corner is a handle that a finger or a key can move.

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 1000;
const COLOURS = { lines: "#ffd400", zones: "#4fd8ff", bays: "#ff9fdc" };
const DASHES = { lines: "", zones: "14 7", bays: "4 5" };

function made(name, attributes, ...inside) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  one.append(...inside);
  return one;
}

class Stage {
  constructor(svg, state) {
    this.svg = svg;
    this.state = state;
  }

  get high() {
    const [w, h] = this.state.still ?? this.state.picture ?? [4, 3];
    return (WIDE * h) / w;
  }

  /** How long a CSS pixel is in the drawing. */
  get pixel() {
    return WIDE / (this.svg.clientWidth || WIDE);
  }

  /** Give the spot under a pointer, within the picture. */
  spot(event) {
    const box = this.svg.getBoundingClientRect();
    const within = (x) => rounded(Math.min(1, Math.max(0, x)));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }

  at([x, y]) {
    return [x * WIDE, y * this.high];
  }

  draw() {
    const { state } = this;
    const focused = document.activeElement?.dataset?.grip;
    this.svg.setAttribute("viewBox", `0 0 ${WIDE} ${this.high}`);
    this.svg.classList.toggle("draws", state.tool !== "move");
    this.svg.replaceChildren(...this.backdrop());
    state.items.forEach((item, place) => this.svg.append(this.figure(item, place)));
    if (state.draft.length) this.svg.append(this.sketch());
    if (focused) this.svg.querySelector(`[data-grip="${focused}"]`)?.focus();
  }

  backdrop() {
    if (!this.state.url) return [];
    return [made("image", { href: this.state.url, width: WIDE, height: this.high, preserveAspectRatio: "none" })];
  }

  figure(item, place) {
    const points = item.spots.map((one) => this.at(one));
    const group = made("g", { role: "group", "aria-label": `${KINDS[item.kind]} ${item.name}` });
    const shape = { points: points.map((one) => one.join(",")).join(" "), "data-item": place, "stroke-linejoin": "round" };
    const chosen = place === this.state.chosen;
    const name = item.kind === "lines" ? "polyline" : "polygon";
    const fill = item.kind === "lines" ? "none" : `${COLOURS[item.kind]}33`;
    const thick = (chosen ? 4 : 2.5) * this.pixel;
    group.append(
      made(name, { ...shape, fill, stroke: "#000", "stroke-width": thick + 3 * this.pixel }),
      made(name, { ...shape, fill: "none", stroke: COLOURS[item.kind], "stroke-width": thick,
        "stroke-dasharray": DASHES[item.kind].replace(/\d+/g, (x) => x * this.pixel) }),
    );
    if (item.kind === "lines") group.append(...this.ways(item), ...this.ends(points));
    const where = item.kind === "lines" ? between(...points, 0.75) : middle(points);
    group.append(this.words(item.name, where, 15));
    points.forEach((_, corner) => group.append(this.grip(item, place, corner)));
    return group;
  }

  /** Draw both arrows of a line, with their words. */
  ways({ spots }) {
    const [[a, b], [c, d]] = spots.map((one) => this.at(one));
    const long = Math.hypot(c - a, d - b) || 1;
    // y grows downwards: this points to the left hand of who walks along
    const left = [(d - b) / long, -(c - a) / long];
    return [["to_left", 1], ["to_right", -1]].flatMap(([word, side]) => {
      const reach = (far) => [(a + c) / 2 + side * left[0] * far * this.pixel, (b + d) / 2 + side * left[1] * far * this.pixel];
      const tip = reach(44);
      const wing = (sign) => {
        const back = reach(34);
        return [back[0] + (sign * 6 * this.pixel * (c - a)) / long, back[1] + (sign * 6 * this.pixel * (d - b)) / long];
      };
      const path = `M${reach(14)}L${tip}M${wing(1)}L${tip}L${wing(-1)}`;
      const style = { d: path, fill: "none", "stroke-linecap": "round", "pointer-events": "none" };
      return [
        made("path", { ...style, stroke: "#000", "stroke-width": 6 * this.pixel }),
        made("path", { ...style, stroke: "#fff", "stroke-width": 2.5 * this.pixel, "data-way": word }),
        this.words(word, reach(74), 13),
      ];
    });
  }

  ends(points) {
    return ["from", "to"].map((word, n) => {
      const [x, y] = between(points[n], points[1 - n], (-26 * this.pixel) / (Math.hypot(
        points[0][0] - points[1][0], points[0][1] - points[1][1]) || 1));
      return this.words(word, [x, y + 4 * this.pixel], 13);
    });
  }

  words(text, [x, y], size) {
    const from = Math.min(Math.max(x, 30 * this.pixel), WIDE - 30 * this.pixel);
    return made("text", {
      x: from, y: Math.min(Math.max(y, size * this.pixel), this.high - 4 * this.pixel), "font-size": size * this.pixel,
      "font-family": "system-ui, sans-serif", "font-weight": "bold", "text-anchor": "middle", fill: "#fff", stroke: "#000",
      "stroke-width": 3 * this.pixel, "paint-order": "stroke", "pointer-events": "none",
    }, text);
  }

  grip(item, place, corner) {
    const [x, y] = this.at(item.spots[corner]);
    const end = item.kind === "lines" ? ["from", "to"][corner] : `corner ${corner + 1}`;
    const share = item.spots[corner].map((one) => `${Math.round(one * 100)} %`).join(" across, ");
    const shape = (r, more) => made("circle", { cx: x, cy: y, r: r * this.pixel, ...more });
    const fill = item.kind === "lines" && corner === 1 ? "#fff" : COLOURS[item.kind];
    return made("g", {
      class: "grip", tabindex: 0, role: "button", "data-grip": `${place}.${corner}`, "data-item": place,
      "data-corner": corner, "aria-label": `${item.name}, ${end}: ${share} down`,
    },
    shape(22, { fill: "transparent", "data-item": place, "data-corner": corner }),
    shape(11, { class: "ring", fill: "none", stroke: "#000", "stroke-width": 4 * this.pixel, "pointer-events": "none" }),
    shape(8, { fill, stroke: "#000", "stroke-width": 2 * this.pixel, "pointer-events": "none" }));
  }

  sketch() {
    const { draft, hover } = this.state;
    const points = draft.map((one) => this.at(one));
    const line = [...points, ...(hover ? [this.at(hover)] : [])].map((one) => one.join(",")).join(" ");
    return made("g", { "pointer-events": "none" },
      made("polyline", { points: line, fill: "none", stroke: "#000", "stroke-width": 5 * this.pixel }),
      made("polyline", { points: line, fill: "none", stroke: "#fff", "stroke-width": 2 * this.pixel }),
      ...points.map(([x, y]) => made("circle", { cx: x, cy: y, r: 5 * this.pixel, fill: "#fff", stroke: "#000" })));
  }
}

const rounded = (x) => Number(x.toFixed(4));

function between([a, b], [c, d], share) {
  return [a + (c - a) * share, b + (d - b) * share];
}

function middle(points) {
  const sum = (axis) => points.reduce((all, one) => all + one[axis], 0) / points.length;
  return [sum(0), sum(1)];
}
