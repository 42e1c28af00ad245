"""Tests of agent.uplink.websocket."""
