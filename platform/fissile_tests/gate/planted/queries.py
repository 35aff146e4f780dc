"""Queries, attributes and templates that cross a relation."""

from __future__ import annotations

from .planting import case

# The relations that these queries cross: two ways out of orders, one with a name for the way back.
_WISHES = """
    from django.db import models


    class Wishlist(models.Model):
        title = models.CharField(max_length=50)
        wisher = models.ForeignKey("users.User", models.CASCADE)  # gate: BND010
        giver = models.ForeignKey("users.User", models.CASCADE, null=True, related_name="given")  # gate: BND010


    class Wish(models.Model):
        list = models.ForeignKey(Wishlist, models.CASCADE, related_name="wishes")
        text = models.TextField()
"""

PLANTS = [
    case(
        "rows reached backwards",
        {
            "orders/models/wishes.py": _WISHES,
            "users/loyalty.py": """
                def points(user):
                    return sum(1 for wish in user.wishlist_set.all()) + user.given.count()  # gate: BND013


                def latest(user):
                    return user.wishlist_set.select_related("giver").order_by("-pk").first()  # gate: BND013


                def forget(user):
                    user.wishlist_set.all().delete()  # gate: BND013
            """,
            "users/templates/users/loyalty.html": """
                <h1>{{ person.name }}</h1>
                {% for list in person.wishlist_set.all %}  {# gate: BND013 #}
                <li>{{ list.title }}</li>
                {% endfor %}
                <p>{{ person.given.count }} presents</p>  {# gate: BND013 #}
            """,
        },
    ),
    case(
        "queries from the other side of a key",
        {
            "users/reports.py": """
                from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q

                from .models import Team, User


                def wishers():
                    return User.objects.filter(wishlist__title__icontains="bike")  # gate: BND013


                def busy():
                    return User.objects.annotate(n=Count("wishlist")).filter(n__gt=3)  # gate: BND013


                def with_lists():
                    return User.objects.prefetch_related(
                        Prefetch("wishlist_set"),  # gate: BND013
                        "given",  # gate: BND013
                    )


                def without():
                    return User.objects.filter(Q(given__isnull=True) | Q(credit=0))  # gate: BND013


                def titles():
                    return User.objects.values("id", "wishlist__title")  # gate: BND013


                def teams():
                    return Team.objects.filter(members__wishlist__title="x")  # gate: BND013
            """
        },
    ),
    case(
        "joins along a key",
        {
            "orders/exports.py": """
                from django.db.models import Case, Count, F, Max, OuterRef, Q, Value, When
                from django.db.models.functions import Coalesce, Lower
                from django.shortcuts import get_object_or_404

                from .models import Wish, Wishlist

                COLUMNS = ["title", "wisher__email"]  # gate: BND013


                def emails():
                    return Wishlist.objects.values_list("wisher__email", flat=True)  # gate: BND013


                def rows():
                    return Wishlist.objects.values(*COLUMNS)


                def eager():
                    return Wishlist.objects.select_related("wisher")  # gate: BND013


                def eager_two_steps():
                    return Wish.objects.select_related("list__wisher")  # gate: BND013


                def two_steps():
                    return Wish.objects.filter(list__wisher__username="ada").exists()  # gate: BND013


                def by_mail(email):
                    return get_object_or_404(Wishlist, wisher__email__iexact=email)  # gate: BND013


                def searched(text):
                    wanted = Q(title=text) | Q(wisher__last_name__icontains=text)  # gate: BND013
                    return Wishlist.objects.filter(wanted)


                def rich():
                    return Wishlist.objects.filter(pk__gt=F("wisher__credit"))  # gate: BND013


                def sorted_lists():
                    return Wishlist.objects.order_by("-wisher__date_joined", "title")  # gate: BND013


                def named():
                    return Wishlist.objects.annotate(
                        mail=Lower("wisher__email"),  # gate: BND013
                        rank=Case(When(giver__is_staff=True, then=Value(1)), default=Value(0)),  # gate: BND013
                    )


                def loose(options):
                    return Wishlist.objects.filter(**{"wisher__is_active": True, "title": "x"})  # gate: BND013


                def chained():
                    return (
                        Wishlist.objects
                        .filter(title="x")
                        .exclude(giver__email="")  # gate: BND013
                        .order_by("pk")
                    )


                def latest():
                    return Wishlist.objects.aggregate(Max("wisher__last_login"))  # gate: BND013
            """
        },
    ),
    case(
        "attributes along a key",
        {
            "orders/mails.py": """
                from .models import Wish, Wishlist


                def remind(wishlist: Wishlist):
                    return f"Dear {wishlist.wisher.first_name}"  # gate: BND013


                def addresses():
                    lists = Wishlist.objects.filter(title="x")
                    return [each.wisher.email for each in lists]  # gate: BND013


                def address_of(pk):
                    wishlist = Wishlist.objects.get(pk=pk)
                    who = wishlist.wisher  # gate: BND013
                    return who.email


                def far(wish: Wish):
                    return wish.list.giver.email  # gate: BND013
            """,
            "orders/models/self_reaching.py": """
                from django.db import models


                class Present(models.Model):
                    receiver = models.ForeignKey("users.User", models.CASCADE, related_name="+")  # gate: BND010

                    def __str__(self):
                        return f"for {self.receiver.username}"  # gate: BND013
            """,
        },
    ),
    case(
        "fields of serializers, filters and forms along a key",
        {
            "orders/serializers.py": """
                from rest_framework import serializers

                from .models import Wishlist


                class WishlistSerializer(serializers.ModelSerializer):
                    wisher_email = serializers.EmailField(source="wisher.email", read_only=True)  # gate: BND013

                    class Meta:
                        model = Wishlist
                        fields = ["id", "title", "wisher_email"]
            """,
            "orders/filters.py": """
                import django_filters

                from .models import Wishlist


                class WishlistFilter(django_filters.FilterSet):
                    email = django_filters.CharFilter(field_name="wisher__email")  # gate: BND013

                    class Meta:
                        model = Wishlist
                        fields = ["title", "giver__is_staff"]  # gate: BND013
            """,
        },
    ),
    case(
        "queries of querysets and managers of one's own, and the models' own properties",
        {
            "orders/models/managed.py": """
                from django.db import models


                class WishQuerySet(models.QuerySet):
                    def rich(self):
                        return self.filter(sponsor__credit__gt=0)  # gate: BND013

                    def complete(self):
                        return self.select_related("sponsor").prefetch_related("friends")  # gate: BND013


                class BigWish(models.Model):
                    sponsor = models.ForeignKey("users.User", models.CASCADE, related_name="+")  # gate: BND010
                    friends = models.ManyToManyField("users.User", related_name="+")  # gate: BND011
                    objects = WishQuerySet.as_manager()

                    class Meta:
                        ordering = ["sponsor__username"]  # gate: BND013
                        indexes = [models.Index(fields=["sponsor"])]

                    @property
                    def who(self):
                        return self.sponsor.username if self.sponsor_id else ""  # gate: BND013

                    def all_friends(self):
                        return [each.username for each in self.friends.all()]  # gate: BND013
            """,
            "orders/templates/orders/wishes.html": """
                {% for wish in wishes %}
                <p>{{ wish.title }} for {{ wish.sponsor.first_name }}</p>  {# gate: BND013 #}
                {% endfor %}
            """,
        },
    ),
]

LOOK_ALIKES = [
    case(
        "relations of one's own, read both ways",
        {
            "orders/statistics.py": """
                from django.db.models import Count, F, Q

                from .models import Customer, Sale, SaleLine, Wish, Wishlist


                def of(sale: Sale):
                    return [line.title for line in sale.lines.all()] + [sale.customer.name]


                def by_customer():
                    return Customer.objects.annotate(n=Count("sales")).filter(sales__lines__title="x").order_by("name")


                def lines():
                    return SaleLine.objects.select_related("sale__customer").values("sale__customer__name")


                def wishes(wishlist: Wishlist):
                    return wishlist.wishes.count() + Wish.objects.filter(list__title="x").count()


                def ids(wishlist: Wishlist):
                    mine = Wishlist.objects.filter(wisher_id=3, giver=4, wisher__in=[1])
                    return mine.values("wisher_id", "giver__id")
            """
        },
    ),
    case(
        "a relation of one's own with the name of one that crosses",
        {
            "orders/models/namesakes.py": """
                from django.db import models

                from .sales import Customer


                class Rental(models.Model):
                    wisher = models.ForeignKey(Customer, models.CASCADE, related_name="rentals")


                class Offer(models.Model):
                    maker = models.ForeignKey(Customer, models.CASCADE, related_name="given")
            """,
            "orders/rentals.py": """
                from .models import Customer, Rental


                def renters():
                    return Rental.objects.select_related("wisher").filter(wisher__name="Ada")


                def name(rental: Rental):
                    return rental.wisher.name


                def offers(customer: Customer):
                    return customer.given.all()
            """,
        },
    ),
    case(
        "words that are no lookups",
        {
            "users/text.py": """
                import os

                from .models import Team, User


                def greet(request, data, person):
                    print(data.get("wishlist"), data.get("wishlist__title"))
                    os.environ.get("given")
                    request.session.get("wishlist_set", [])
                    person.settings.update({"given": 1})
                    return {"wishlist": "a wishlist", "given": person.given_name}


                def colleagues(user: User):
                    return Team.objects.filter(members=user) | user.teams.all()
            """,
            "orders/words.py": """
                def show(request, data):
                    return request.user.email, data.wisher.upper(), data["wisher"], "wisher", {"wisher": 1}
            """,
        },
    ),
    case(
        "templates that read requests, forms and rows of one's own",
        {
            "orders/templates/orders/reading.html": """
                {{ request.wisher.email }} {{ form.wisher.errors }} {{ form.sponsor.label_tag }}
                {{ sale.customer.name }} {% for line in sale.lines.all %}{{ line.title }}{% endfor %}
                {{ wish.sponsor_id }}
            """
        },
    ),
]
