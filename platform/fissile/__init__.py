"""Fissile: Django apps that can be pulled out as services. Floors: see docs/map.md."""
