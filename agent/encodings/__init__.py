"""One module per encoding: how cleared records become MQTT messages for a recipient's platform."""
