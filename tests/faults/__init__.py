"""Faults that no mock can show: a cut of power, a kill, a disk without room."""
