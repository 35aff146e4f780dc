"""`manage.py runserver` alone shows the whole flow: no gateway, no worker, one labelled thread."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from os import getpid

import pytest

from bff_app.management.shop import Shop
from bff_app.management.tour import HOPS_BEHIND_THE_GATEWAY, Tour
from deploy.local.ends_with_parent import end_with_parent
from deploy.local.house import HOST, House
from fissile.testing.processes import Processes
from tests.house import ROOT, free_base, prepare

pytestmark = pytest.mark.house


@dataclass(frozen=True)
class Runserver:
    """One row of a process table."""

    environment: dict[str, str]
    port: int
    name: str = "runserver"

    @property
    def argv(self):
        return (sys.executable, "manage.py", "runserver", f"{HOST}:{self.port}", "--noreload")

    @property
    def ready_url(self):
        return f"http://{HOST}:{self.port}/readyz"


def test_the_tour_walks_on_runserver_alone(tmp_path):
    house = House(state_dir=tmp_path)
    prepare(house)
    server = Runserver(house.management(house.groups[0]), free_base())

    with Processes(table=[server], cwd=ROOT, log_dir=tmp_path, preexec=partial(end_with_parent, getpid())) as running:
        shop = Shop(url=f"http://{HOST}:{server.port}")
        tour = Tour(shop=shop, traces=tmp_path / "traces.sqlite3", hops=HOPS_BEHIND_THE_GATEWAY)
        seen = [step().sentence for _, step in tour.steps()]
        said = running.log("runserver", last=100_000)

    assert seen[1].endswith(" → ".join(HOPS_BEHIND_THE_GATEWAY))
    assert seen[2].startswith("confirmed, 49.50 EUR captured; consume payments.orders")
    assert seen[3] == "same answer, marked as replayed, one order"
    assert "in-process" in said
