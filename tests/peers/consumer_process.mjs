// Drives the consumer's library of docs/city/consumer: one call a line on standard input, one answer a line.
import { createInterface } from 'node:readline'

const { Consumer } = await import(process.argv[2])
let consumer = new Consumer()
for await (const line of createInterface({ input: process.stdin })) {
  const { call, topic, body, now } = JSON.parse(line)
  let said = null
  if (call === 'new') consumer = new Consumer()
  if (call === 'take') said = consumer.take(topic, Buffer.from(body, 'base64'))
  if (call === 'holes') said = [...consumer.holes()].map((one) => [one.name, one.product, one.epoch, one.found])
  if (call === 'wishes') said = consumer.wishes(now).map(({ topic, payload }) => [topic, JSON.parse(payload)])
  if (call === 'state') said = consumer.state
  console.log(JSON.stringify(said))
}
