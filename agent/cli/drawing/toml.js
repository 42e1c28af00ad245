// Reads TOML and remembers where each statement stands, so that a file can be given back with all else as it was.
// A date is passed over as the word that it is.

class TomlFault extends Error {
  constructor(text, at, message) {
    const before = text.slice(0, at).split("\n");
    super(`line ${before.length}, column ${before.at(-1).length + 1}: ${message}`);
  }
}

const ESCAPES = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", e: "\x1b", '"': '"', "\\": "\\" };

/** Give the statements of *text* in order, and the tables that they make. */
function readToml(text) {
  const reader = new TomlReader(text);
  const statements = [];
  const tree = Object.create(null);
  let table = [];
  let into = tree;
  while (reader.at < text.length) {
    const one = reader.statement();
    if (one.kind === "table" || one.kind === "array") {
      table = one.path = one.key;
      into = reader.open(tree, one);
    } else if (one.kind === "pair") {
      one.path = [...table, ...one.key];
      reader.put(into, one);
    }
    one.table = table;
    statements.push(one);
  }
  return { text, statements, tree };
}

class TomlReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.inner = []; // comments between the brackets of a value
  }

  fault(message, at = this.at) {
    return new TomlFault(this.text, at, message);
  }

  /** Take one statement with its whole lines. */
  statement() {
    const start = this.at;
    const one = { kind: "blank", start, note: "", inner: [] };
    this.inner = one.inner;
    this.match(/[ \t]*/y);
    if (this.peek("[")) {
      one.kind = this.match(/\[\[/y) ? "array" : (this.at++, "table");
      one.key = this.key();
      if (!this.match(one.kind === "array" ? /[ \t]*\]\]/y : /[ \t]*\]/y)) throw this.fault('a "]" is missing');
    } else if (!this.peek("#") && !this.peek("\n") && this.at < this.text.length) {
      one.kind = "pair";
      one.at = this.at;
      one.key = this.key();
      one.words = this.text.slice(one.at, this.at).trim();
      if (!this.match(/[ \t]*=[ \t]*/y)) throw this.fault('a "=" is missing');
      one.value = this.value();
    }
    one.note = this.match(/[ \t]*(#[^\n]*)?/y).trim();
    if (this.at < this.text.length && !this.match(/\n/y)) throw this.fault("there is something more in this line");
    one.end = this.at;
    return one;
  }

  key() {
    const path = [];
    do {
      this.match(/[ \t]*/y);
      const bare = this.match(/[A-Za-z0-9_-]+/y);
      if (bare) path.push(bare);
      else if (this.peek('"') || this.peek("'")) path.push(this.string());
      else throw this.fault("a name is missing");
    } while (this.match(/[ \t]*\./y));
    return path;
  }

  value() {
    if (this.peek('"') || this.peek("'")) return this.string();
    if (this.match(/\[/y)) return this.list();
    if (this.match(/\{/y)) return this.inline();
    const word = this.match(/[^\s,\]}#]+( \d\d:[\d:.]+\S*)?/y);
    if (word === "true" || word === "false") return word === "true";
    const plain = word.replaceAll("_", "");
    if (/^[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(plain)) return Number(plain);
    if (/^0(x[0-9A-Fa-f]+|o[0-7]+|b[01]+)$/.test(plain)) return Number(plain);
    if (/^(\d{4}-\d\d-\d\d|\d\d:\d\d|[+-]?(inf|nan)$)/.test(word)) return { word };
    throw this.fault(`"${word}" is no value`, this.at - word.length);
  }

  string() {
    const start = this.at;
    const basic = this.match(/"""\n?([^"\\]|\\[^]|"{1,2}(?!"))*("{3,5})/y);
    if (basic) return unescaped(basic.replace(/^"""\n?|"""$/g, "").replace(/\\[ \t]*\n\s*/g, ""), this, start);
    const literal = this.match(/'''\n?[^]*?'{3,5}/y);
    if (literal) return literal.replace(/^'''\n?|'''$/g, "");
    const short = this.match(/"([^"\\\n]|\\[^\n])*"/y);
    if (short) return unescaped(short.slice(1, -1), this, start);
    const plain = this.match(/'[^'\n]*'/y);
    if (plain) return plain.slice(1, -1);
    throw this.fault("this text does not end");
  }

  list() {
    const found = [];
    for (;;) {
      this.rest();
      if (this.match(/\]/y)) return found;
      if (this.at >= this.text.length) throw this.fault('a "]" is missing');
      found.push(this.value());
      this.rest();
      if (!this.match(/,/y) && !this.peek("]")) throw this.fault('a "," or "]" is missing');
    }
  }

  inline() {
    const found = Object.create(null);
    for (;;) {
      this.rest();
      if (this.match(/\}/y)) return found;
      const at = this.at;
      const key = this.key();
      if (!this.match(/[ \t]*=[ \t]*/y)) throw this.fault('a "=" is missing');
      this.put(found, { key, value: this.value(), start: at });
      this.rest();
      if (!this.match(/,/y) && !this.peek("}")) throw this.fault('a "," or "}" is missing');
    }
  }

  /** Give the table that a head opens. */
  open(tree, one) {
    const last = one.key.at(-1);
    const above = this.walk(tree, one.key.slice(0, -1), one.start);
    if (one.kind === "array") {
      above[last] ??= [];
      if (!Array.isArray(above[last])) throw this.fault(`"${last}" is there already`, one.start);
      above[last].push(Object.create(null));
      return above[last].at(-1);
    }
    return this.walk(above, [last], one.start);
  }

  put(into, one) {
    const above = this.walk(into, one.key.slice(0, -1), one.start);
    const last = one.key.at(-1);
    if (last in above) throw this.fault(`"${last}" is there already`, one.start);
    above[last] = one.value;
  }

  walk(tree, path, at) {
    let here = tree;
    for (const name of path) {
      here[name] ??= Object.create(null);
      here = Array.isArray(here[name]) ? here[name].at(-1) : here[name];
      if (!isTable(here)) throw this.fault(`"${name}" is there already, and is no table`, at);
    }
    return here;
  }

  /** Pass over empty space and comments between brackets. */
  rest() {
    const passed = this.match(/(\s|#[^\n]*)*/y);
    this.inner.push(...(passed.match(/#[^\n]*/g) ?? []));
  }

  peek(sign) {
    return this.text.startsWith(sign, this.at);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return "";
    this.at += found[0].length;
    return found[0];
  }
}

function isTable(value) {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;
}

function unescaped(text, reader, at) {
  return text.replace(/\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[^])/g, (all, code) => {
    if (code in ESCAPES) return ESCAPES[code];
    const number = code.length > 1 ? parseInt(code.slice(1), 16) : NaN;
    if (!(number <= 0x10ffff)) throw reader.fault(`"${all}" means nothing in a text`, at);
    return String.fromCodePoint(number);
  });
}

function tomlText(value) {
  const whole = value.replace(/[\ud800-\udfff]/gu, "\ufffd");
  return JSON.stringify(whole).replace(/\x7f/g, "\\u007f");
}

function tomlKey(name) {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : tomlText(name);
}

function tomlShare(value) {
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}
