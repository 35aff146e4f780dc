"""The operators' accounts and groups: Django's own pages, with fields that everybody can use.

Django's two boxes with arrows, and its two fields for one time, have parts without a name for a screen reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from . import site

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin


class OperatorAdmin(_UserAdmin):
    """Accounts; permissions are boxes to tick, and the times of an account are read only."""

    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return a box for each choice: a click too many takes one away, not all."""
        return super().formfield_for_manytomany(db_field, request, **kwargs, widget=forms.CheckboxSelectMultiple)


class OperatorGroupAdmin(GroupAdmin):
    """Groups; permissions are boxes to tick."""

    filter_horizontal = ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        """Return a box for each choice."""
        return super().formfield_for_manytomany(db_field, request, **kwargs, widget=forms.CheckboxSelectMultiple)


# A project with a user model of its own has registered that, and its own page.
for _model, _page in ((User, OperatorAdmin), (Group, OperatorGroupAdmin)):
    if site.is_registered(_model):
        site.unregister(_model)
        site.register(_model, _page)
