"""Settings and secrets."""

from __future__ import annotations

from .planting import case

PLANTS = [
    case(
        "a neighbour's settings",
        {
            "orders/limits.py": """
                import os

                from django import conf
                from django.conf import settings
                from django.conf import settings as options

                SIZE = settings.USERS_PAGE_SIZE  # gate: BND090


                def size():
                    return getattr(settings, "USERS_PAGE_SIZE", 20)  # gate: BND090


                def other():
                    return options.BILLING_CURRENCY, hasattr(conf.settings, "BILLING_TAX")  # gate: BND090


                def grouped():
                    return settings.USERS["PAGE_SIZE"]  # gate: BND090


                def database():
                    return settings.DATABASES["users"]["HOST"]  # gate: BND090


                def environment():
                    return os.environ["USERS_DATABASE_URL"], os.getenv("BILLING_TOKEN")  # gate: BND090


                def environment_with_default():
                    return os.environ.get("USERS_API_KEY", "")  # gate: BND090
            """
        },
    ),
    case(
        "a neighbour's constants from the settings module",
        {
            "orders/imported_settings.py": """
                from mall.settings.base import DEFAULT_AUTO_FIELD, USERS_PAGE_SIZE  # gate: BND090
            """
        },
    ),
    case(
        "the secret of the whole project",
        {
            "orders/signing.py": """
                import hashlib
                import hmac

                import jwt
                from django.conf import settings
                from django.core import signing
                from django.core.signing import Signer, TimestampSigner
                from django.utils.crypto import salted_hmac


                def token(pk):
                    return jwt.encode({"sub": pk}, settings.SECRET_KEY, algorithm="HS256")  # gate: BND091


                def mac(text):
                    return hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256)  # gate: BND091


                def fallback():
                    return getattr(settings, "SECRET_KEY_FALLBACKS")  # gate: BND091


                def link(pk):
                    return Signer().sign(pk)  # gate: BND091


                def timed(pk):
                    return TimestampSigner(salt="orders").sign(pk)  # gate: BND091


                def dumped(value):
                    return signing.dumps(value, salt="orders")  # gate: BND091


                def salted(value):
                    return salted_hmac("orders", value).hexdigest()  # gate: BND091


                def cookie(request, response):
                    response.set_signed_cookie("basket", "1", salt="orders")  # gate: BND091
                    return request.get_signed_cookie("basket", salt="orders")  # gate: BND091
            """
        },
    ),
    case(
        "tokens signed with the secret of the whole project",
        {
            "orders/tokens.py": """
                from django.contrib.auth.tokens import default_token_generator


                def token(user):
                    return default_token_generator.make_token(user)  # gate: BND091
            """
        },
    ),
    case(
        "two contexts with one secret",
        {
            "settings/secrets.py": """
                BILLING_API_TOKEN = "one token for two"
                ORDERS_API_TOKEN = "one token for two"  # gate: BND091
                ORDERS_SIGNING_KEY = "a key of orders alone"
                USERS_SIGNING_KEY = "a key of users alone"
                USERS_COOKIE_NAME = "the same words"
                ORDERS_COOKIE_NAME = "the same words"
            """
        },
    ),
]

LOOK_ALIKES = [
    case(
        "settings of one's own and of the project",
        {
            "orders/own_limits.py": """
                import os

                from django.conf import settings

                SIZE = settings.ORDERS_PAGE_SIZE
                ZONE = settings.TIME_ZONE
                DEBUG = getattr(settings, "DEBUG", False)
                HOME = os.environ.get("HOME")
                OWN = os.environ.get("ORDERS_API_KEY")


                def read(config, users):
                    return config.USERS_PAGE_SIZE, users.USERS_LIMIT, settings.DATABASES["orders"]
            """
        },
    ),
    case(
        "secrets of one's own",
        {
            "orders/own_signing.py": """
                import hmac

                from django.conf import settings
                from django.core.signing import Signer, dumps
                from django.utils.crypto import get_random_string, salted_hmac


                def sign(pk):
                    Signer(key=settings.ORDERS_SIGNING_KEY).sign(pk)
                    dumps(pk, key=settings.ORDERS_SIGNING_KEY)
                    salted_hmac("orders", pk, secret=settings.ORDERS_SIGNING_KEY)
                    hmac.new(settings.ORDERS_SIGNING_KEY.encode(), pk, "sha256")
                    return get_random_string(12)
            """
        },
    ),
    case(
        "Django's own settings are not those of an app with such a name",
        {
            "email/apps.py": """
                from django.apps import AppConfig


                class EmailConfig(AppConfig):
                    name = "mall.email"
                    label = "email"
            """,
            "email/context.py": """
                from fissile.contexts import Context

                CONTEXT = Context(name="email", package="mall.email")
            """,
            "orders/mailing.py": """
                from django.conf import settings


                def host():
                    return settings.EMAIL_HOST, getattr(settings, "EMAIL_PORT", 25)
            """,
        },
    ),
]
