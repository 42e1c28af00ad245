// An MQTT 3.1.1 broker of yet another make, on loopback: `node aedes_process.js PORT`.
const net = require('net')
const { Aedes } = require('aedes')

Aedes.createBroker().then((broker) => {
  net.createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1')
})
