"""The extractability gate: what ties a context to its neighbours that an import linter cannot see.

Useful without the rest: in any Django project, `INSTALLED_APPS += ["fissile.gate"]` makes every app of
the project a context. May touch: the live app registry, the project's source. Never: a database, the network.
"""
