"""Addresses of users' API, version 1; mounted under /api/v1/, the key set at the root."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("users", views.Users.as_view()),
    path("users/me", views.Me.as_view()),
    path("auth/token", views.Token.as_view()),
    path("auth/refresh", views.Refresh.as_view()),
]
# RFC 8615: well-known addresses have no version.
root_urlpatterns = [path(".well-known/jwks.json", views.Keys.as_view())]
