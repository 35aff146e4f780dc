"""Watching: logs, traces, metrics, health and drain. Upper floors register here; it asks none of them."""
