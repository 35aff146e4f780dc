"""Is a port free, and if not, who has it. May touch: loopback sockets, /proc."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

HOST = "127.0.0.1"
_LISTENING = "0A"


def busy_sentence(port: int, example: str) -> str | None:
    """Return one sentence with the fix when the port cannot be listened on, else None."""
    with socket.socket() as probe:
        # As servers do: a connection that lingers from the last run is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as wrong:
            if wrong.errno == errno.EADDRINUSE:
                return f"Port {port} is in use{_by_whom(port)}. Fix: stop that, or use other ports: {example}"
            return f"Port {port} cannot be used ({wrong.strerror}). Fix: use other ports: {example}"
    return None


def _by_whom(port: int) -> str:
    pid = holder(port)
    if pid is None:
        return ""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f" by process {pid} ({words[:100]})"


def holder(port: int) -> int | None:
    """Return the id of the process that listens on the port, where /proc tells."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not wanted:
        return None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            held = {os.readlink(link) for link in (folder / "fd").iterdir()}
        except OSError:
            continue  # another user's, or gone meanwhile
        if wanted & held:
            return int(folder.name)
    return None


def _inodes(port: int) -> Iterable[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                yield fields[9]
