// An example: prints each new message of a city once, as JSON lines, and asks for what is missing.
//
//     node listen.mjs HOST PORT [SECONDS OF PATIENCE]
//
// It wants the package mqtt 5. Numbers are kept in memory only: a real loader stores consumer.state.

import { createRequire } from 'node:module'
import { Consumer } from './consumer.mjs'

const { connect } = createRequire(import.meta.url)('mqtt')
const [host, port, patience = '30'] = process.argv.slice(2)
const consumer = new Consumer({}, Number(patience), 60)
const client = connect(`mqtt://${host}:${port}`, { protocolVersion: 5, clean: true, reconnectPeriod: 1000 })

client.on('connect', () => {
  client.subscribe('citygate/1/#', { qos: 1 }, () => console.log(JSON.stringify({ connected: true })))
})
client.on('message', (topic, payload) => {
  if (topic.includes('/c/')) return // a command of ours, on a broker without an access list
  const body = consumer.take(topic, payload)
  if (body !== null) console.log(JSON.stringify({ topic, body }))
})
client.on('error', () => {}) // it tries again by itself
setInterval(() => {
  for (const { topic, payload } of consumer.wishes(Date.now() / 1000)) {
    if (client.connected) client.publish(topic, payload, { qos: 1 })
  }
}, 1000)
