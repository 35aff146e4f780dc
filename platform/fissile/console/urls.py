"""The address of the development login; before the admin's own, which would ask for a password."""

from __future__ import annotations

from django.urls import path

from .devlogin import dev_login

urlpatterns = [path("admin/dev-login/", dev_login, name="dev-login")]
