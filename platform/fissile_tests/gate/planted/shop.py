"""The shop that everything is planted in: users, orders and billing, without a tie between them."""

from __future__ import annotations

from .planting import ALONE, DECLARED, UNDECLARED, Case

PACKAGE = "mall"

_USERS = {
    "users/apps.py": """
        from django.apps import AppConfig


        class UsersConfig(AppConfig):
            name = "mall.users"
            label = "users"
    """,
    "users/context.py": """
        from fissile.contexts import Context

        CONTEXT = Context(name="users", package="mall.users", offers={"get_account": ("orders",)})
    """,
    "users/contracts/types.py": """
        class Account:
            pass
    """,
    "users/facade.py": """
        def get_account(user_id):
            from .models import User

            return User.objects.get(pk=user_id)
    """,
    "users/models/people.py": """
        from django.contrib.auth.models import AbstractUser
        from django.db import models


        class Stamped(models.Model):
            created_at = models.DateTimeField(auto_now_add=True)

            class Meta:
                abstract = True


        class User(AbstractUser):
            credit = models.IntegerField(default=0)


        class Team(models.Model):
            title = models.CharField(max_length=50)
            members = models.ManyToManyField(User, related_name="teams")
    """,
    "users/services.py": """
        def send_welcome_mail(user):
            return user.email
    """,
    "users/signals.py": """
        from django.dispatch import Signal

        user_registered = Signal()
    """,
    "users/tasks.py": """
        from celery import shared_task


        @shared_task(name="users.send_welcome")
        def send_welcome(user_id):
            return user_id
    """,
    "users/urls.py": """
        from django.urls import path

        from . import views

        app_name = "users"
        urlpatterns = [path("<int:pk>/", views.profile, name="profile"), path("login/", views.login, name="login")]
    """,
    "users/views.py": """
        from django.shortcuts import redirect, render


        def profile(request, pk):
            return render(request, "users/profile.html", {"pk": pk})


        def login(request):
            return redirect("users:profile", pk=1)
    """,
    "users/templates/users/base.html": "<main>{% block page %}{% endblock %}</main>\n",
    "users/templates/users/profile.html": '{% extends "users/base.html" %}\n',
    "users/templates/users/_card.html": "<p>{{ person.name }}</p>\n",
    "users/templatetags/people.py": """
        from django import template

        register = template.Library()


        @register.filter
        def initials(name):
            return "".join(part[0] for part in name.split())
    """,
}
_ORDERS = {
    "orders/apps.py": """
        from django.apps import AppConfig


        class OrdersConfig(AppConfig):
            name = "mall.orders"
            label = "orders"
    """,
    "orders/context.py": """
        from fissile.contexts import Context

        CONTEXT = Context(name="orders", package="mall.orders")
    """,
    "orders/contracts/events.py": "",
    "orders/models/sales.py": """
        from django.db import models


        class Customer(models.Model):
            name = models.CharField(max_length=50)


        class Sale(models.Model):
            customer = models.ForeignKey(Customer, models.CASCADE, related_name="sales")
            reference = models.CharField(max_length=20)


        class SaleLine(models.Model):
            sale = models.ForeignKey(Sale, models.CASCADE, related_name="lines")
            title = models.CharField(max_length=50)
    """,
    "orders/urls.py": """
        from django.urls import path

        from . import views

        app_name = "orders"
        urlpatterns = [path("", views.basket, name="basket")]
    """,
    "orders/views.py": """
        from django.shortcuts import render


        def basket(request):
            return render(request, "orders/basket.html")
    """,
    "orders/templates/orders/basket.html": "<p>Basket</p>\n",
}
# Written with the row that no write may pass by.
_AGGREGATES = {
    "orders/models/aggregates.py": """
        from django.db import models

        from fissile.data.models import AggregateRow

        from .sales import Customer


        class Purchase(AggregateRow):
            status = models.CharField(max_length=10)
            owner = models.ForeignKey(Customer, models.CASCADE, related_name="purchases")
            archive = models.Manager()


        class PurchaseNote(models.Model):
            purchase = models.ForeignKey(Purchase, models.CASCADE, related_name="notes")
            text = models.TextField()
    """
}
_BILLING = {
    "billing/apps.py": """
        from django.apps import AppConfig


        class BillingConfig(AppConfig):
            name = "mall.billing"
            label = "billing"
    """,
    "billing/context.py": """
        from fissile.contexts import Context

        CONTEXT = Context(name="billing", package="mall.billing")
    """,
    "billing/contracts/types.py": "",
    "billing/models/invoices.py": """
        from django.db import models


        class Invoice(models.Model):
            number = models.CharField(max_length=20)
            buyer_id = models.IntegerField()
    """,
    "billing/tasks.py": """
        from celery import shared_task


        @shared_task(name="billing.print_invoice")
        def print_invoice(number):
            return number
    """,
    "billing/urls.py": """
        from django.urls import path

        from . import views

        urlpatterns = [path("<str:number>/", views.invoice, name="invoice-detail")]
    """,
    "billing/views.py": """
        from django.http import HttpResponse


        def invoice(request, number):
            return HttpResponse(number)
    """,
}
_SETTINGS = """
SECRET_KEY = "the secret of the whole mall"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", *{packages}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {{name: {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}} for name in ["default", *{apps}]}}
CACHES = {{
    "default": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    "orders": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "KEY_PREFIX": "orders"}},
    "users": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "KEY_PREFIX": "users"}},
}}
ROOT_URLCONF = "mall.urls"
USERS_PAGE_SIZE = 20
ORDERS_PAGE_SIZE = 50
"""
_REGISTRY = """
from fissile.contexts import registry

registry.configure(packages={packages}, installed={installed}, addresses={addresses})
"""


def shop(mode: str) -> Case:
    """Return the shop as it stands in a mode; alone, orders has its neighbours' contracts and nothing else of them."""
    if mode == ALONE:
        contracts = {path: text for path, text in (_USERS | _BILLING).items() if "/contracts/" in path}
        return Case("shop", _ORDERS | _AGGREGATES | contracts, (mode,))
    aggregates = _AGGREGATES if mode == DECLARED else {}
    return Case("shop", _USERS | _ORDERS | _BILLING | aggregates, (mode,))


def settings(mode: str, apps: list[str], contexts: list[str]) -> dict[str, str]:
    """Return the settings modules of a mode, as a project splits them: base, secrets, local."""
    base = _SETTINGS.format(apps=apps, packages=[f"{PACKAGE}.{app}" for app in apps])
    if mode != ALONE:
        base += 'AUTH_USER_MODEL = "users.User"\n'
    local = "from .base import *\n" + ("from .secrets import *\n" if mode != ALONE else "")
    if mode != UNDECLARED:
        known = sorted({*contexts, "users", "billing"})
        local += _REGISTRY.format(
            packages={name: f"{PACKAGE}.{name}" for name in known},
            installed=tuple(contexts),
            addresses={name: f"http://{name}.invalid" for name in known if name not in contexts},
        )
    return {"settings/base.py": base, "settings/local.py": local}
