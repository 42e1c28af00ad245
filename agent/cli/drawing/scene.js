// What is drawn: read from a camera's tables, looked over as the gateway will, and written back.
// CLASSES and ODD come from the gateway's own code, by way of the command that makes this page.

const KINDS = { lines: "line", zones: "zone", bays: "bay" };
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const SAME = 1e-6;
const EDGE = 0.05; // of the picture: a line wholly within it sees nobody come

/** List the places of *tree* that may hold drawings, each as a path. */
function camerasOf(tree) {
  const found = Object.keys(KINDS).some((kind) => kind in tree) ? [[]] : [];
  const links = isTable(tree.link) ? tree.link : {};
  for (const [name, one] of Object.entries(links)) {
    if (isTable(one) && (one.driver === "camera" || Object.keys(KINDS).some((kind) => kind in one))) {
      found.push(["link", name]);
    }
  }
  return found;
}

function tableAt(tree, path) {
  return path.reduce((here, name) => here[name], tree);
}

/** Give what is drawn in *table*; throw a sentence about what cannot be drawn. */
function itemsOf(table) {
  return Object.keys(KINDS).flatMap((kind) =>
    Object.entries(table[kind] ?? {}).map(([name, one]) => itemOf(kind, name, one))
  );
}

function itemOf(kind, name, table) {
  const what = `${KINDS[kind]} ${name}`;
  if (!isTable(table)) throw new Error(`${what} is no table`);
  const known = kind === "lines" ? ["from", "to", "classes", "label"] : ["corners", "classes", "label"];
  if (kind === "bays") known.splice(1, 1);
  const odd = Object.keys(table).find((key) => !known.includes(key));
  if (odd) throw new Error(`${what} has "${odd}"; known are: ${known.join(", ")}`);
  const spots = kind === "lines" ? [table.from, table.to] : table.corners;
  const good = (spot) => Array.isArray(spot) && spot.length === 2 && spot.every((x) => x >= 0 && x <= 1);
  if (!Array.isArray(spots) || !spots.every(good)) {
    const keys = kind === "lines" ? '"from" and "to"' : '"corners"';
    throw new Error(`${what} needs ${keys}, each spot as [x, y] from 0 to 1`);
  }
  const classes = table.classes ?? ["person"];
  const alien = Array.isArray(classes) ? classes.find((one) => !CLASSES.includes(one)) : "classes";
  if (alien !== undefined) throw new Error(`${what}: "${alien}" is none of ${CLASSES.join(", ")}`);
  return { kind, name, label: String(table.label ?? ""), classes: [...classes], spots: spots.map((s) => [...s]), notes: [] };
}

function pictureOf(table) {
  const given = table.picture;
  return Array.isArray(given) && given.length === 2 && given.every((x) => x >= 1) ? [...given] : null;
}

function isOdd(one, other) {
  return Boolean(one && other) && Math.abs((one[0] / one[1] / (other[0] / other[1])) - 1) > ODD;
}

/** Say what the gateway would refuse, as pairs of an item and a sentence. */
function faultsOf(items) {
  const found = [];
  const names = items.map((one) => one.name);
  items.forEach((item, place) => {
    const say = (text) => found.push({ item, text: `${KINDS[item.kind]} ${item.name || "without a name"}: ${text}` });
    if (!NAME.test(item.name)) say("a name is made of lower-case letters, digits and hyphens");
    else if (names.indexOf(item.name) !== place) say("another one has this name already");
    if (item.kind !== "bays" && !item.classes.length) say("nothing is chosen to be counted");
    if (item.kind === "lines") {
      const [[a, b], [c, d]] = item.spots;
      if (Math.abs(a - c) + Math.abs(b - d) < SAME) say("a line needs two different ends");
    } else if (item.spots.length < 3) say("an outline needs three corners or more");
    else if (crossesItself(item.spots)) say("the outline crosses itself: put the corners in order");
    else if (Math.abs(areaOf(item.spots)) < SAME) say("the corners enclose nothing");
  });
  return found;
}

/** Say what the gateway would take, and a technician should not. */
function doubtsOf(items) {
  return items
    .filter((one) => one.kind === "lines")
    .filter(({ spots }) => [0, 1].some((axis) =>
      spots.every((s) => s[axis] < EDGE) || spots.every((s) => s[axis] > 1 - EDGE)))
    .map((one) => `line ${one.name} lies at the picture's edge: who is first seen beyond it is not counted`);
}

function areaOf(spots) {
  return spots.reduce((sum, [x, y], n) => {
    const [u, v] = spots[(n + 1) % spots.length];
    return sum + (x * v - u * y) / 2;
  }, 0);
}

function crossesItself(spots) {
  const sides = spots.map((one, n) => [one, spots[(n + 1) % spots.length]]);
  const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  const cross = ([a, b], [c, d]) => turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
  return sides.some((one, n) => sides.some((other, m) => m > n + 1 && cross(one, other)));
}

/** Write the tables of what is drawn. */
function tablesOf(items, base) {
  return Object.keys(KINDS).flatMap((kind) => items.filter((one) => one.kind === kind)).map((one) => {
    const spot = ([x, y]) => `[${tomlShare(x)}, ${tomlShare(y)}]`;
    const lines = [...one.notes, `[${[...base, one.kind, one.name].map(tomlKey).join(".")}]`];
    if (one.kind === "lines") lines.push(`from = ${spot(one.spots[0])}`, `to = ${spot(one.spots[1])}`);
    else lines.push(`corners = [${one.spots.map(spot).join(", ")}]`);
    if (one.kind !== "bays") {
      const chosen = CLASSES.filter((name) => one.classes.includes(name));
      lines.push(`classes = [${chosen.map(tomlText).join(", ")}]`);
    }
    if (one.label) lines.push(`label = ${tomlText(one.label)}`);
    return lines.join("\n") + "\n";
  }).join("\n");
}

const pictureLine = (picture) => `picture = [${picture.join(", ")}]\n`;

/** Write a camera's link anew. */
function linkOf(head, items, picture) {
  const base = ["link", head.link];
  const first = [`[${base.map(tomlKey).join(".")}]`, 'driver = "camera"', `source = ${tomlText(head.source)}`,
    `model = ${tomlText(head.model)}`, ""].join("\n");
  return [first + (picture ? pictureLine(picture) : ""), tablesOf(items, base)].join("\n");
}

const begins = (path, base) => base.every((name, n) => path[n] === name);

/** Say whether a statement is about what is drawn at *base*. */
function isDrawn(one, base) {
  return Boolean(one.path) && begins(one.path, base) && one.path[base.length] in KINDS;
}

/** Give comments that stand inside of drawn tables to their items, so that none is lost. */
function keepNotes(given, base, items) {
  const { statements } = given;
  statements.forEach((one, place) => {
    const notes = [...one.inner, one.note].filter(Boolean);
    if (!notes.length || !isInside(statements, place, base)) return;
    const path = one.path ?? one.table;
    const owner = items.find((item) => item.kind === path[base.length] && item.name === path[base.length + 1]);
    (owner ?? items[0])?.notes.push(...notes);
  });
}

/** Say whether a statement goes with the drawn tables: its own, or a comment between two of one table. */
function isInside(statements, place, base) {
  const one = statements[place];
  if (one.path) return isDrawn(one, base);
  const next = statements.slice(place).find((later) => later.path);
  return next?.kind === "pair" && isDrawn(next, base) && begins(one.table, next.table) && isDrawn({ path: one.table }, base);
}

/** Give *given* back with other drawings and another picture; throw a sentence when it is written too tightly. */
function merged(given, base, items, picture) {
  const { text, statements } = given;
  const tight = statements.find((one) => one.kind === "pair" && one.path.length <= base.length && begins(base, one.path));
  if (tight) throw new Error(`"${tight.words}" holds the camera in one line: write it as [${base.join(".")}] first`);
  const own = (one) => one.kind === "pair" && same(one.path, [...base, "picture"]);
  const old = statements.findIndex(own);
  const gone = statements.map((one, place) => place === old || isInside(statements, place, base));
  // empty lines behind what goes, go with it
  statements.forEach((one, n) => { gone[n] ||= isEmpty(one) && n > 0 && gone[n - 1] && n - 1 !== old; });
  const home = Math.max(
    statements.findLastIndex((one, n) => !gone[n] && one.kind === "pair" && same(one.table, base)),
    statements.findIndex((one) => one.kind === "table" && same(one.path, base)),
  );
  const first = statements.findIndex((one, n) => gone[n] && n !== old);
  const slot = statements[first]?.kind === "table" ? first : endOf(statements, Math.max(home, old));
  const line = old < 0 ? picture && pictureLine(picture) : pictureAs(statements[old], picture);
  const tables = tablesOf(items, base);
  const parts = [];
  const put = (part) => parts.push(parts.length && !parts.at(-1).endsWith("\n") ? `\n${part}` : part);
  if (old < 0 && home < 0 && line) put(line);
  for (let n = 0; n <= statements.length; n++) {
    if (n === slot && tables) {
      const above = statements.findLast((one, m) => m < n && !gone[m]);
      if (above && above.kind !== "blank") put("\n");
      put(tables);
      if (statements.some((one, m) => m >= n && !gone[m])) put("\n");
    }
    if (n < statements.length && !gone[n]) put(text.slice(statements[n].start, statements[n].end));
    if (line && n === (old < 0 ? home : old) && n >= 0 && n < statements.length) put(line);
  }
  return parts.join("");
}

const isEmpty = (one) => one.kind === "blank" && !one.note;

/** Write another picture in the words of a statement that is there. */
function pictureAs(one, picture) {
  return picture && `${one.words} = [${picture.join(", ")}]${one.note && `  ${one.note}`}\n`;
}

const same = (one, other) => one.length === other.length && begins(one, other);

/** Give the place behind a table: before the next head, and before the comments above that. */
function endOf(statements, from) {
  let place = statements.findIndex((one, n) => n > from && (one.kind === "table" || one.kind === "array"));
  if (place < 0) return statements.length;
  while (place > from + 1 && statements[place - 1].kind === "blank" && statements[place - 1].note) place--;
  return place;
}
