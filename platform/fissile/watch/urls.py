"""The probes' addresses. `/metrics` is for the operators' listener only."""

from __future__ import annotations

from django.urls import path

from .health import healthz, readyz
from .metrics import exposition

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", exposition, name="metrics"),
]
