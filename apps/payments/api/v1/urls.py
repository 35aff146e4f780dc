"""Addresses of payments, version 1, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("payments/<uuid:order_id>", views.PaymentOfOrder.as_view()),
]
