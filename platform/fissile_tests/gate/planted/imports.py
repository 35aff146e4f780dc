"""Imports of another context, by statement and by string."""

from __future__ import annotations

from .planting import ALONE, DECLARED, UNDECLARED, case

PLANTS = [
    case(
        "from-import of a neighbour's model",
        {
            "orders/imports/from_import.py": """
                from django.db.models import Sum

                from mall.users.models import User  # gate: BND001


                def spent_by(user: User) -> int:
                    return user.credit
            """
        },
    ),
    case(
        "plain imports",
        {
            "orders/imports/plain.py": """
                import logging

                import mall.users.services  # gate: BND001
                import mall.users.models as people  # gate: BND001

                log = logging.getLogger(__name__)


                def greet(pk):
                    mall.users.services.send_welcome_mail(people.User.objects.get(pk=pk))
            """
        },
    ),
    case(
        "relative imports",
        {
            "orders/imports/relative.py": """
                from ...users.models import User  # gate: BND001
                from ... import users  # gate: BND001
                from ...users import services as mails  # gate: BND001
            """
        },
    ),
    case(
        "an import inside a function, to dodge a circle",
        {
            "orders/imports/lazy.py": """
                def greet(user_id):
                    # avoids a circular import
                    from mall.users.services import send_welcome_mail  # gate: BND001

                    send_welcome_mail(user_id)
            """
        },
    ),
    case(
        "an import for type checkers",
        {
            "orders/imports/typed.py": """
                from __future__ import annotations

                from typing import TYPE_CHECKING

                if TYPE_CHECKING:
                    from mall.users.models import User  # gate: BND001


                def label(user: User) -> str:
                    return user.username
            """
        },
    ),
    case(
        "a star-import",
        {
            "orders/imports/star.py": """
                from mall.users.models import *  # gate: BND001
            """
        },
    ),
    case(
        "an optional import",
        {
            "orders/imports/optional.py": """
                try:
                    from mall.billing.models import (  # gate: BND001
                        Invoice,
                    )
                except ImportError:
                    Invoice = None
            """
        },
    ),
    case(
        "import_module",
        {
            "orders/imports/by_module.py": """
                import importlib
                from importlib import import_module as load

                NEIGHBOUR = "mall.users"


                def people():
                    return importlib.import_module("mall.users.models").User  # gate: BND004


                def mails():
                    return load(f"{NEIGHBOUR}.services")  # gate: BND004


                def tasks():
                    return load(".tasks", package="mall.users")  # gate: BND004


                def nearby():
                    return load("..users.tasks", "mall.orders")  # gate: BND004
            """
        },
    ),
    case(
        "import_string, with a table of paths",
        {
            "orders/imports/by_string.py": """
                from django.utils.module_loading import import_string

                MAILERS = {
                    "welcome": "mall.users.services.send_welcome_mail",
                    "receipt": "mall.orders.mails.send_receipt",
                }


                def mail(kind, order):
                    import_string(MAILERS[kind])(order)  # gate: BND004


                def welcome(order):
                    import_string(dotted_path="mall.users.services.send_welcome_mail")(order)  # gate: BND004
            """
        },
    ),
    case(
        "a loop over modules to import",
        {
            "orders/imports/plugins.py": """
                from importlib import import_module
                from pkgutil import resolve_name

                PLUGINS = ("mall.orders.reports", "mall.billing.reports")


                def load_all():
                    for plugin in PLUGINS:
                        import_module(plugin)  # gate: BND004


                def user_model():
                    return resolve_name("mall.users.models:User")  # gate: BND004


                def old_way():
                    return __import__("mall.users.models", fromlist=["User"]).User  # gate: BND004
            """
        },
    ),
    case(
        "a module taken out of sys.modules",
        {
            "orders/imports/loaded.py": """
                import sys


                def user_model():
                    return sys.modules["mall.users.models"].User  # gate: BND004
            """
        },
    ),
    case(
        "contracts read from a room that is no adapter",
        {
            "orders/usecases.py": """
                from mall.users.contracts.types import Account  # gate: BND001


                def place(account: Account):
                    return account
            """
        },
        DECLARED,
        ALONE,
    ),
    case(
        "an adapter and a consumer that reach past the contracts",
        {
            "orders/adapters/directory.py": """
                from mall.users.contracts.types import Account
                from mall.users.facade import get_account  # gate: BND001


                def find(user_id) -> Account:
                    return get_account(user_id)
            """,
            "orders/consumers/people.py": """
                from mall.users.contracts.types import Account
                from mall.users.models import User  # gate: BND001
            """,
        },
        DECLARED,
    ),
    case(
        "a neighbour that is not installed here",
        {
            "orders/imports/absent.py": """
                from importlib import import_module
                from typing import TYPE_CHECKING

                if TYPE_CHECKING:
                    from mall.users.models import User  # gate: BND001


                def greet(user_id):
                    from mall.users import services  # gate: BND001
                    import mall.billing.models  # gate: BND001

                    services.send_welcome_mail(user_id)
                    return import_module("mall.users.models")  # gate: BND004
            """,
            "orders/adapters/absent.py": """
                from mall.users.contracts.types import Account
                from mall.users.facade import get_account  # gate: BND001
            """,
        },
        ALONE,
    ),
]

LOOK_ALIKES = [
    case(
        "adapters and consumers read the neighbours' contracts",
        {
            "orders/adapters/users.py": """
                from mall.orders.models import Sale
                from mall.users.contracts.types import Account


                def customer_of(account: Account) -> Sale | None:
                    return None
            """,
            "orders/consumers/accounts.py": """
                from ...users.contracts.types import Account
                from ...users.contracts import types
            """,
        },
        DECLARED,
        ALONE,
        UNDECLARED,
    ),
    case(
        "a project without declarations lets its apps import each other's facade",
        {
            "orders/checkout.py": """
                from mall.users.facade import get_account
                from mall.users import facade
            """
        },
        UNDECLARED,
    ),
    case(
        "modules and packages whose names only begin alike",
        {
            "orders/users.py": """
                def recent():
                    return []
            """,
            "orders/own_imports.py": """
                import importlib
                import logging

                from mall.orders import users
                from mall.orders.users import recent

                from . import users as neighbours

                log = logging.getLogger("mall.users")
                plugin = importlib.import_module("mall.orders.users")
                other = importlib.import_module(".users", package="mall.orders")
                stored = {"kind": "mall.users.models.User"}
            """,
        },
    ),
    case(
        "tests may import what they like",
        {
            "orders/tests/test_checkout.py": """
                from mall.users.models import User
            """,
            "orders/conftest.py": """
                from mall.users.models import User
            """,
        },
    ),
    case(
        "a docstring and a comment that speak of an import",
        {
            "orders/prose.py": '''
                """Once this said `from mall.users.models import User`.

                >>> from mall.users.models import User
                """

                # from mall.users.models import User
                HELP = "run: from mall.users.models import User"
            '''
        },
    ),
]
