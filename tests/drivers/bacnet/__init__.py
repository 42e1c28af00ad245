"""Tests of the BACnet machinery."""
