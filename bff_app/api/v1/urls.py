"""Addresses of the web BFF, version 1, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("dashboard", views.Dashboard.as_view()),
]
