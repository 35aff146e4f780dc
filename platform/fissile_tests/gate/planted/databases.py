"""Aliases and transactions."""

from __future__ import annotations

from .planting import ALONE, DECLARED, UNDECLARED, case

PLANTS = [
    case(
        "queries on another's database",
        {
            "orders/aliases.py": """
                from django.db import DEFAULT_DB_ALIAS, connection, connections

                from .models import Sale

                ALIAS = "users"


                def there():
                    return Sale.objects.using("users").count()  # gate: BND022


                def managed():
                    return Sale.objects.db_manager(ALIAS).count()  # gate: BND022


                def saved(sale):
                    sale.save(using="billing")  # gate: BND022


                def opened():
                    return connections["users"].cursor()  # gate: BND022


                def nobody():
                    with connection.cursor() as cursor:  # gate: BND022
                        cursor.execute("SELECT 1")


                def default():
                    return connections[DEFAULT_DB_ALIAS].vendor, Sale.objects.using("default")  # gate: BND022
            """
        },
        DECLARED,
    ),
    case(
        "transactions without an alias",
        {
            "orders/transactions/nameless.py": """
                from django.db import DEFAULT_DB_ALIAS, transaction
                from django.db.transaction import atomic, on_commit
                from django.utils.decorators import method_decorator
                from django.views import View


                @transaction.atomic  # gate: BND100
                def place():
                    pass


                @atomic()  # gate: BND100
                def cancel():
                    with transaction.atomic():  # gate: BND100
                        pass


                def later(mail):
                    transaction.on_commit(mail)  # gate: BND100
                    on_commit(lambda: mail())  # gate: BND100


                @method_decorator(transaction.atomic, name="dispatch")  # gate: BND100
                class Page(View):
                    @atomic  # gate: BND100
                    def get(self, request):
                        with atomic(using=DEFAULT_DB_ALIAS), transaction.atomic("default"):  # gate: BND100
                            pass


                def steps(stack):
                    stack.enter_context(transaction.atomic(savepoint=False))  # gate: BND100
                    point = transaction.savepoint()  # gate: BND100
                    transaction.savepoint_rollback(point)  # gate: BND100
                    transaction.set_rollback(True)  # gate: BND100
            """
        },
        DECLARED,
        ALONE,
    ),
    case(
        "transactions on a neighbour's database",
        {
            "orders/transactions/foreign.py": """
                from contextlib import ExitStack

                from django.db import transaction

                USERS = "users"


                @transaction.atomic(using="users")  # gate: BND101
                def place():
                    pass


                def cancel():
                    with transaction.atomic(using="orders"), transaction.atomic(USERS):  # gate: BND101
                        pass


                def later(mail):
                    transaction.on_commit(mail, using="billing")  # gate: BND101


                def local():
                    alias = "billing"
                    with transaction.atomic(using=alias):  # gate: BND101
                        pass


                def both():
                    with ExitStack() as stack:
                        for alias in ("orders", "users"):
                            stack.enter_context(transaction.atomic(using=alias))  # gate: BND101
            """
        },
        DECLARED,
        ALONE,
    ),
]

LOOK_ALIKES = [
    case(
        "the context's own alias",
        {
            "orders/own_alias.py": """
                from django.db import connections, router

                from .models import Sale

                ALIAS = "orders"


                def run(sale, alias):
                    connections["orders"].cursor()
                    connections[ALIAS].vendor
                    connections[alias].close()
                    sale.save(using=ALIAS)
                    sale.refresh_from_db(using=alias)
                    return Sale.objects.using("orders"), Sale.objects.using(router.db_for_read(Sale))


                def template(engine):
                    return engine.render(using="jinja")
            """
        },
    ),
    case(
        "transactions on one's own database",
        {
            "orders/transactions/own.py": """
                from django.db import transaction

                ALIAS = "orders"


                @transaction.atomic(using="orders")
                def place(mail, alias, options):
                    with transaction.atomic(using=ALIAS), transaction.atomic("orders"), transaction.atomic(using=alias):
                        transaction.on_commit(mail, using="orders")
                        transaction.on_commit(mail, ALIAS)
                    transaction.atomic(**options)


                def atomic(users):
                    return users


                @atomic
                def other(scheduler):
                    scheduler.on_commit(3)
            """
        },
        DECLARED,
        ALONE,
    ),
    case(
        "a project without declarations has one database",
        {
            "orders/transactions/plain.py": """
                from django.db import connection, transaction


                @transaction.atomic
                def place():
                    with transaction.atomic():
                        transaction.on_commit(print)
                        return connection.cursor()
            """
        },
        UNDECLARED,
    ),
]
