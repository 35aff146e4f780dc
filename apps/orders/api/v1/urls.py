"""Addresses of orders, version 1, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("products", views.Products.as_view()),
    path("orders", views.Orders.as_view()),
    path("orders/<uuid:order_id>", views.OneOrder.as_view()),
    path("orders/<uuid:order_id>/cancel", views.Cancellation.as_view()),
]
