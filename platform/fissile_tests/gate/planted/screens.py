"""The admin, addresses and templates."""

from __future__ import annotations

from .planting import case

_RATINGS = """
    from django.db import models


    class Rating(models.Model):
        stars = models.IntegerField()
        critic = models.ForeignKey("users.User", models.CASCADE, related_name="ratings")  # gate: BND010
        editors = models.ManyToManyField("users.User", related_name="+")  # gate: BND011
"""

PLANTS = [
    case(
        "a neighbour's models in the admin",
        {
            "orders/admin/foreign.py": """
                from django.contrib import admin
                from django.contrib.admin import site

                from mall.billing import models as billing_models  # gate: BND001
                from mall.users.models import Team, User  # gate: BND001


                class TeamInline(admin.TabularInline):
                    model = Team  # gate: BND050


                @admin.register(User)  # gate: BND050
                class BuyerAdmin(admin.ModelAdmin):
                    list_display = ["username"]


                admin.site.register(Team)  # gate: BND050
                site.register([billing_models.Invoice], admin.ModelAdmin)  # gate: BND050
                admin.site.unregister(User)  # gate: BND050
            """
        },
    ),
    case(
        "admin options along a key",
        {
            "orders/models/ratings.py": _RATINGS,
            "orders/admin/ratings.py": """
                from django.contrib import admin

                from mall.orders.models import Rating


                @admin.register(Rating)
                class RatingAdmin(admin.ModelAdmin):
                    list_display = ["stars", "critic"]  # gate: BND051
                    list_filter = ["stars", "critic__is_staff"]  # gate: BND051
                    search_fields = ("=critic__email",)  # gate: BND051
                    autocomplete_fields = ["critic"]  # gate: BND051
                    filter_horizontal = ["editors"]  # gate: BND051
                    list_select_related = ("critic",)  # gate: BND051
                    ordering = ["-critic__last_login"]  # gate: BND051

                    def get_queryset(self, request):
                        return super().get_queryset(request).select_related("critic")  # gate: BND013


                class RatingInline(admin.StackedInline):
                    model = Rating
                    raw_id_fields = ["critic"]  # gate: BND051
            """,
        },
    ),
    case(
        "addresses of a neighbour",
        {
            "orders/links.py": """
                from django.contrib.auth.decorators import login_required
                from django.http import HttpResponseRedirect
                from django.shortcuts import redirect, resolve_url
                from django.urls import reverse, reverse_lazy
                from django import urls
                from django.views.generic import CreateView


                def profile(user_id):
                    return reverse("users:profile", args=[user_id])  # gate: BND060


                def after(request):
                    return redirect("users:profile", pk=request.user.pk)  # gate: BND060


                def invoice(number):
                    return HttpResponseRedirect(urls.reverse("invoice-detail", args=[number]))  # gate: BND060


                def target(view):
                    return resolve_url("users:login") + "?next=/"  # gate: BND060


                class Create(CreateView):
                    success_url = reverse_lazy("users:profile")  # gate: BND060


                @login_required(login_url="users:login")  # gate: BND060
                def checkout(request):
                    pass
            """,
            "orders/templates/orders/links.html": """
                <a href="{% url 'users:profile' user.pk %}">you</a>  {# gate: BND060 #}
                <a href="{% url "invoice-detail" number=sale.number as link %}">bill</a>  {# gate: BND060 #}
                <a href="{% url 'orders:basket' %}">basket</a>
            """,
        },
    ),
    case(
        "a neighbour's templates",
        {
            "orders/pages.py": """
                from django import template
                from django.shortcuts import render
                from django.template import loader
                from django.template.loader import get_template, render_to_string
                from django.template.response import TemplateResponse
                from django.views.generic import TemplateView

                register = template.Library()


                def one(request):
                    return render(request, "users/profile.html", {})  # gate: BND061


                def two():
                    return render_to_string("users/_card.html")  # gate: BND061


                def again():
                    return loader.render_to_string("users/_card.html")  # gate: BND061


                def three(request):
                    return TemplateResponse(request, template="users/base.html")  # gate: BND061


                def four():
                    return loader.select_template(["orders/basket.html", "users/base.html"])  # gate: BND061


                class Page(TemplateView):
                    template_name = "users/profile.html"  # gate: BND061


                class Other(TemplateView):
                    def get_template_names(self):
                        return ["users/profile.html"]  # gate: BND061


                view = TemplateView.as_view(template_name="users/profile.html")  # gate: BND061


                @register.inclusion_tag("users/_card.html")  # gate: BND061
                def card(person):
                    return {"person": person}
            """,
            "orders/templates/orders/page.html": """
                {% extends "users/base.html" %}  {# gate: BND061 #}
                {% load people %}  {# gate: BND061 #}
                {% include 'users/_card.html' with person=buyer only %}  {# gate: BND061 #}
            """,
        },
    ),
    case(
        "a neighbour's routes included",
        {
            "orders/routes/urls.py": """
                from django.urls import include, path
                from django.urls import re_path

                from mall.billing import urls as billing_urls  # gate: BND001

                urlpatterns = [
                    path("buyers/", include("mall.users.urls")),  # gate: BND062
                    path("people/", include(("mall.users.urls", "users"), namespace="people")),  # gate: BND062
                    re_path("^bills/", include(billing_urls)),  # gate: BND062
                ]
            """
        },
    ),
    case(
        "the user model in the admin, by its setting",
        {
            "orders/admin/by_setting.py": """
                from django.contrib import admin
                from django.contrib.auth import get_user_model

                User = get_user_model()  # gate: BND014

                admin.site.register(User)  # gate: BND050


                class UserInline(admin.TabularInline):
                    model = User  # gate: BND050
            """
        },
    ),
    case(
        "addresses by the name of an option",
        {
            "orders/named_links.py": """
                from django.shortcuts import redirect
                from django.urls import reverse
                from django.views.generic import RedirectView
                from rest_framework import serializers


                class Old(RedirectView):
                    pattern_name = "users:profile"  # gate: BND060


                class Link(serializers.Serializer):
                    url = serializers.HyperlinkedIdentityField(view_name="users:profile")  # gate: BND060


                moved = RedirectView.as_view(pattern_name="invoice-detail")  # gate: BND060


                def go(name):
                    redirect(to="users:login")  # gate: BND060
                    return reverse(f"users:{name}")  # gate: BND060
            """,
            "orders/jinja2/orders/links.html": """
                {% from "users/_card.html" import card %}  {# gate: BND061 #}
                <a href="{{ url('users:profile', 1) }}">you</a>  {# gate: BND060 #}
            """,
        },
    ),
]

LOOK_ALIKES = [
    case(
        "an admin of one's own",
        {
            "orders/admin/own.py": """
                from django.contrib import admin

                from mall.orders.models import Customer, Rating, Sale, SaleLine


                class LineInline(admin.TabularInline):
                    model = SaleLine
                    autocomplete_fields = ["sale"]


                @admin.register(Sale)
                class SaleAdmin(admin.ModelAdmin):
                    inlines = [LineInline]
                    list_display = ["reference", "customer", "users", "buyer_email"]
                    list_filter = ["customer__name"]
                    search_fields = ["reference", "customer__name"]
                    raw_id_fields = ["customer"]

                    def users(self, sale):
                        return 0

                    @admin.display(description="users")
                    def buyer_email(self, sale):
                        return "users"


                class PlainRatingAdmin(admin.ModelAdmin):
                    model = Rating
                    list_display = ["stars", "critic_id"]
                    readonly_fields = ["critic_id"]


                admin.site.register(Customer)
                admin.site.register([Rating], PlainRatingAdmin)
            """
        },
    ),
    case(
        "addresses of one's own, of the admin, and words in paths",
        {
            "orders/own_links.py": """
                from django.shortcuts import redirect
                from django.urls import include, path, reverse

                from mall.orders.models import Sale


                def links(sale, user):
                    reverse("orders:basket")
                    reverse("admin:orders_sale_change", args=[sale.pk])
                    reverse("admin:users_user_change", args=[1])
                    redirect("/users/profile/")
                    redirect("https://shop.invalid/users:profile")
                    redirect(sale)
                    return user.get_absolute_url()


                urlpatterns = [
                    path("users/", lambda request: None, name="orders-users"),
                    path("old/", include("mall.orders.urls")),
                    path("api/", include("rest_framework.urls")),
                ]
            """,
            "orders/templates/orders/own.html": """
                {% extends "orders/basket.html" %}
                {% load static i18n %}
                {# {% url 'users:profile' %} #}
                {% comment %}{% include "users/_card.html" %}{% endcomment %}
                <a href="{% url 'orders:basket' %}">users</a> <a href="{{ person.get_absolute_url }}">you</a>
                <a href="/users/profile/">users:profile</a>
                <img src="{% static 'users/logo.png' %}">
            """,
        },
    ),
    case(
        "a template of one's own that overrides a neighbour's",
        {
            "billing/templates/users/_card.html": "<p>{{ person.name }}, billed</p>\n",
            "billing/cards.py": """
                from django.shortcuts import render


                def card(request):
                    return render(request, "users/_card.html")
            """,
        },
    ),
]
