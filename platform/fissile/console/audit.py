"""The log of what operators did: who, what, why, when. Written by the actions, read here, changed by nobody."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from .rows import ReadOnlyAdmin


@admin.register(LogEntry)
class AuditAdmin(ReadOnlyAdmin):
    """Every entry of Django's admin log, newest first."""

    list_display = ("action_time", "user", "object_repr", "content_type", "said")
    list_filter = ("user", "content_type")
    search_fields = ("object_repr", "change_message")
    ordering = ("-action_time",)
    list_select_related = ("user", "content_type")
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "said")
    readonly_fields = ("said",)

    @admin.display(description="what and why")
    def said(self, entry: Any) -> str:
        """The message, as a sentence."""
        return str(entry.get_change_message())
