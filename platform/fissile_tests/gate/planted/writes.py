"""Aggregates that change past the outbox."""

from __future__ import annotations

from .planting import DECLARED, case

PLANTS = [
    case(
        "aggregates written through managers",
        {
            "orders/writing/managers.py": """
                from mall.orders import models
                from mall.orders.models import Customer, Purchase


                def expire():
                    Purchase.objects.filter(status="open").update(status="expired")  # gate: BND110


                def add(owner):
                    Purchase.objects.create(owner=owner, status="open")  # gate: BND110
                    Purchase.objects.get_or_create(owner=owner)  # gate: BND110
                    Purchase.objects.bulk_create([Purchase(owner=owner)])  # gate: BND110


                def purge():
                    models.Purchase.objects.all().delete()  # gate: BND110
                    Purchase.archive.filter(status="old").delete()  # gate: BND110
                    Purchase.objects.expired().delete()  # gate: BND110
                    Purchase._base_manager.update(status="x")  # gate: BND110


                def of_customer(customer: Customer):
                    customer.purchases.update(status="x")  # gate: BND110
                    customer.purchases.filter(status="y").delete()  # gate: BND110
                    customer.purchases.create(status="z")  # gate: BND110


                async def later():
                    await Purchase.objects.filter(status="open").aupdate(status="late")  # gate: BND110
            """
        },
        DECLARED,
    ),
    case(
        "aggregates written through variables",
        {
            "orders/writing/variables.py": """
                from __future__ import annotations

                from django.shortcuts import get_object_or_404

                from mall.orders.models import Purchase, PurchaseNote


                def expire():
                    stale = Purchase.objects.filter(status="open")
                    stale = stale.exclude(status="paid")
                    stale.update(status="expired")  # gate: BND110
                    for one in stale:
                        one.save()  # gate: BND110


                def cancel(pk):
                    purchase = Purchase.objects.get(pk=pk)
                    purchase.status = "cancelled"
                    purchase.save(update_fields=["status"])  # gate: BND110


                def remove(pk):
                    get_object_or_404(Purchase, pk=pk).delete()  # gate: BND110
                    Purchase.objects.get(pk=pk).delete()  # gate: BND110


                def reopen(pk):
                    if (purchase := Purchase.objects.filter(pk=pk).first()) is not None:
                        purchase.save()  # gate: BND110


                def typed(purchase: Purchase | None, other: "Purchase"):
                    purchase.save()  # gate: BND110
                    other.delete()  # gate: BND110


                def fresh(owner):
                    purchase = Purchase(owner=owner)
                    purchase.save()  # gate: BND110
                    Purchase(owner=owner).save()  # gate: BND110


                def made(owner):
                    purchase, created = Purchase.objects.update_or_create(owner=owner)  # gate: BND110
                    purchase.save()  # gate: BND110


                def listed():
                    [each.delete() for each in Purchase.objects.all()]  # gate: BND110


                def of_note(note: PurchaseNote):
                    note.purchase.save()  # gate: BND110


                async def asked(pk):
                    purchase = await Purchase.objects.aget(pk=pk)
                    await purchase.asave()  # gate: BND110
            """
        },
        DECLARED,
    ),
    case(
        "aggregates written from the admin",
        {
            "orders/admin/purchases.py": """
                from django.contrib import admin

                from mall.orders.models import Purchase


                @admin.action(description="Cancel")
                def cancel(modeladmin, request, queryset):
                    queryset.update(status="cancelled")  # gate: BND110


                @admin.register(Purchase)
                class PurchaseAdmin(admin.ModelAdmin):
                    actions = ["expire", cancel]

                    @admin.action(description="Expire")
                    def expire(self, request, queryset):
                        queryset.update(status="expired")  # gate: BND110
                        for purchase in queryset:
                            purchase.save()  # gate: BND110

                    def save_model(self, request, obj, form, change):
                        obj.save()  # gate: BND110
            """
        },
        DECLARED,
    ),
    case(
        "aggregates written by views, models and tasks",
        {
            "orders/writing/views.py": """
                from django.views.generic import DetailView
                from rest_framework.viewsets import GenericViewSet

                from mall.orders.models import Purchase


                class Cancel(DetailView):
                    model = Purchase

                    def post(self, request, pk):
                        self.object = self.get_object()
                        self.object.save()  # gate: BND110


                class Purchases(GenericViewSet):
                    queryset = Purchase.objects.all()

                    def destroy(self, request, pk):
                        self.get_object().delete()  # gate: BND110

                    def empty(self, request):
                        self.get_queryset().filter(status="x").delete()  # gate: BND110
            """,
            "orders/models/moving.py": """
                from django.db import models

                from fissile.data.models import AggregateRow


                class Transfer(AggregateRow):
                    status = models.CharField(max_length=10)

                    def settle(self):
                        self.status = "settled"
                        self.save()  # gate: BND110

                    @classmethod
                    def expire(cls):
                        cls.objects.filter(status="open").update(status="expired")  # gate: BND110
            """,
            "orders/tasks/sweeps.py": """
                from celery import shared_task

                from mall.orders.models import Purchase


                @shared_task(name="orders.expire")
                def expire():
                    for purchase in Purchase.objects.filter(status="open").iterator():
                        purchase.status = "expired"
                        purchase.save()  # gate: BND110
            """,
        },
        DECLARED,
    ),
    case(
        "aggregates written behind functions, methods and querysets of one's own",
        {
            "orders/writing/indirect.py": """
                from mall.orders.models import Customer, Purchase


                def stale():
                    return Purchase.objects.filter(status="open")


                def find(pk) -> Purchase:
                    return Purchase.objects.get(pk=pk)


                def sweep(pk):
                    stale().delete()  # gate: BND110
                    find(pk).save()  # gate: BND110


                class Sweeper:
                    def _old(self):
                        return Purchase.objects.filter(status="old")

                    def run(self):
                        self._old().update(status="gone")  # gate: BND110


                def move(customer: Customer, other: Customer):
                    customer.purchases.set(other.purchases.all())  # gate: BND110
                    other.purchases.clear()  # gate: BND110
            """,
            "orders/models/querysets.py": """
                from django.db import models

                from fissile.data.models import AggregateRow


                class ClaimQuerySet(models.QuerySet):
                    def expire(self):
                        return self.filter(status="open").update(status="expired")  # gate: BND110


                class ClaimManager(models.Manager):
                    def purge(self):
                        self.get_queryset().delete()  # gate: BND110
                        self.all().delete()  # gate: BND110


                class Claim(AggregateRow):
                    status = models.CharField(max_length=10)
                    objects = ClaimQuerySet.as_manager()
                    everything = ClaimManager()
            """,
        },
        DECLARED,
    ),
]

LOOK_ALIKES = [
    case(
        "rows that are no aggregates, reads, and methods of other things",
        {
            "orders/writing/own.py": """
                from mall.orders.models import Customer, Purchase, PurchaseNote, Sale


                def change(pk, form, seen, text, work):
                    purchase = Purchase.objects.select_for_update().get(pk=pk)
                    purchase.status = "open"
                    work.record(purchase, None)
                    purchase.notes.all().delete()
                    purchase.notes.create(text="x")
                    PurchaseNote.objects.filter(purchase=purchase).update(text="y")
                    PurchaseNote.objects.filter(purchase__status="x").delete()
                    Customer.objects.create(name="Ada").save()
                    purchase.owner.save()
                    seen.update({"purchase": purchase})
                    form.save()
                    text.delete()
                    facts = {}
                    facts.update(status="x")
                    names = set(Purchase.objects.values_list("status", flat=True))
                    names.update(["x"])
                    return Purchase.objects.filter(status="x").count()


                class Index(dict):
                    def refresh(self):
                        self.update(Purchase.objects.in_bulk())
            """
        },
        DECLARED,
    ),
    case(
        "an admin that writes rows of no aggregate",
        {
            "orders/admin/notes.py": """
                from django.contrib import admin

                from mall.orders.models import PurchaseNote


                @admin.register(PurchaseNote)
                class NoteAdmin(admin.ModelAdmin):
                    @admin.action(description="Blank")
                    def blank(self, request, queryset):
                        queryset.update(text="")

                    def save_model(self, request, obj, form, change):
                        obj.save()
            """
        },
        DECLARED,
    ),
    case(
        "collections of aggregates, and a context manager that is given its alias",
        {
            "orders/writing/collections.py": """
                from functools import partial

                from django.db import transaction

                from mall.orders.models import Purchase

                in_orders = partial(transaction.atomic, using="orders")


                def sort(seen):
                    purchases = list(Purchase.objects.all())
                    kept = set(purchases)
                    kept.add(purchases[0])
                    kept.update(purchases)
                    purchases.clear()
                    for purchase in purchases:
                        seen.add(purchase.pk)
                    return {purchase.pk: purchase for purchase in kept}
            """
        },
        DECLARED,
    ),
]
