"""Scaffolds: new contexts, events, consumers, ports and projections as text in the house's style.

Reads and writes source files only, and imports none of them: no Django, no registry, no database.
"""
