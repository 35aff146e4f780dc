"""A web process on SIGTERM: not ready first, then no new connections, and what was begun is finished (T45)."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fissile.watch.trace_store import TraceStore

ROOT = Path(__file__).resolve().parents[2]
# A Django project of one file: the server's configuration is what is tried here.
PROJECT = """
import threading
from pathlib import Path
import django
from django.conf import settings
here = Path(__file__).parent
settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="t", ROOT_URLCONF=__name__, STATIC_URL="static/",
    LOGGING_CONFIG=None, MIDDLEWARE=["fissile.watch.middleware.Watched"],
    FISSILE={"process_name": "web", "packages": {}})
django.setup()
from fissile.watch import tracing
tracing.setup("web", here / "traces.sqlite3")
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from fissile.watch import drain
from fissile.watch.urls import urlpatterns as probes
def slow(request):
    (here / "begun").touch()
    waiter = threading.Event()
    for _ in range(200):
        if drain.is_draining():
            break
        waiter.wait(0.05)
    waiter.wait(0.5)
    return HttpResponse("finished")
urlpatterns = [*probes, path("slow", slow)]
application = get_wsgi_application()
"""


def ask(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until(happens, what: str):
    """Return the first true value of `happens`, looked at for at most 15 s."""
    waiter = threading.Event()
    for _ in range(600):
        try:
            if found := happens():
                return found
        except OSError:
            pass
        waiter.wait(0.025)
    pytest.fail(f"{what} did not happen")


@pytest.fixture
def web(tmp_path):
    (tmp_path / "drained.py").write_text(PROJECT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "gunicorn", "drained:application", "-c", "deploy/local/gunicorn.conf.py"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT / 'platform'}"}
    environment |= {"STATE_DIR": str(tmp_path / "state"), "PROCESS_NAME": "web"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "--bind", f"127.0.0.1:{port}"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            until(lambda: ask(port, "/readyz")[0] == 200, "a ready web process")
            yield server, port, tmp_path
        finally:
            server.kill()
            server.wait(15)


def test_what_was_begun_is_finished_while_readiness_is_off_and_then_the_process_ends(web):
    server, port, folder = web
    answers: list[tuple[int, bytes]] = []
    begun = threading.Thread(target=lambda: answers.append(ask(port, "/slow")))
    begun.start()
    until((folder / "begun").exists, "a request in hand")

    asked_at = time.monotonic()
    server.send_signal(signal.SIGTERM)
    until(lambda: ask(port, "/readyz")[0] == 503, "readiness going off")
    alive, _ = ask(port, "/healthz")

    begun.join(15)
    assert server.wait(15) == 0
    assert time.monotonic() - asked_at < 10
    assert (alive, answers) == (200, [(200, b"finished")])
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    assert [line["path"] for line in lines if line["event"] == "request"] == ["/slow"]


def test_the_last_spans_are_written_before_the_process_ends(web):
    server, port, folder = web
    assert ask(port, "/nowhere")[0] == 404

    server.send_signal(signal.SIGTERM)
    assert server.wait(15) == 0

    assert [one.name for one in TraceStore(folder / "traces.sqlite3").traces()] == ["GET unmatched"]
