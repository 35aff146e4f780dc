"""A process that ends when its parent does, even by kill -9. May touch: prctl(2) through ctypes, Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Loaded at import: between fork and exec only the call itself may happen.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform.startswith("linux") else None


def end_with_parent(parent: int, ending: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `ending` when the parent dies; end now if it already did.

    Safe between fork and exec. The kernel means the parent's *thread* that forked: fork from the main thread.
    Elsewhere than on Linux this does nothing.
    """
    if _prctl is None:
        return
    _prctl(_PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), ending)
