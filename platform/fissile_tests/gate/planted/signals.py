"""Signals between contexts, and migrations that wait for another's."""

from __future__ import annotations

from .planting import DECLARED, case

PLANTS = [
    case(
        "receivers of a neighbour's model",
        {
            "orders/signals/receivers.py": """
                from django.conf import settings
                from django.contrib.auth import get_user_model
                from django.db.models import signals
                from django.db.models.signals import m2m_changed, post_delete, post_save
                from django.dispatch import receiver

                from mall.users.models import Team, User  # gate: BND001


                @receiver(post_save, sender=User)  # gate: BND030
                def open_basket(sender, instance, created, **options):
                    pass


                @receiver([post_save, post_delete], sender=settings.AUTH_USER_MODEL)  # gate: BND030
                def forget(sender, instance, **options):
                    pass


                @receiver(signals.pre_delete, sender="billing.Invoice")  # gate: BND030
                def keep(sender, instance, **options):
                    pass


                @receiver(m2m_changed, sender=Team.members.through)  # gate: BND030
                def recount(sender, **options):
                    pass


                @receiver(post_save, sender=get_user_model())  # gate: BND030, BND014
                def count(sender, **options):
                    pass
            """
        },
    ),
    case(
        "connect in an app's ready",
        {
            "orders/signals/connected.py": """
                from django.apps import apps
                from django.db.models.signals import post_save


                def follow(sender, **options):
                    pass


                def connect():
                    from mall.users.models import User  # gate: BND001

                    post_save.connect(follow, sender=User, dispatch_uid="orders")  # gate: BND030
                    post_save.connect(follow, sender="users.User")  # gate: BND030
                    post_save.connect(follow, "users.Team")  # gate: BND030


                def connect_late():
                    Invoice = apps.get_model("billing", "Invoice")  # gate: BND014
                    post_save.connect(follow, sender=Invoice)  # gate: BND030
            """
        },
    ),
    case(
        "a signal that a neighbour made",
        {
            "orders/signals/custom.py": """
                from django.dispatch import receiver

                from mall.users import signals as theirs  # gate: BND001
                from mall.users.signals import user_registered  # gate: BND001


                @receiver(user_registered)  # gate: BND030
                def greet(sender, **facts):
                    pass


                def connect():
                    theirs.user_registered.connect(greet)  # gate: BND030


                def pretend():
                    user_registered.send(sender=None, user_id=1)  # gate: BND030
            """
        },
    ),
    case(
        "a receiver of every model, which chooses inside",
        {
            "orders/signals/everything.py": """
                from django.db.models.signals import post_save
                from django.dispatch import receiver


                @receiver(post_save)  # gate: BND030
                def watch(sender, instance, **options):
                    if sender.__name__ == "User":
                        pass


                post_save.connect(watch)  # gate: BND030
            """
        },
        DECLARED,
    ),
    case(
        "migrations that depend on a neighbour's",
        {
            "orders/migrations/0003_depends.py": """
                from typing import ClassVar

                from django.conf import settings
                from django.db import migrations


                class Migration(migrations.Migration):
                    dependencies: ClassVar = [
                        ("orders", "0001_initial"),
                        ("users", "0004_user_credit"),  # gate: BND040
                        migrations.swappable_dependency(settings.AUTH_USER_MODEL),  # gate: BND040
                    ]
                    run_before = [("billing", "0001_initial")]  # gate: BND040
            """,
            "orders/migrations/0004_more.py": """
                from django.db import migrations

                COMMON = [("users", "__first__")]  # gate: BND040


                class Migration(migrations.Migration):
                    dependencies = [("orders", "0003_depends"), *COMMON]
            """,
            "orders/migrations/0005_sum.py": """
                from django.db import migrations


                class Migration(migrations.Migration):
                    dependencies = [("orders", "0004_more")] + [
                        ("billing", "0001_initial"),  # gate: BND040
                    ]
            """,
        },
    ),
    case(
        "a data migration over a neighbour's rows",
        {
            "orders/migrations/0006_copy_names.py": """
                from django.db import migrations


                def copy_names(apps, schema_editor):
                    User = apps.get_model("users", "User")  # gate: BND014
                    Customer = apps.get_model("orders", "Customer")
                    for user in User.objects.using("orders"):
                        Customer.objects.create(name=user.username)


                class Migration(migrations.Migration):
                    dependencies = [("orders", "0005_sum")]
                    operations = [migrations.RunPython(copy_names, migrations.RunPython.noop)]
            """
        },
    ),
    case(
        "several signals connected in a loop",
        {
            "orders/signals/looped.py": """
                from django.db.models.signals import post_delete, post_save


                def follow(sender, **options):
                    pass


                for signal in (post_save, post_delete):
                    signal.connect(follow, sender="users.User")  # gate: BND030
            """
        },
    ),
]

LOOK_ALIKES = [
    case(
        "signals of one's own models and of Django",
        {
            "orders/signals/own.py": """
                from django.core.signals import request_finished
                from django.db.models.signals import post_migrate, post_save
                from django.dispatch import Signal, receiver

                from mall.orders.models import Customer, Sale

                users = Signal()


                @receiver(post_save, sender=Sale)
                def on_sale(sender, instance, **options):
                    users.send(sender=Sale, sale=instance)


                @receiver(post_save, sender="orders.Customer")
                def on_customer(sender, **options):
                    pass


                @receiver(users)
                def on_users(sender, **options):
                    pass


                def connect(socket):
                    request_finished.connect(on_sale)
                    post_migrate.connect(on_sale)
                    post_save.connect(on_sale, sender=Sale)
                    socket.connect("users.User")
                    socket.send(sender="users.User")
            """
        },
    ),
    case(
        "migrations of one's own, and of Django's apps",
        {
            "orders/migrations/0007_own.py": """
                from django.db import migrations


                def forward(apps, schema_editor):
                    Sale = apps.get_model("orders", "Sale")
                    Group = apps.get_model("auth", "Group")
                    Sale.objects.filter(reference="users").update(reference="users_user")


                class Migration(migrations.Migration):
                    dependencies = [
                        ("orders", "0006_copy_names"),
                        ("auth", "0012_alter_user_first_name_max_length"),
                        ("contenttypes", "0002_remove_content_type_name"),
                    ]
                    operations = [
                        migrations.RunPython(forward),
                        migrations.RunSQL("CREATE INDEX orders_users ON orders_sale (reference)"),
                    ]
            """
        },
    ),
]
