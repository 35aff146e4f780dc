"""Logs: one JSON object a line, with the ids of the work in hand and without secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
import structlog

from fissile import carry
from fissile.watch import logs, tracing
from fissile.watch.redaction import HIDDEN, LONGEST_TEXT, redact, redact_text


@pytest.fixture
def lines(capsys):
    """Logs as the process would write them; afterwards as they were before."""
    root = logging.getLogger()
    before, level, quieter = list(root.handlers), root.level, {n: logging.getLogger(n).level for n in logs._QUIETER}
    config = structlog.get_config()
    logs.setup("web", "INFO")

    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    root.handlers[:] = before
    root.setLevel(level)
    for name, was in quieter.items():
        logging.getLogger(name).setLevel(was)
    structlog.configure(**config)


def test_a_line_says_when_what_who_and_in_which_trace(lines):
    with carry.from_headers({"x-correlation-id": "c-42"}), tracing.span("work"):
        ids = tracing.current_ids()
        logging.getLogger("shop").warning("stock is %s", "low", extra={"sku": "chisel"})

    (line,) = lines()
    assert line["event"] == "stock is low"
    assert (line["level"], line["logger"], line["process"], line["sku"]) == ("warning", "shop", "web", "chisel")
    assert (line["correlation_id"], line["trace_id"], line["span_id"]) == ("c-42", *ids)
    assert line["timestamp"].endswith("Z")


def test_structlog_and_stdlib_write_the_same_shape(lines):
    logging.getLogger("a").info("one")
    structlog.get_logger("a").info("one")

    first, second = lines()
    assert first.keys() == second.keys()


def test_a_line_break_in_a_message_cannot_forge_a_second_line(lines):
    logging.getLogger("shop").info("name is %s", 'x\r\n{"level":"info","event":"forged"}\u2028\x85')

    assert len(lines()) == 1


def test_a_lone_surrogate_is_written_all_the_same(lines):
    logging.getLogger("shop").info("name is %s", "\ud800")

    assert lines()[0]["event"] == "name is \ud800"


def test_secrets_are_hidden_by_name_and_by_shape(lines):
    nested = {
        "Authorization": "Bearer abcdefghijkl",
        "inner": [{"refresh_token": "t", "sku": "chisel"}],
        "api-key": "k",
    }
    structlog.get_logger("shop").info("login", password="hunter2", request_body=nested, address="amqp://u:pw@host/")

    (line,) = lines()
    assert line["password"] == HIDDEN
    assert line["request_body"] == {
        "Authorization": HIDDEN,
        "inner": [{"refresh_token": HIDDEN, "sku": "chisel"}],
        "api-key": HIDDEN,
    }
    assert "pw" not in line["address"]


def test_a_traceback_shows_no_secret(lines):
    try:
        raise ValueError('{"password": "hunter2", "header": "Bearer abc.def-ghi"}')
    except ValueError:
        logging.getLogger("shop").exception("sign-up failed")

    (line,) = lines()
    said = line["exception"].splitlines()[-1]
    assert said.startswith("ValueError")
    assert "hunter2" not in said
    assert "abc.def" not in said


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "'password': 'hunter2'",
        '{"new_password": "hunter2"}',
        "client_secret: hunter2",
        "postgres://users:hunter2@127.0.0.1/users",
        "Authorization: Basic hunter2hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
    ],
)
def test_text_that_shows_a_secret_by_its_shape_is_redacted(text):
    assert "hunter2" not in redact_text(text)


def test_what_is_no_secret_stays_readable():
    told = {"sku": "chisel", "tokens": None, "keyboard": "qwerty", "monkey": 1, "quantity": 3, "event": "order placed"}

    assert redact(told) == told


def test_a_runaway_text_is_cut():
    assert len(redact_text("x" * 10_000_000)) < LONGEST_TEXT + 100


def test_the_level_holds_and_chatty_libraries_are_quieter(lines):
    logging.getLogger("shop").debug("detail")
    logging.getLogger("kombu").info("chatter")
    logging.getLogger("kombu").warning("trouble")

    assert [line["event"] for line in lines()] == ["trouble"]


def test_setting_up_twice_does_not_write_twice(lines):
    logs.setup("web", "INFO")

    logging.getLogger("shop").info("once")

    assert len(lines()) == 1


def test_logs_and_traces_need_no_django():
    program = "import sys, fissile.watch.logs, fissile.watch.tracing; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0
