"""Run a house: check, prepare, start, watch, restart what dies, stop all of it. `python -m deploy.local.supervise`.

May touch: the processes of house.py's table, STATE_DIR. One thread, no Django.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from . import banner
from .children import Child, children_of
from .ends_with_parent import end_with_parent
from .house import HOST, ROOT, STOP_ORDER, TOPOLOGIES, Group, House, ServicesMissing
from .ports import busy_sentence
from .readable import LEVELS, Painter, parsed, severity, wants_colour
from .stores import StoresMissing, stores_for_a_house

# A cold Django with all its apps on two busy cores; far above what a healthy start needs.
READY_WITHIN_SECONDS = 90.0
# Requests have 15 s, the relay gives its lane back within a few: what still runs then hangs.
STOP_WITHIN_SECONDS = 30.0
# A process that dies so often before it was ever ready will not get better by itself.
MOST_DEATHS_AT_START = 3
TICK_SECONDS = 0.1
# Celery's own last line of a start: `worker@host ready.`
_SAYS_READY = re.compile(r"\bready\b")


class CannotStart(Exception):
    """The house cannot run; the message is one sentence and the fix."""


class Supervisor:
    """Holds the processes of one house from start to stop."""

    def __init__(self, house: House, quiet: bool) -> None:
        self._house = house
        self._quiet = quiet
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._began = time.monotonic()
        self._stops = 0
        self._is_up = False
        self._facts: dict[str, Any] = {}
        self._lock: int | None = None

    def run(self) -> int:
        """Run until a stop is asked for; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        try:
            self._check()
            self._prepare()
            self._start()
            while not self._stops:
                self._turn()
        except CannotStart as wrong:
            print(wrong, file=sys.stderr, flush=True)
            return 1
        finally:
            self._stop()
        return 0

    # -- before the start ------------------------------------------------------------------------------

    def _check(self) -> None:
        house = self._house
        try:
            house.make_folders()
            self._lock = os.open(house.state_dir / "house.lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as wrong:
            raise CannotStart(
                f"The state folder {house.state_dir} cannot be written ({wrong.strerror})."
                " Fix: chown it to yourself, or name another: make run STATE_DIR=/path/to/folder"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(self._already_running()) from None
        for file in held_folder(house.state_dir).iterdir():
            file.unlink()  # a new house starts whole
        again = f"make run TOPOLOGY={house.topology} BASE_PORT={house.base_port + 1000}"
        if house.topology in ("monolith", "split"):
            again = f"make {'split' if house.topology == 'split' else 'run'} BASE_PORT={house.base_port + 1000}"
        used = {port for process in house.processes() for port in (process.port, process.shared_port) if port}
        for port in sorted(used):
            if sentence := busy_sentence(port, again):
                raise CannotStart(sentence)

    def _already_running(self) -> str:
        found = read_house(self._house.state_dir) or {}
        return (
            f"A house already runs from {self._house.state_dir} (supervisor {found.get('supervisor', 'unknown')},"
            f" {found.get('gateway', 'no address')}). Fix: stop it with Ctrl-C where it runs, or use another folder"
            " and ports: make run STATE_DIR=/tmp/second BASE_PORT=4000"
        )

    def _prepare(self) -> None:
        """Run `manage.py prepare` for every role, at the same time, with the terminal's patience."""
        self._say("preparing keys, databases and first rows")
        parent = os.getpid()
        running = [
            subprocess.Popen(
                self._prepare_command(group),
                cwd=ROOT,
                env=os.environ | self._house.management(group),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
                preexec_fn=lambda: end_with_parent(parent),
            )
            for group in self._house.groups
        ]
        results = [
            self._prepared(each, group.role) for each, group in zip(running, self._house.groups, strict=True)
        ]
        self._facts["events"] = sum(result["events"] for result in results)
        self._facts["links"] = [result["devlogin"] for result in results if result["devlogin"]]

    def _prepare_command(self, group: Group) -> list[str]:
        words = [self._house.python, "manage.py", "prepare", "--json"]
        return words if self._quiet else [*words, "--devlogin", f"http://{HOST}:{self._house.port(group)}"]

    def _prepared(self, running: subprocess.Popen[bytes], role: str) -> dict[str, Any]:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                output, errors = running.communicate(timeout=TICK_SECONDS)
                break
            if self._stops:
                running.kill()
        if self._stops:
            raise CannotStart("stopped before the start")
        if running.returncode:
            said = "\n  ".join(errors.decode("utf-8", "replace").strip().splitlines()[-6:])
            again = f"ROLE={role} {self._house.python} manage.py prepare"
            raise CannotStart(
                f"Preparing the role {role} failed. Fix what it says, then see it alone: {again}\n  {said}"
            )
        found: dict[str, Any] = json.loads(output.decode().strip().splitlines()[-1])
        return found

    # -- running ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        processes = self._house.processes()
        self._painter = Painter(tuple(process.name for process in processes), wants_colour())
        self._children = children_of(processes, self._house.state_dir / "logs")
        for child in self._children:
            self._launch(child)
        end = time.monotonic() + READY_WITHIN_SECONDS
        while not all(child.is_ready for child in self._children):
            self._turn()
            if self._stops:
                return
            if time.monotonic() > end:
                raise CannotStart(self._not_ready())
            for child in self._children:
                child.is_ready = child.is_ready or _answers(child)
        self._is_up = True
        self._write_house()
        self._facts["processes"] = len(self._children)
        seconds = time.monotonic() - self._began
        if self._quiet:
            self._say(f"ready {self._house.gateway_url}")
        else:
            print("\n".join(banner.lines(self._house, self._facts, self._facts["links"], seconds)), flush=True)

    def _not_ready(self) -> str:
        waiting = [child for child in self._children if not child.is_ready]
        causes = "; ".join(f"{child.name}: {_why_not_ready(child)}" for child in waiting)
        return f"Not ready after {READY_WITHIN_SECONDS:.0f} s: {causes}. Fix: see {self._house.state_dir}/logs/"

    def _launch(self, child: Child) -> None:
        child.start()
        self._selector.register(child, selectors.EVENT_READ, child)
        self._write_house()

    def _turn(self) -> None:
        """Show what was said, notice deaths, start again what is due."""
        for key, _ in self._selector.select(TICK_SECONDS):
            self._listen(key.data)
        held = {file.name for file in held_folder(self._house.state_dir).iterdir()}
        for child in self._children:
            if child.restart_at is None and child.has_ended():
                self._died(child)
            elif child.restart_at is None and child.name in held and child.stop_once():
                self._say(f"{child.name} is held down: .venv/bin/python -m deploy.local.hold --release {child.name}")
            elif child.is_due() and child.name not in held and not self._stops:
                self._launch(child)

    def _listen(self, child: Child) -> None:
        lines, is_open = child.read_lines()
        for line in lines:
            self._show(child, line.decode("utf-8", "replace").rstrip("\r"))
        if not is_open:
            self._selector.unregister(child)

    def _show(self, child: Child, text: str) -> None:
        fields = parsed(text)
        if child.process.kind == "worker" and _SAYS_READY.search(str((fields or {}).get("event", text))):
            child.is_ready = True
        if not text.strip():
            return
        if fields is None and not self._is_up:
            child.held_back.append(text)
            return
        # Until the banner stands, only trouble is worth a line.
        threshold = LEVELS["info"] if self._is_up and not self._quiet else LEVELS["warning"]
        if severity(fields) >= threshold or (fields is None and not self._quiet):
            print(self._painter.line(child.name, text, fields), flush=True)

    def _died(self, child: Child) -> None:
        with contextlib.suppress(KeyError):
            self._listen(child)
            self._selector.unregister(child)
        child.kill_group()
        for text in child.held_back:
            print(self._painter.line(child.name, text, None), flush=True)
        child.held_back.clear()
        delay = child.plan_restart()
        if not self._is_up and child.deaths >= MOST_DEATHS_AT_START:
            raise CannotStart(
                f"{child.name} {child.how_it_ended()} {child.deaths} times before it was ready."
                f" Fix: see the lines above, or {self._house.state_dir}/logs/{child.name}.jsonl"
            )
        if not child.was_told_to_stop:
            self._say(f"{child.name} {child.how_it_ended()}; starting it again in {delay:.1f} s")

    # -- the end ---------------------------------------------------------------------------------------

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self._stops += 1

    def _stop(self) -> None:
        """Stop kind by kind: no new requests, then no requests, then the relay; kill what does not listen."""
        if self._children and not self._quiet:
            self._say("stopping (Ctrl-C again: at once)")
        asked, end = self._stops, time.monotonic() + STOP_WITHIN_SECONDS
        for kind in STOP_ORDER:
            group = [child for child in self._children if child.process.kind == kind]
            for child in group:
                child.signal(signal.SIGTERM)
            while not all(child.has_ended() for child in group):
                if time.monotonic() > end or self._stops > max(asked, 1):
                    break
                for key, _ in self._selector.select(TICK_SECONDS / 2):
                    self._listen(key.data)
        stubborn = [child.name for child in self._children if not child.has_ended()]
        for child in self._children:
            child.kill_group()
        for child in self._children:
            if child.popen:
                child.popen.wait()
            child.log.close()
        if stubborn:
            self._say(f"killed, because the time was up: {', '.join(stubborn)}")
        elif self._children and not self._quiet:
            self._say("stopped, nothing left behind")
        if self._lock is not None and self._children:
            (self._house.state_dir / "house.json").unlink(missing_ok=True)

    def _write_house(self) -> None:
        """Describe the running house for other commands; see read_house."""
        house = self._house
        found = {
            "gateway": house.gateway_url,
            "topology": house.topology,
            "tier": house.tier,
            "base_port": house.base_port,
            "state_dir": str(house.state_dir),
            "is_ready": self._is_up,
            "supervisor": os.getpid(),
            "processes": {
                child.name: {
                    "pid": child.pid,
                    "role": child.process.role,
                    "kind": child.process.kind,
                    "port": child.process.port,
                }
                for child in self._children
            },
        }
        path = house.state_dir / "house.json"
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        beside.replace(path)

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def read_house(state_dir: Path) -> dict[str, Any] | None:
    """Return the description of the house that runs from a state folder, or None."""
    try:
        found: dict[str, Any] = json.loads((state_dir / "house.json").read_text(encoding="utf-8"))
        os.kill(found["supervisor"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return found


def held_folder(state_dir: Path) -> Path:
    """Return the folder whose file names are the processes to keep down."""
    return state_dir / "hold"


def _answers(child: Child) -> bool:
    """Return whether a process is ready; a worker says so in its log."""
    return (
        child.process.ready_url is not None and not child.has_ended() and _get(child.process.ready_url)[0] == 200
    )


def _why_not_ready(child: Child) -> str:
    if child.process.ready_url is None:
        return "its log has no line saying `ready`"
    status, body = _get(child.process.ready_url)
    return f"{child.process.ready_url} answers {status} {body[:300]}" if status else "no answer yet"


def _get(url: str) -> tuple[int, str]:
    # No proxy: an http_proxy of the environment must not see loopback traffic.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as wrong:
        return wrong.code, wrong.read(2000).decode("utf-8", "replace")
    except (OSError, ValueError):
        return 0, ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="supervise", description=__doc__)
    parser.add_argument("--topology", choices=list(TOPOLOGIES), default="monolith")
    parser.add_argument("--tier", choices=["embedded", "real"], default="embedded")
    parser.add_argument("--base-port", type=int, default=3000)
    parser.add_argument("--state-dir", type=Path, default=ROOT / ".run")
    parser.add_argument("--services-dir", type=Path, default=ROOT / ".run" / "services")
    parser.add_argument("--with-stores", action="store_true", help="start the private services, stop them at the end")
    parser.add_argument("--services-base", type=int, help="ports of services that --with-stores starts")
    parser.add_argument("--stores", default="", help="a set of stores made by `services reserve` (real tier)")
    parser.add_argument("--quiet", action="store_true", help="no banner and no log lines below warning, for tests")
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent process dies (Linux)")
    return parser.parse_args()


def main() -> int:
    """Run the house the arguments describe."""
    asked = _arguments()
    if asked.with_parent:
        end_with_parent(os.getppid(), signal.SIGTERM)
    if not 1 <= asked.base_port <= 65000:
        print(
            f"The base port {asked.base_port} is not between 1 and 65000. Fix: make run BASE_PORT=4000",
            file=sys.stderr,
        )
        return 2
    house = House(
        groups=TOPOLOGIES[asked.topology],
        tier=asked.tier,
        base_port=asked.base_port,
        state_dir=asked.state_dir.resolve(),
        services_dir=asked.services_dir.resolve(),
        stores=asked.stores,
    )
    try:
        with stores_for_a_house(house.services_dir, asked.services_base) if asked.with_stores else nullcontext():
            return Supervisor(house, asked.quiet).run()
    except ServicesMissing as wrong:
        print(wrong, file=sys.stderr)
    except StoresMissing:
        pass
    return 1


if __name__ == "__main__":
    sys.exit(main())
