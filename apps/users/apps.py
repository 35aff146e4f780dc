"""Tells Django that the users context exists; label = database alias = queue prefix = role."""

from __future__ import annotations

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """The users context. Its users are customers; operators are django.contrib.auth's."""

    name = "apps.users"
    label = "users"
    verbose_name = "Users (customers)"
