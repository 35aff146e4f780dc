"""Tells Django that the web BFF exists; label = database alias = queue prefix = role."""

from __future__ import annotations

from django.apps import AppConfig


class BffConfig(AppConfig):
    """The backend of the browser."""

    name = "bff_app"
    label = "bff"
    verbose_name = "Web BFF"
