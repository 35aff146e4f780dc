"""Drives the real machines of relay and inbox through seeded schedules of faults; see docs/reference/simulation.md."""
