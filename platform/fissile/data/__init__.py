"""Data of one context at a time: ownership, the unit of work, commands with idempotency keys."""
