// The process behind tests/peers/modbus_servers.py for jsmodbus: any unit, over TCP or on a serial port.
// Its first line of input is the memory as JSON; it answers with the port and serves until it is killed.
// NODE_PATH says where the package is.
"use strict";
const jsmodbus = require("jsmodbus");

const say = (port) => process.stdout.write(JSON.stringify({ port }) + "\n");

function words(values) {
    const buffer = Buffer.alloc(2 * values.length);
    values.forEach((value, i) => buffer.writeUInt16BE(value, 2 * i));
    return buffer;
}

function bits(values) {
    const buffer = Buffer.alloc(Math.ceil(values.length / 8));
    values.forEach((value, i) => { buffer[i >> 3] |= value << (i & 7); });
    return buffer;
}

function serve({ tables, path, baud }) {
    const memory = {
        coils: bits(tables.coil),
        discrete: bits(tables.discrete),
        holding: words(tables.holding),
        input: words(tables.input),
    };
    if (path) {
        const { SerialPort } = require("serialport");
        const port = new SerialPort({ path, baudRate: baud }, () => say(0));
        new jsmodbus.server.RTU(port, memory);
        return;
    }
    const listener = require("net").createServer();
    new jsmodbus.server.TCP(listener, memory);
    listener.listen(0, "127.0.0.1", () => say(listener.address().port));
}

require("readline").createInterface({ input: process.stdin }).once("line", (line) => serve(JSON.parse(line)));
