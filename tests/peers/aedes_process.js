// A broker of yet another make, on loopback: `node aedes_process.js PORT [web]`; web: within WebSocket, at /mqtt.
const http = require('http')
const net = require('net')
const { Aedes } = require('aedes')

Aedes.createBroker().then((broker) => {
  const port = Number(process.argv[2])
  if (process.argv[3] !== 'web') {
    net.createServer(broker.handle).listen(port, '127.0.0.1')
    return
  }
  const { WebSocketServer, createWebSocketStream } = require('ws')
  const server = http.createServer()
  new WebSocketServer({ server, path: '/mqtt' }).on('connection', (socket, request) => {
    broker.handle(createWebSocketStream(socket), request)
  })
  server.listen(port, '127.0.0.1')
})
