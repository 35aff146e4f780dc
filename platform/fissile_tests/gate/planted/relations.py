"""Models that are tied to another context's models."""

from __future__ import annotations

from .planting import DECLARED, UNDECLARED, case

PLANTS = [
    case(
        "foreign keys, by class, by string, lazily and to the user model",
        {
            "orders/models/keys.py": """
                from django.conf import settings
                from django.contrib.auth import get_user_model
                from django.db import models

                from mall.users.models import User  # gate: BND001


                class Voucher(models.Model):
                    code = models.CharField(max_length=20)
                    issuer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")  # gate: BND010
                    redeemer = models.ForeignKey(  # gate: BND010
                        "users.User", on_delete=models.SET_NULL, null=True, related_name="vouchers"
                    )
                    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, "+")  # gate: BND010
                    auditor = models.ForeignKey(get_user_model(), models.PROTECT, "+")  # gate: BND010, BND014
                    invoice = models.OneToOneField(  # gate: BND010
                        to="billing.Invoice", on_delete=models.CASCADE, db_constraint=False
                    )
            """
        },
    ),
    case(
        "a foreign key that two models inherit from an abstract one of their own",
        {
            "orders/models/owned.py": """
                from django.db import models


                class Owned(models.Model):
                    holder = models.ForeignKey("users.User", models.CASCADE, related_name="+")  # gate: BND010

                    class Meta:
                        abstract = True


                class Basket(Owned):
                    opened_at = models.DateTimeField(auto_now_add=True)


                class GiftList(Owned):
                    title = models.CharField(max_length=50)
            """
        },
    ),
    case(
        "a foreign key of a class of one's own, and a raw foreign object",
        {
            "orders/models/special_keys.py": """
                from django.db import models


                class UserKey(models.ForeignKey):
                    def __init__(self, **options):
                        options.setdefault("to", "users.User")
                        options.setdefault("on_delete", models.CASCADE)
                        super().__init__(**options)


                class Complaint(models.Model):
                    complainer = UserKey(related_name="+")  # gate: BND010
                    invoice_number = models.CharField(max_length=20)
                    bill = models.ForeignObject(  # gate: BND010
                        "billing.Invoice",
                        on_delete=models.DO_NOTHING,
                        from_fields=["invoice_number"],
                        to_fields=["number"],
                        related_name="+",
                    )
            """
        },
    ),
    case(
        "many-to-many relations, with a table of their own and through a model",
        {
            "orders/models/many.py": """
                from django.db import models


                class Campaign(models.Model):
                    reached = models.ManyToManyField("users.User", related_name="campaigns")  # gate: BND011
                    invited = models.ManyToManyField(  # gate: BND011
                        "users.User", through="Invitation", related_name="+"
                    )


                class Invitation(models.Model):
                    campaign = models.ForeignKey(Campaign, models.CASCADE)
                    guest = models.ForeignKey("users.User", models.CASCADE, related_name="+")  # gate: BND010
            """
        },
    ),
    case(
        "generic relations",
        {
            "billing/models/notes.py": """
                from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
                from django.contrib.contenttypes.models import ContentType
                from django.db import models


                class Note(models.Model):
                    content_type = models.ForeignKey(ContentType, models.CASCADE)
                    object_id = models.PositiveIntegerField()
                    subject = GenericForeignKey()  # gate: BND012


                class Dunning(models.Model):
                    remarks = GenericRelation(Note)


                class LastDunning(Dunning):
                    class Meta:
                        proxy = True


                class NoteOnPaper(Note):
                    paper = models.CharField(max_length=9)
            """,
            "orders/models/remarked.py": """
                from django.contrib.contenttypes.fields import GenericRelation
                from django.db import models


                class Remarked(models.Model):
                    remarks = GenericRelation("billing.Note")  # gate: BND012


                class RemarkedTwice(Remarked):
                    class Meta:
                        proxy = True
            """,
        },
    ),
    case(
        "models that inherit across the border",
        {
            "orders/models/children.py": """
                from django.db import models

                from mall.users.models import Stamped, User  # gate: BND001


                class Parcel(Stamped):  # gate: BND015
                    weight = models.IntegerField()


                class Wholesaler(User):  # gate: BND015
                    discount = models.IntegerField()


                class Shopper(User):  # gate: BND015
                    class Meta:
                        proxy = True
            """
        },
    ),
    case(
        "an unmanaged model over a neighbour's table",
        {
            "orders/models/mirror.py": """
                from django.db import models


                class BilledRow(models.Model):
                    number = models.CharField(max_length=20)

                    class Meta:
                        managed = False
                        db_table = "billing_invoice"  # gate: BND021


                class UserRow(models.Model):
                    email = models.TextField()

                    class Meta:
                        managed = False
                        db_table = '"public"."users_user"'  # gate: BND021
            """
        },
    ),
    case(
        "a model put under a neighbour's label",
        {
            "orders/models/squatter.py": """
                from django.db import models


                class Badge(models.Model):
                    title = models.CharField(max_length=50)

                    class Meta:
                        app_label = "users"  # gate: BND021
            """
        },
    ),
]

LOOK_ALIKES = [
    case(
        "relations inside the context, with names of other contexts",
        {
            "orders/models/inside.py": """
                import uuid

                from django.db import models

                from .sales import Customer, Sale


                class Shipment(models.Model):
                    users = models.ForeignKey(Customer, models.CASCADE, related_name="billing")
                    sales = models.ManyToManyField(Sale)
                    parent = models.ForeignKey("self", models.CASCADE, null=True)
                    related = models.ManyToManyField("self")
                    returned = models.OneToOneField("Returned", models.SET_NULL, null=True)
                    user_id = models.UUIDField(default=uuid.uuid4)
                    users_user = models.CharField(max_length=10, db_column="users_user")


                class Returned(models.Model):
                    sale = models.ForeignKey("orders.Sale", models.CASCADE, related_name="users")

                    class Meta:
                        db_table = "orders_users"
                        verbose_name = "users_user"
            """
        },
    ),
    case(
        "keys to Django's own rows",
        {
            "orders/models/operators.py": """
                from django.contrib.auth.models import Group
                from django.db import models


                class Desk(models.Model):
                    group = models.ForeignKey(Group, models.PROTECT)
                    sessions = models.ManyToManyField("sessions.Session")
            """
        },
        UNDECLARED,
    ),
    case(
        "an abstract row of the library, and a child of one's own model",
        {
            "orders/models/heirs.py": """
                from fissile.data.models import AggregateRow

                from .sales import Sale


                class Contract(AggregateRow):
                    class Meta:
                        db_table = "orders_contract"


                class BulkSale(Sale):
                    class Meta:
                        proxy = True
            """
        },
        DECLARED,
    ),
]
