"""Which message a thread is handling, where a kill -9 leaves it to be read: so that a killer kills one worker only.

A first delivery is handled without a mark in the database, which would cost a commit. The place of a mark is taken by
16 bytes of a shared mapping: the kernel keeps them when the process is gone, and whoever gets the message next on
this machine, its successor or a sibling, knows that its handler began and never came back. A hint, and no more: what
was on another machine, or was lost with this one, is found by the mark of its second run.
May touch: one file a thread, below the state directory.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

_log = logging.getLogger(__name__)

_NONE = bytes(16)
# By then whoever was to read it has read it.
OLD_SECONDS = 24 * 3600.0


class Begun:
    """The hint of one thread of a consumer, and those of all the others: `left`, as of the last look.

    `folder` None: none is kept and none read.
    """

    def __init__(self, folder: Path | None, consumer: str) -> None:
        self.left: frozenset[UUID] = frozenset()
        self._folder = folder / "begun" / consumer if folder else None
        # Not by process: a container gives its next life the same number.
        self._name = uuid4().hex
        self._file: BinaryIO | None = None
        self._slot: mmap.mmap | None = None

    def open(self) -> None:
        """Make the thread's file and read the others'; without a file, log why and go on without hints."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for file in self._files():
                _remove_if_over(file)
            self._file = self._made(self._folder / self._name)
            self._slot = mmap.mmap(self._file.fileno(), len(_NONE))
        except OSError as wrong:
            _log.warning("No hints of what is being handled, for %s: %s.", self._folder, wrong)
        self.look()

    @staticmethod
    def _made(path: Path) -> BinaryIO:
        # Seen under its name only once it is locked: what nobody locks is taken for a dead thread's.
        hidden = path.with_name(f".{path.name}")
        file = hidden.open("w+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(_NONE)
        file.flush()
        hidden.rename(path)
        return file

    def close(self) -> None:
        """Remove the file: this thread has left nothing behind."""
        file, slot, self._file, self._slot = self._file, self._slot, None, None
        if slot is not None:
            slot.close()
        if file is not None and self._folder is not None:
            with suppress(OSError):
                (self._folder / self._name).unlink()
            file.close()

    def begin(self, message_id: UUID) -> None:
        """Note that a message's handler begins; some hundred nanoseconds."""
        if self._slot is not None:
            self._slot[:] = message_id.bytes

    def end(self) -> None:
        """Note that it came back, with or without success."""
        if self._slot is not None:
            self._slot[:] = _NONE

    def look(self) -> None:
        """Read what all others are handling now, or were when they were killed."""
        found = set()
        for file in self._files():
            with suppress(OSError):
                if file.name != self._name and (left := file.read_bytes()) != _NONE and len(left) == len(_NONE):
                    found.add(UUID(bytes=left))
        self.left = frozenset(found)

    def _files(self) -> list[Path]:
        if self._folder is None:
            return []
        with suppress(OSError):
            return [file for file in self._folder.iterdir() if not file.name.startswith(".")]
        return []


def _remove_if_over(path: Path) -> None:
    """Remove the file of a thread that is gone, if it was handling nothing, or if all this is long ago."""
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.read() == _NONE or os.fstat(file.fileno()).st_mtime < time.time() - OLD_SECONDS:
            path.unlink()
