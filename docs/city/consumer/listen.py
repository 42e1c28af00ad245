"""An example: prints each new message of a city once, as JSON lines, and asks for what is missing.

    python listen.py HOST PORT [SECONDS OF PATIENCE]

It wants paho-mqtt 2. Numbers are kept in memory only: a real loader stores ``consumer.state`` with its data.
"""

import json
import sys
import threading
import time

import paho.mqtt.client as mqtt
from consumer import Consumer

consumer = Consumer(patience=float(sys.argv[3]) if len(sys.argv) > 3 else 30.0, pause=60.0)
turn = threading.Lock()  # paho calls from a thread of its own


def welcome(client, *_):
    """Subscribe anew at each connection."""
    client.subscribe("citygate/1/#", qos=1)
    print(json.dumps({"connected": True}), flush=True)


def take(_, __, message):
    """Print what is new."""
    if "/c/" in message.topic:
        return  # a command of ours, on a broker without an access list
    with turn:
        body = consumer.take(message.topic, message.payload)
    if body is not None:
        print(json.dumps({"topic": message.topic, "body": body}), flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.on_connect, client.on_message = welcome, take
client.connect(sys.argv[1], int(sys.argv[2]))
client.loop_start()
while True:
    time.sleep(1.0)
    with turn:
        wishes = list(consumer.wishes(time.monotonic()))
    for topic, payload in wishes:
        client.publish(topic, payload, qos=1)
