"""Whole modules as a shop has them, several channels in a file; written after the checks, to see what they miss."""

from __future__ import annotations

from .planting import DECLARED, Case, case

PLANTS = [
    case(
        "a dashboard",
        {
            "orders/models/trades.py": """
                from django.conf import settings
                from django.db import models
                from django.urls import reverse
                from django.utils import timezone


                class TradeQuerySet(models.QuerySet):
                    def of_active_people(self):
                        return self.filter(seller__is_active=True).exclude(seller__email="")  # gate: BND013


                class Trade(models.Model):
                    seller = models.ForeignKey(  # gate: BND010
                        settings.AUTH_USER_MODEL,
                        on_delete=models.CASCADE,
                        related_name="trades",
                    )
                    closed_at = models.DateTimeField(default=timezone.now)
                    amount = models.IntegerField()

                    objects = TradeQuerySet.as_manager()

                    class Meta:
                        constraints = [models.UniqueConstraint(fields=["seller", "closed_at"], name="trade_once")]

                    def __str__(self):
                        return f"{self.seller} sold for {self.amount}"  # gate: BND013

                    def get_absolute_url(self):
                        return reverse("orders:basket")

                    def seller_url(self):
                        return self.seller.get_absolute_url()  # gate: BND013
            """,
            "orders/dashboard.py": """
                from datetime import timedelta

                from django.core.cache import caches
                from django.db import connections
                from django.db.models import Avg, Count, F, OuterRef, Q, Subquery, Sum
                from django.db.models.functions import TruncDay
                from django.http import JsonResponse
                from django.utils import timezone
                from django.views import View

                from .models import Sale, SaleLine, Trade


                class Dashboard(View):
                    def get(self, request):
                        since = timezone.now() - timedelta(days=30)
                        trades = Trade.objects.filter(closed_at__gte=since)
                        by_day = trades.annotate(day=TruncDay("closed_at")).values("day").annotate(n=Count("id"))
                        sellers = trades.values("seller__username").annotate(total=Sum("amount"))  # gate: BND013
                        newest = (
                            trades.select_related("seller")  # gate: BND013
                            .order_by("-closed_at")[:10]
                        )
                        rows = [{"who": trade.seller.username, "sum": trade.amount} for trade in newest]  # gate: BND013
                        mine = trades.filter(seller=request.user).count()
                        lines = SaleLine.objects.filter(sale__customer__name=OuterRef("name"))
                        return JsonResponse(
                            {
                                "days": list(by_day),
                                "sellers": list(sellers),
                                "rows": rows,
                                "mine": mine,
                                "lines": lines.count(),
                                "raw": self._raw(since),
                            }
                        )

                    def _raw(self, since):
                        sql = (
                            "select u.id, sum(t.amount) "
                            "from orders_trade t "
                            "inner join users_user u on u.id = t.seller_id "
                            "where t.closed_at > %s group by u.id"
                        )
                        with connections["orders"].cursor() as cursor:
                            cursor.execute(sql, [since])  # gate: BND020
                            columns = [column[0] for column in cursor.description]
                            return [dict(zip(columns, row)) for row in cursor.fetchall()]
            """,
            "users/account_page.py": """
                from django.db.models import Count, Sum
                from django.shortcuts import get_object_or_404, render

                from .models import User


                def account(request, username):
                    people = User.objects.prefetch_related("trades")  # gate: BND013
                    person = get_object_or_404(people, username=username)
                    total = person.trades.aggregate(total=Sum("amount"))["total"]  # gate: BND013
                    top = User.objects.annotate(n=Count("trades")).order_by("-n")[:5]  # gate: BND013
                    for other in top:
                        other.score = other.trades.count()  # gate: BND013
                    return render(request, "users/profile.html", {"person": person, "total": total, "top": top})
            """,
        },
    ),
    case(
        "a nightly command",
        {
            "orders/management/commands/close_sales.py": """
                import logging

                from django.apps import apps
                from django.conf import settings
                from django.core.cache import cache
                from django.core.management.base import BaseCommand
                from django.db import transaction

                from mall.orders.models import Purchase, Sale

                logger = logging.getLogger(__name__)


                class Command(BaseCommand):
                    help = "Closes what nobody paid; users_user is not touched."

                    def add_arguments(self, parser):
                        parser.add_argument("--days", type=int, default=settings.ORDERS_PAGE_SIZE)

                    def handle(self, *args, days, **options):
                        invoices = apps.get_model("billing", "Invoice")  # gate: BND014
                        with transaction.atomic():  # gate: BND100
                            for purchase in self.unpaid(days):
                                purchase.status = "closed"
                                purchase.save(update_fields=["status"])  # gate: BND110
                                logger.info("closed %s", purchase.pk)
                        cache.set("last_close", days)  # gate: BND080
                        self.stdout.write(f"{invoices.objects.count()} invoices")

                    def unpaid(self, days):
                        return Purchase.objects.filter(status="open")
            """
        },
        DECLARED,
    ),
    case(
        "an API of viewsets",
        {
            "orders/api/viewsets.py": """
                from django.db import transaction
                from rest_framework import serializers, viewsets
                from rest_framework.decorators import action
                from rest_framework.response import Response

                from mall.orders.models import Purchase
                from mall.users.contracts.types import Account  # gate: BND001


                class PurchaseSerializer(serializers.ModelSerializer):
                    class Meta:
                        model = Purchase
                        fields = ["id", "status"]


                class PurchaseViewSet(viewsets.ModelViewSet):
                    queryset = Purchase.objects.select_related("owner")
                    serializer_class = PurchaseSerializer

                    @action(detail=True, methods=["post"])
                    @transaction.atomic("users")  # gate: BND101
                    def pay(self, request, pk=None):
                        purchase = self.get_object()
                        purchase.status = "paid"
                        purchase.save()  # gate: BND110
                        return Response(self.get_serializer(purchase).data)

                    @action(detail=False, methods=["delete"])
                    def clear(self, request):
                        deleted, _ = self.filter_queryset(self.get_queryset()).delete()  # gate: BND110
                        return Response({"deleted": deleted})
            """,
            "orders/services/checkout.py": """
                from django.db import transaction

                from mall.orders import tasks as order_tasks
                from mall.orders.models import Customer, Purchase
                from mall.orders.tasks.mails import send_receipt


                class Checkout:
                    def __init__(self, customer: Customer):
                        self.customer = customer

                    def run(self):
                        purchase = self.customer.purchases.create(status="open")  # gate: BND110
                        with transaction.atomic(using="orders"):
                            self._number(purchase)
                        transaction.on_commit(lambda: send_receipt.delay(purchase.pk))  # gate: BND100, BND072
                        return purchase

                    def _number(self, purchase: Purchase) -> None:
                        Purchase.objects.filter(pk=purchase.pk).update(status="numbered")  # gate: BND110
            """,
        },
        DECLARED,
    ),
]

LOOK_ALIKES: list[Case] = []
