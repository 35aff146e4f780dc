"""The process table: any cut of the shop, as argv, environment and ports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.house import MONOLITH, SPLIT, Group, House, ServicesMissing, real_stores

CUT_USERS_OUT = (Group(("users",)), Group(("orders", "bff")))


def rows(house):
    """Return the table by process name."""
    return {process.name: process for process in house.processes()}


def test_the_monolith_is_a_gateway_a_web_process_and_a_worker():
    table = rows(House(groups=MONOLITH))

    assert {name: row.port for name, row in table.items()} == {"gateway": 3000, "web": 3010, "worker": None}
    assert table["web"].environment["ROLE"] == "all"
    assert table["web"].environment["TOPOLOGY"] == ""
    assert table["gateway"].environment["TOPOLOGY"].split()[0] == "users=http://127.0.0.1:3010"


def test_the_split_has_a_web_process_and_a_worker_per_context():
    table = rows(House(groups=SPLIT, base_port=4000))

    ports = {name: row.port for name, row in table.items() if row.port}
    assert ports == {"gateway": 4000, "users-web": 4001, "orders-web": 4002, "bff-web": 4003}
    assert table["orders-worker"].environment["TOPOLOGY"] == "users=http://127.0.0.1:4001 bff=http://127.0.0.1:4003"
    assert table["users-web"].health_url == "http://127.0.0.1:4001/healthz"


def test_any_cut_is_a_list_of_groups():
    house = House(groups=CUT_USERS_OUT)
    table = rows(house)

    assert house.topology == "users | orders+bff"
    assert table["orders-bff-web"].environment["ROLE"] == "orders,bff"
    assert table["orders-bff-web"].environment["TOPOLOGY"] == "users=http://127.0.0.1:3001"
    assert house.url("bff") == house.url("orders") == "http://127.0.0.1:3002"


def test_a_launcher_goes_before_the_command_and_extra_variables_over_the_others():
    prefixes = {"worker": ["python", "-m", "launch", "--patch", "x:y", "--"]}
    house = House(prefixes=prefixes, extra={"*": {"LOG_LEVEL": "DEBUG"}, "worker": {"DEBUG": "false"}})
    table = rows(house)

    assert table["worker"].argv[:7] == ("python", "-m", "launch", "--patch", "x:y", "--", house.python)
    assert table["web"].argv[0] == house.python
    assert (table["worker"].environment["DEBUG"], table["web"].environment["DEBUG"]) == ("false", "true")
    assert table["gateway"].environment["LOG_LEVEL"] == "DEBUG"


def test_both_topologies_of_a_tier_share_their_databases(tmp_path):
    names = ("users", "orders", "bff", "operations_all", "operations_orders")
    passwords = {name: f"secret-of-{name}" for name in names}
    postgres = {"port": 1, "passwords": passwords}
    rabbit = {"port": 2, "user": "u", "password": "p", "vhost": "fissile"}
    (tmp_path / "credentials.json").write_text(json.dumps({"postgres": postgres, "rabbitmq": rabbit}))

    whole = real_stores(tmp_path, ("users", "orders", "bff"), "all")
    alone = real_stores(tmp_path, ("orders",), "orders")
    reserved = real_stores(tmp_path, ("orders",), "orders", "t7")

    assert alone["ORDERS_DATABASE_URL"] == whole["ORDERS_DATABASE_URL"]
    assert "USERS_DATABASE_URL" not in alone
    assert (
        alone["OPERATIONS_DATABASE_URL"]
        == "postgres://operations_orders:secret-of-operations_orders@127.0.0.1:1/operations_orders"
    )
    assert reserved["ORDERS_DATABASE_URL"].endswith(":1/t7_orders")
    assert (whole["BROKER_URL"], reserved["BROKER_URL"]) == (
        "amqp://u:p@127.0.0.1:2/fissile",
        "amqp://u:p@127.0.0.1:2/t7",
    )


def test_the_real_tier_without_services_says_how_to_get_them(tmp_path):
    with pytest.raises(ServicesMissing, match=r"Fix: make services"):
        House(tier="real", services_dir=tmp_path).processes()


def test_every_command_of_the_table_is_a_module_of_the_environment():
    for process in House(groups=SPLIT).processes():
        assert process.argv[1] == "-m"
        assert Path(process.argv[0]).is_absolute()
