"""The stores of the real tier come with the first house and go with the last."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from deploy.local.services.instance import is_listening
from deploy.local.stores import StoresMissing, stores_for_a_house

from .instances import new_instance, services

pytestmark = [pytest.mark.house, pytest.mark.real]
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def instance(tmp_path):
    """An instance that was never started, on ports of its own; stopped whatever a test did."""
    before = {number: signal.getsignal(number) for number in STOPS}
    found = new_instance(tmp_path / "services")
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)
    services("down", found)


def are_up(instance):
    return [is_listening(port) for port in (*instance.ports.values(), instance.epmd_port)]


def test_the_last_house_stops_what_the_first_one_started(instance):
    with stores_for_a_house(instance.folder, instance.base):
        with stores_for_a_house(instance.folder, None):
            assert all(are_up(instance))
        assert all(are_up(instance))

    assert not any(are_up(instance))


def test_what_make_services_started_outlives_a_house(instance):
    services("up", instance)

    with stores_for_a_house(instance.folder, None):
        pass

    assert all(are_up(instance))


def test_ctrl_c_while_they_start_leaves_nothing_behind(instance):
    def press_ctrl_c_once_one_listens():
        end = time.monotonic() + 60
        while not is_listening(instance.postgres_port) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    fingers = threading.Thread(target=press_ctrl_c_once_one_listens)
    fingers.start()
    with pytest.raises(StoresMissing), stores_for_a_house(instance.folder, instance.base):
        pass
    fingers.join()

    assert not any(are_up(instance))
