// Keeps the numbering of native citygate messages: drops repetitions, finds holes, asks for what is missing.
// It needs nothing but Node, does no I/O and no timing of its own. `state` is plain values: store it as JSON
// beside the data, and give it back after a restart.

import { gunzipSync } from 'node:zlib'

const MOST = 10000 // numbers of one command, and commands, that a gateway takes
const AT_ONCE = 4

export class Consumer {
  // All gateways of a city, in `state`: gateway -> lid, and product -> epoch -> what is seen and lost.
  // patience, pause: seconds before a hole is asked for, and until it is asked for anew.
  constructor (state = {}, patience = 30, pause = 300) {
    Object.assign(this, { state, patience, pause, due: new Map() })
  }

  // Gives the body of a message that is new; null if it was here before, or is empty.
  take (topic, payload) {
    if (!payload.length || !topic.includes('/')) return null
    const body = JSON.parse(payload[0] === 0x1f && payload[1] === 0x8b ? gunzipSync(payload) : payload)
    const levels = topic.split('/')
    const [name, channel, product] = [levels.slice(0, 5).join('/'), levels[5], levels[6] ?? '']
    const gateway = (this.state[name] ??= { lid: '', products: {} })
    if ('lid' in body && 'sb'.includes(channel)) {
      if (gateway.lid && gateway.lid !== body.lid) gateway.products = {} // its numbers begin anew
      gateway.lid = body.lid
    }
    if (body.k === 'answer') {
      for (const [first, last] of body.gone ?? []) {
        add(epochOf(gateway.products[body.of.product] ?? {}, body.of.e).lost, first, last)
      }
    } else if ('dr'.includes(channel) && product && 's' in body) {
      return this.#number(gateway.products[product] ??= {}, body)
    }
    return body
  }

  #number (epochs, body) {
    const isFirst = Object.keys(epochs).length === 0
    const run = epochOf(epochs, body.e)
    if (isFirst && body.s > 1) add(run.lost, 1, body.s - 1) // before our time; taken if it comes
    if (run.seen.some(([first, last]) => first <= body.s && body.s <= last)) return null
    add(run.seen, body.s, body.s)
    const oldest = Math.min(...Object.keys(epochs).map(Number))
    if (body.prev && body.prev.e >= oldest) {
      const before = epochOf(epochs, body.prev.e)
      before.last = Math.max(before.last, body.prev.last)
    }
    for (const loss of body.lost ?? []) {
      if (loss.to !== null && loss.e >= oldest) add(epochOf(epochs, loss.e).lost, loss.from, loss.to)
    }
    return body
  }

  // Gives {name, product, epoch, found: [[first, last], ...]} of what is neither here nor declared lost.
  * holes () {
    for (const [name, gateway] of Object.entries(this.state)) {
      for (const [product, epochs] of Object.entries(gateway.products)) {
        for (const [epoch, run] of Object.entries(epochs)) {
          const settled = [...run.seen, ...run.lost].sort(([a], [b]) => a - b)
          const end = Math.max(run.last, ...settled.map(([, last]) => last))
          const found = []
          let at = 1
          for (const [first, last] of [...settled, [end + 1, 0]]) {
            if (first > at) found.push([at, first - 1])
            at = Math.max(at, last + 1)
          }
          if (found.length) yield { name, product, epoch: Number(epoch), found }
        }
      }
    }
  }

  // Gives commands {topic, payload} for holes that nothing has filled for a while; now in seconds.
  wishes (now) {
    const holes = new Map([...this.holes()].map((one) => [`${one.name} ${one.product} ${one.epoch}`, one]))
    this.due = new Map([...holes.keys()].map((key) => [key, this.due.get(key) ?? now + this.patience]))
    const ripe = [...this.due].filter(([, due]) => due <= now).slice(0, AT_ONCE)
    return ripe.map(([key]) => {
      this.due.set(key, now + this.pause)
      const { name, product, epoch, found } = holes.get(key)
      const [from, last] = [found[0][0], found.at(-1)[1]]
      const to = Math.min(last, from + MOST - 1)
      const wish = { v: 1, k: 'replay', lid: this.state[name].lid, product, e: epoch, from, to }
      return { topic: `${name}/c/replay`, payload: JSON.stringify(wish) }
    })
  }
}

const epochOf = (epochs, epoch) => (epochs[epoch] ??= { seen: [], lost: [], last: 0 })

// Adds numbers to stretches, which stay sorted and apart.
function add (stretches, first, last) {
  const near = stretches.filter(([a, b]) => a <= last + 1 && b >= first - 1)
  const rest = stretches.filter((one) => !near.includes(one))
  const merged = [Math.min(first, ...near.map(([a]) => a)), Math.max(last, ...near.map(([, b]) => b))]
  stretches.splice(0, stretches.length, ...[...rest, merged].sort(([a], [b]) => a - b))
}
