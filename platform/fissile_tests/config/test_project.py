"""FISSILE in a project's settings: what may be left out, and what is asked for by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fissile.config import ConfigurationError, completed

LEAST = {"packages": {"shop": "shop", "billing": "acme.billing"}, "state_dir": Path("/var/acme")}
DATABASES = {"default": {}, "shop": {"NAME": "shop"}, "billing": {"NAME": "billing"}}
ROUTERS = ["fissile.data.ownership.ContextRouter"]


def complete(given=LEAST, *, databases=DATABASES, routers=ROUTERS):
    return completed(given, databases=databases, routers=routers)


def faults_of(**changes):
    with pytest.raises(ConfigurationError) as wrong:
        complete({**LEAST, **changes})
    return str(wrong.value).split("\n- ")[1:]


def test_two_keys_are_enough_for_one_process_on_the_embedded_tier():
    ours = complete()

    bus = "sqlitebus:////var/acme/bus.sqlite3"
    assert (ours["tier"], ours["role"], ours["contexts"]) == ("embedded", "all", ("shop", "billing"))
    assert ours["broker_urls"] == {"shop": bus, "billing": bus}
    assert (ours["keys_dir"], ours["traces_file"]) == (Path("/var/acme/keys"), Path("/var/acme/traces.sqlite3"))


def test_what_is_given_stays():
    given = {**LEAST, "log_level": "DEBUG", "port": 3001, "keys_dir": Path("/etc/keys"), "proofs": "acme.proofs"}

    assert complete(given).items() >= given.items()


def test_a_context_elsewhere_needs_no_database_here():
    ours = complete({**LEAST, "contexts": ("shop",)}, databases={"shop": {"NAME": "shop"}})

    assert list(ours["broker_urls"]) == ["shop"]


def test_all_that_is_missing_is_told_at_once():
    with pytest.raises(ConfigurationError) as wrong:
        complete({}, databases={}, routers=[])

    told = str(wrong.value)
    assert 'FISSILE["packages"] is missing' in told
    assert 'FISSILE["state_dir"] is missing' in told


def test_a_misspelt_key_is_shown_with_those_there_are():
    (fault,) = faults_of(broker_url="amqp://x")

    assert fault.startswith('FISSILE["broker_url"] is not known; there are addresses, broker_urls, ')


def test_the_real_tier_wants_an_address_of_a_broker_for_each_context():
    assert faults_of(tier="real", broker_urls={"shop": "amqp://x"}) == [
        'FISSILE["broker_urls"]["billing"] is missing: the broker\'s address, amqp://… on the real tier'
    ]


def test_each_context_wants_its_database_and_the_router():
    with pytest.raises(ConfigurationError) as wrong:
        complete(databases={"default": {"NAME": "all"}, "shop": {"NAME": "shop"}}, routers=["acme.Router"])

    assert str(wrong.value).split("\n- ")[1:] == [
        'DATABASES["billing"] is missing: each context has a database of its own, under its own name',
        'DATABASE_ROUTERS has no "fissile.data.ownership.ContextRouter": without it rows are looked for in `default`',
    ]


def test_a_router_that_is_an_object_is_trusted_to_know():
    assert complete(routers=[object()])
