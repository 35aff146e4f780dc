"""The app registry, the user model and content types."""

from __future__ import annotations

from .planting import DECLARED, case

PLANTS = [
    case(
        "models of a neighbour from the app registry",
        {
            "orders/registry.py": """
                from django.apps import apps
                from django.apps import apps as registry
                from django.contrib.auth import get_user_model

                LABEL = "users"


                def one():
                    return apps.get_model("users", "User").objects.count()  # gate: BND014


                def two():
                    return apps.get_model("billing.Invoice")  # gate: BND014


                def three():
                    return registry.get_model(app_label=LABEL, model_name="User")  # gate: BND014


                def four():
                    return apps.get_app_config("users").get_model("User")  # gate: BND014


                def five():
                    return [model for model in apps.get_app_config("billing").get_models()]  # gate: BND014


                def six():
                    return apps.all_models["users"]["user"]  # gate: BND014


                def seven():
                    return apps.get_registered_model("users", "User")  # gate: BND014


                def buyers():
                    return get_user_model().objects.all()  # gate: BND014
            """
        },
    ),
    case(
        "the user model by its setting",
        {
            "orders/by_setting.py": """
                from django.apps import apps as django_apps
                from django.conf import settings


                def user_model():
                    return django_apps.get_model(settings.AUTH_USER_MODEL, require_ready=False)  # gate: BND014
            """
        },
    ),
    case(
        "a neighbour's rows by content type",
        {
            "orders/kinds.py": """
                from django.contrib.contenttypes.models import ContentType


                def user_rows():
                    return ContentType.objects.get(app_label="users", model="user").model_class()  # gate: BND012


                def invoices():
                    return ContentType.objects.get_by_natural_key("billing", "invoice")  # gate: BND012
            """
        },
    ),
    case(
        "content types in a project of contexts",
        {
            "orders/audit.py": """
                from django.contrib.contenttypes.models import ContentType

                from .models import Sale


                def kind():
                    return ContentType.objects.get_for_model(Sale)  # gate: BND012
            """
        },
        DECLARED,
    ),
]

LOOK_ALIKES = [
    case(
        "models of one's own from the app registry",
        {
            "orders/own_registry.py": """
                from django.apps import apps

                Sale = apps.get_model("orders", "Sale")
                Line = apps.get_model("orders.SaleLine")
                Group = apps.get_model("auth", "Group")
                config = apps.get_app_config("orders")


                def pick(model_registry, name):
                    return apps.get_model(name)
            """
        },
    ),
]
