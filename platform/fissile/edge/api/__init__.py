"""The kit of the HTTP doors: problems, strict JSON, bearer tokens, idempotency keys, OpenAPI.

Doors import from the modules; this file stays empty because settings read `settings.py` before Django is up.
"""
