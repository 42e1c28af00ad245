"""Tests of agent.uplink.mqtt."""
