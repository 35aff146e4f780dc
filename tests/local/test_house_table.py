"""The process table: any cut of the shop, as argv, environment and ports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.house import (
    MONOLITH,
    PORTS,
    SPLIT,
    TOPOLOGIES,
    Group,
    House,
    ServicesMissing,
    operations_owner,
    real_stores,
)
from settings.contexts import CONTEXTS

REST = tuple(name for name in CONTEXTS if name != "users")
USERS_OUT_TWICE = (Group(("users",), instances=2), Group(REST))


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
    assert ports == {"gateway": 4000} | {f"{name}-web": row["port"] + 1000 for name, row in CONTEXTS.items()}
    far = table["orders-worker"].environment["TOPOLOGY"].split()
    assert far[:2] == ["users=http://127.0.0.1:4001", "bff=http://127.0.0.1:4003"]
    assert [address.split("=")[0] for address in far] == [name for name in CONTEXTS if name != "orders"]
    assert table["users-web"].health_url == "http://127.0.0.1:4001/healthz"


def test_any_cut_is_a_list_of_groups():
    house = House(groups=USERS_OUT_TWICE)
    table = rows(house)

    assert house.topology == f"users ×2 | {'+'.join(REST)}"
    rest = table[f"{'-'.join(REST)}-web"]
    assert rest.environment["ROLE"] == ",".join(REST)
    assert rest.environment["TOPOLOGY"] == "users=http://127.0.0.1:3001"
    assert house.url("bff") == house.url("orders") == "http://127.0.0.1:3002"


def test_every_context_has_a_cut_in_which_it_alone_is_out():
    for name in CONTEXTS:
        alone, rest = TOPOLOGIES[f"{name}-out"]

        assert alone.contexts == (name,)
        assert set(rest.contexts) == set(CONTEXTS) - {name}
        assert House(groups=(rest, alone)).topology == f"{name}-out"
    assert next(iter(TOPOLOGIES)) == "monolith"
    assert list(TOPOLOGIES)[-2:] == ["split", "split-twice"]


def test_two_instances_share_an_address_and_have_a_port_a_name_and_a_scratch_folder_each():
    house = House(groups=TOPOLOGIES["split-twice"], base_port=4000)
    table = rows(house)
    first, second = table["orders-web-1"], table["orders-web-2"]

    assert {name for name in table if name.startswith("orders-")} == {
        "orders-web-1",
        "orders-web-2",
        "orders-worker-1",
        "orders-worker-2",
    }
    assert first.shared_port == second.shared_port == 4002
    assert first.ready_url != second.ready_url
    for row in (first, second):
        assert {f"127.0.0.1:{row.port}", "127.0.0.1:4002", "--reuse-port"} <= set(row.argv)
    assert house.url("orders") == "http://127.0.0.1:4002"
    assert "orders=http://127.0.0.1:4002" in table["gateway"].environment["TOPOLOGY"]
    scratch = [row.environment["TMPDIR"] for row in table.values()]
    assert len(set(scratch)) == len(table)
    own = [row.port for row in table.values() if row.port]
    assert not {row.shared_port for row in table.values()} & set(own)
    assert {port - 4000 for port in own} <= set(PORTS)


def test_the_folders_of_a_house_are_there_before_its_processes(tmp_path):
    house = House(groups=SPLIT, state_dir=tmp_path)

    house.make_folders()

    for environment in [row.environment for row in house.processes()] + [house.management(SPLIT[0])]:
        assert Path(environment["TMPDIR"]).is_dir()
        assert tmp_path in Path(environment["TMPDIR"]).parents


def test_a_launcher_goes_before_the_command_and_extra_variables_over_the_others():
    prefixes = {"worker": ["python", "-m", "launch", "--patch", "x:y", "--"]}
    house = House(prefixes=prefixes, extra={"*": {"LOG_LEVEL": "DEBUG"}, "worker": {"DEBUG": "false"}})
    table = rows(house)

    assert table["worker"].argv[:7] == ("python", "-m", "launch", "--patch", "x:y", "--", house.python)
    assert table["web"].argv[0] == house.python
    assert (table["worker"].environment["DEBUG"], table["web"].environment["DEBUG"]) == ("false", "true")
    assert table["gateway"].environment["LOG_LEVEL"] == "DEBUG"


def test_both_topologies_of_a_tier_share_their_databases(tmp_path):
    made_for(tmp_path, "users", "orders", "bff", "operations_all", "operations_orders")

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


def test_on_the_broker_each_context_and_each_process_is_somebody_else(tmp_path):
    made_for(tmp_path, "users", "orders", "bff", "operations_all", "operations_users__orders")

    whole = real_stores(tmp_path, ("users", "orders", "bff"), "all")
    reserved = real_stores(tmp_path, ("users", "orders"), "users,orders", "t7")

    assert whole["ORDERS_BROKER_URL"] == "amqp://orders:broker-secret-of-orders@127.0.0.1:2/fissile"
    assert whole["BROKER_URL"] == "amqp://operations_all:broker-secret-of-operations_all@127.0.0.1:2/fissile"
    assert reserved["USERS_BROKER_URL"] == "amqp://users:broker-secret-of-users@127.0.0.1:2/t7"
    assert reserved["BROKER_URL"].startswith("amqp://operations_users__orders:")
    assert "BFF_BROKER_URL" not in reserved
    assert "keeper" not in " ".join([*whole.values(), *reserved.values()])


def test_a_cut_that_the_services_were_not_told_of_says_how_to_tell_them(tmp_path):
    made_for(tmp_path, "orders", "bff")

    with pytest.raises(ServicesMissing, match=r"no account 'operations_orders__bff' yet.*up --role orders,bff"):
        real_stores(tmp_path, ("orders", "bff"), "orders,bff")


def test_a_long_cut_has_a_name_that_postgresql_does_not_cut_short():
    role = ",".join(f"context_{number}" for number in range(9))

    assert len(operations_owner(role)) <= 40
    assert operations_owner(role) != operations_owner(role + "0")
    assert operations_owner("orders,bff") != operations_owner("orders_bff")


def made_for(folder, *owners):
    """Write the credentials of services that were made for these owners."""
    servers = {
        "postgres": {"port": 1, "passwords": {owner: f"secret-of-{owner}" for owner in owners}},
        "rabbitmq": {
            "port": 2,
            "vhost": "fissile",
            "keeper": "keeper",
            "keeper_password": "broker-secret-of-keeper",
            "passwords": {owner: f"broker-secret-of-{owner}" for owner in owners},
        },
    }
    (folder / "credentials.json").write_text(json.dumps(servers))


def test_the_real_tier_without_services_says_how_to_get_them(tmp_path):
    with pytest.raises(ServicesMissing, match=r"Fix: make services"):
        House(tier="real", services_dir=tmp_path).processes()


def test_every_command_of_the_table_is_a_module_of_the_environment():
    for process in House(groups=SPLIT).processes():
        assert process.argv[1] == "-m"
        assert Path(process.argv[0]).is_absolute()
