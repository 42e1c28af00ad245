// The process behind tests/peers/foreign.py: decodes Sparkplug B with Eclipse Tahu's own library.
// Each line of input is a payload in hex, each line of output what was read. NODE_PATH says where the package is.
"use strict";
const sparkplug = require("sparkplug-payload").get("spBv1.0");

const plain = (_, value) =>
    value !== null && typeof value === "object" && typeof value.toNumber === "function" ? value.toNumber() :
        typeof value === "bigint" ? Number(value) : value;

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
    process.stdout.write(JSON.stringify(sparkplug.decodePayload(Buffer.from(line, "hex")), plain) + "\n");
});
