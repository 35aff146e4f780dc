"""Layouts that other people's projects have: apps inside apps, models made by a factory, files to be copied."""

from __future__ import annotations

from .planting import UNDECLARED, case

PLANTS = [
    case(
        "a factory that is production",
        {
            "billing/factory.py": """
                from mall.users.models import User  # gate: BND001


                def payer(**fields):
                    return User(**fields)
            """,
        },
    ),
    case(
        "a neighbour's route whose last word begins like that of one's own router",
        {
            "billing/routers.py": """
                def register(router, view):
                    router.register("views", view, basename="view")
            """,
            "billing/links.py": """
                from django.urls import reverse


                def user_url(pk):
                    return reverse("users:view_user", args=[pk])  # gate: BND060
            """,
        },
    ),
    case(
        "a model that a neighbour's factory makes",
        {
            "users/making.py": """
                def made_from(abstract):
                    return type(abstract.__name__.removeprefix("Abstract"), (abstract,), {"__module__": __name__})
            """,
            "orders/abstract_visits.py": """
                from django.conf import settings
                from django.db import models


                class AbstractVisit(models.Model):
                    visitor = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)  # gate: BND010
                    page = models.CharField(max_length=50)

                    class Meta:
                        abstract = True
                        app_label = "orders"
            """,
            "orders/models/visits.py": """
                from mall.orders.abstract_visits import AbstractVisit
                from mall.users.making import made_from  # gate: BND001

                Visit = made_from(AbstractVisit)
            """,
        },
    ),
]

LOOK_ALIKES = [
    case(
        "an app in another's folder, with templates and tags of its own",
        {
            "billing/letters/apps.py": """
                from django.apps import AppConfig


                class LettersConfig(AppConfig):
                    name = "mall.billing.letters"
                    label = "letters"
            """,
            "billing/letters/urls.py": """
                from django.urls import path

                app_name = "letters"
                urlpatterns = [path("", lambda request: None, name="outbox")]
            """,
            "billing/letters/templatetags/envelopes.py": """
                from django import template

                register = template.Library()
            """,
            "billing/letters/templates/letters/frame.html": "{% load envelopes %}{% block text %}{% endblock %}\n",
            "billing/letters/templates/letters/dunning.html": (
                '{% extends "letters/frame.html" %}{% block text %}{% url "letters:outbox" %}{% endblock %}\n'
            ),
            "billing/letters/prices.py": """
                from django.conf import settings

                PRICE = settings.BILLING_LETTER_PRICE
            """,
            "billing/letters/stamps.sql": "SELECT id FROM letters_stamp;\n",
            "billing/letters/models.py": """
                from django.db import models


                class Stamp(models.Model):
                    price = models.IntegerField()
            """,
        },
        UNDECLARED,
    ),
    case(
        "files that startproject copies",
        {
            "billing/project_template/project_name/urls.py": """
                from django.urls import include, path

                urlpatterns = [path("people/", include("mall.users.urls"))]
            """,
            "billing/project_template/project_name/templates/home.html": '{% extends "users/base.html" %}\n',
        },
    ),
    case(
        "one's own routes, included under a neighbour's namespace",
        {
            "orders/receipts/urls.py": """
                from django.urls import path

                urlpatterns = [path("<int:pk>/", lambda request, pk: None, name="receipt")]
            """,
            "orders/receipts/links.py": """
                from django.urls import reverse


                def receipt_url(pk):
                    return reverse("users:receipt", args=[pk])
            """,
            "orders/templates/orders/receipt.html": '{% url "users:receipt" pk=1 %}\n',
        },
    ),
    case(
        "one's own routes of a router and of a plug-in's hook, included under a neighbour's namespace",
        {
            "orders/returns/urls.py": """
                from rest_framework.routers import SimpleRouter
                from rest_framework.viewsets import ViewSet

                router = SimpleRouter()
                router.register("returns", ViewSet, basename="return")
                urlpatterns = router.urls
            """,
            "orders/returns/hooks.py": """
                from django.urls import path


                def register(routes):
                    routes.add("returns", path("labels/", lambda request: None, name="print-label"))
            """,
            "orders/returns/links.py": """
                from django.urls import reverse


                def links(pk):
                    return reverse("users:return-detail", args=[pk]), reverse("users:admin:print-label")
            """,
        },
    ),
    case(
        "a factory of rows for tests, in the singular",
        {
            "orders/factory.py": """
                import factory

                from mall.users.models import User


                class UserFactory(factory.django.DjangoModelFactory):
                    class Meta:
                        model = User
            """,
        },
    ),
    case(
        "dotted words in a template that are no rows",
        {
            "orders/templates/orders/confirm.html": """
                {% if url.url_name == "event.visitor.pay.confirm" %}<p>shop.visitor.pay</p>{% endif %}
                <script>form.visitor.value = '{{ page }}'; basket.visitor.focus();</script>
            """,
        },
    ),
    case(
        "a row of any model",
        {
            "orders/any_rows.py": """
                from django.db import models


                def visitor_of(row: models.Model):
                    return row.visitor
            """,
        },
    ),
]
