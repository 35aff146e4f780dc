"""One upstream and one gateway process for all tests of the gateway; a process of its own where a test ends it."""

from __future__ import annotations

import pytest
from gateway_house import Upstream, start_stage


@pytest.fixture(scope="session")
def upstream_server():
    server = Upstream()
    yield server
    server.release()
    server.stop()


@pytest.fixture(scope="session")
def shared_stage(upstream_server, tmp_path_factory):
    stage = start_stage(upstream_server.url, tmp_path_factory.mktemp("stage"))
    yield stage
    stage.stop()


@pytest.fixture
def upstream(upstream_server):
    upstream_server.forget()
    return upstream_server


@pytest.fixture
def door(shared_stage, upstream):
    yield shared_stage.door
    shared_stage.door.close()


@pytest.fixture
def own_stage(upstream, tmp_path):
    stage = start_stage(upstream.url, tmp_path)
    yield stage
    stage.stop()
