// The process behind tests/peers/modbus_servers.py for modbus-serial: one unit, over TCP or on a serial port.
// Its first line of input is the memory as JSON; it answers with the port and serves until it is killed.
// NODE_PATH says where the package is.
"use strict";
const { ServerSerial, ServerTCP } = require("modbus-serial");

const say = (port) => process.stdout.write(JSON.stringify({ port }) + "\n");

function serve({ unit, tables, refuse, path, baud }) {
    const fetch = (table) => (addr) => {
        const code = table === "holding" ? refuse[addr] : undefined;
        if (code !== undefined) throw { modbusErrorCode: code };
        if (addr >= tables[table].length) throw { modbusErrorCode: 2 };
        return tables[table][addr];
    };
    const memory = {
        getCoil: fetch("coil"),
        getDiscreteInput: fetch("discrete"),
        getHoldingRegister: fetch("holding"),
        getInputRegister: fetch("input"),
    };
    if (path) {
        const server = new ServerSerial(memory, { path, baudRate: baud, unitID: unit, interval: 5 });
        server.on("initialized", () => say(0));
        return;
    }
    // a text, as it takes a number 0 for none and would listen on port 502
    const server = new ServerTCP(memory, { host: "127.0.0.1", port: "0", unitID: unit });
    server.on("initialized", () => say(server._server.address().port));
}

require("readline").createInterface({ input: process.stdin }).once("line", (line) => serve(JSON.parse(line)));
