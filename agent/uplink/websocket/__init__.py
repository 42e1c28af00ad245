"""MQTT within WebSocket (RFC 6455), for networks that let nothing but the web through."""
