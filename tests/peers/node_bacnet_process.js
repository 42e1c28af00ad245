// Tries to read, write, restart, silence and disturb a BACnet device with node-bacnet; prints what came of it as JSON.
//
// Runs in a process of its own; its arguments are the device's address and its instance. It is a client in another
// language with a codec of its own.
'use strict'
const Bacnet = require('node-bacnet')

const [address, instance] = [process.argv[2], Number(process.argv[3])]
const client = new Bacnet({ port: 0, interface: '127.0.0.1', apduTimeout: 2000 })
const to = { address }
const device = { type: 8, instance }
const NAME = 77
const text = [{ type: 7, value: 'renamed' }]

const acts = {
  name: (done) => client.readProperty(to, device, NAME, done),
  write: (done) => client.writeProperty(to, device, NAME, text, { priority: 8 }, done),
  restart: (done) => client.reinitializeDevice(to, 0, done),
  silence: (done) => client.deviceCommunicationControl(to, 0, 1, done),
  many: (done) => client.readPropertyMultiple(to, [{ objectId: device, properties: [{ id: NAME }] }], done),
  nameAfterwards: (done) => client.readProperty(to, device, NAME, done)
}

const found = {}
async function run () {
  for (const [word, act] of Object.entries(acts)) {
    found[word] = await new Promise((resolve) => act((error, value) => {
      resolve(error ? `refused: ${error.message}` : value && value.values ? value.values[0].value : 'done')
    }))
  }
  console.log(JSON.stringify(found))
  client.close()
  process.exit(0)
}
run()
