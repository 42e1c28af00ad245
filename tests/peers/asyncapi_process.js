// The process behind tests/peers/foreign.py: judges AsyncAPI documents with the project's own parser.
// Each line of input is a document, each line of output its errors. NODE_PATH says where the package is.
"use strict";
const { Parser } = require("@asyncapi/parser");

const parser = new Parser();
const lines = require("readline").createInterface({ input: process.stdin });
let last = Promise.resolve();
lines.on("line", (line) => {
    last = last.then(async () => {
        const { document, diagnostics } = await parser.parse(line);
        const errors = diagnostics.filter((one) => one.severity === 0).map((one) => `${one.path.join("/")}: ${one.message}`);
        if (!document && errors.length === 0) errors.push("no document");
        process.stdout.write(JSON.stringify(errors) + "\n");
    });
});
