"""A small API for the tests of the HTTP doors: every kind of operation once, and things that break."""

from __future__ import annotations

from types import SimpleNamespace

from django.db import OperationalError
from django.http import HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response

from fissile import carry
from fissile.data.commands import Answer
from fissile.edge.api.fields import Identifier, Money, QuerySerializer, StrictSerializer, Text, Whole, money
from fissile.edge.api.operations import operation
from fissile.edge.api.urls import context_urls, docs_urls
from fissile.edge.api.views import ApiView, answered, shown
from fissile.errors import BrokenContractError, Refusal, UncertainError


class SoldOut(Refusal):
    """The quarry has no more of this."""

    code = "stage.sold_out"
    status = 409


class Line(StrictSerializer):
    sku = Text(longest=40, pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")
    quantity = Whole(lowest=1, highest=1000)


class Wish(StrictSerializer):
    lines = serializers.ListField(child=Line(), min_length=1, max_length=50)
    note = Text(longest=20, required=False)


class Stone(serializers.Serializer):
    id = Identifier()
    price = Money()


class Page(QuerySerializer):
    limit = Whole(lowest=1, highest=100, default=20)


class Stones(ApiView):
    public = True

    @operation("stage_list", summary="List", responses={200: Stone}, query=Page)
    def get(self, request):
        return Response(self.query)

    @operation(
        "stage_place",
        summary="Place",
        request=Wish,
        responses={201: Stone},
        refusals=(SoldOut,),
        response_headers={201: {"Location": "Where it is."}},
    )
    def post(self, request):
        return Response(self.payload(), status=201)


class Mine(ApiView):
    @operation("stage_mine", summary="Mine", responses={200: Stone})
    def get(self, request, stone_id):
        """Shows who is carried."""
        assert carry.current().principal == request.user
        return Response(shown(Stone, {"id": stone_id, "price": money(5, "EUR")}))

    @operation("stage_cut", summary="Cut", request=Line, responses={200: Stone}, idempotent=True)
    def post(self, request, stone_id):
        claim = self.claim()
        return answered(Answer(status=200, body={"key": claim.key, "print": claim.fingerprint}, replayed=True))


class Forgotten(ApiView):
    public = True

    def get(self, request):
        return Response({})


def breaking(error):
    class Breaking(ApiView):
        public = True

        @operation("stage_break", summary="Break", responses={200: Stone})
        def get(self, request):
            raise error

    return Breaking.as_view()


def plain(request):
    raise ZeroDivisionError("the secret is obsidian")


def page(request):
    return HttpResponse("<h1>Gone</h1>", status=410)


API = SimpleNamespace(urlpatterns=[path("stones", Stones.as_view()), path("stones/<uuid:stone_id>", Mine.as_view())])
urlpatterns = [
    *context_urls("stage", API),
    *docs_urls(),
    path("forgotten", Forgotten.as_view()),
    path("break/refusal", breaking(SoldOut(left=0))),
    path("break/bug", breaking(ZeroDivisionError("the secret is obsidian"))),
    path("break/contract", breaking(BrokenContractError("the secret is obsidian"))),
    path("break/database", breaking(OperationalError("password=obsidian"))),
    path("break/uncertain", breaking(UncertainError())),
    path("break/plain", plain),
    path("break/page", page),
    path("admin/bug", plain),
]
handler400 = "fissile.edge.api.problems.bad_request"
handler403 = "fissile.edge.api.problems.forbidden"
handler404 = "fissile.edge.api.problems.not_found"
handler500 = "fissile.edge.api.problems.server_error"
