"""Addresses of the callee's process."""

from django.urls import include, path

from fissile.calls.endpoint import urlpatterns as internal

urlpatterns = [path("internal/", include(internal))]
