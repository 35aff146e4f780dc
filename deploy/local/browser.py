"""The Chromium that the console's journeys are walked with: where it is, how it is had, what to do where it is not.

May touch: apt, through the installer of the private services.
"""

from __future__ import annotations

import os
import shutil

from .services import install
from .services.instance import ServicesError

# A browser without a font draws boxes, and contrast and widths would be those of boxes.
PACKAGES = ("chromium", "fonts-dejavu-core")
FIX = "apt-get install chromium, or CHROMIUM=/path/to/chromium (Chrome will do)"
MISSING = f"no Chromium on this machine. Fix: {FIX}"
_NAMES = ("chromium", "google-chrome")


def find() -> str | None:
    """Return the path of a Chromium: of CHROMIUM if that is set, else the first on PATH; None if there is none."""
    given = os.environ.get("CHROMIUM")
    return next((path for name in ([given] if given else _NAMES) if (path := shutil.which(name))), None)


def provide() -> str | None:
    """Install one where that is possible and none is there; return None, or why there is none."""
    if find():
        return None
    if os.environ.get("CHROMIUM"):
        return f"CHROMIUM={os.environ['CHROMIUM']} is no program. Fix: {FIX}"
    if not install.can_install():
        return f"{MISSING}; not installed here: that takes root and apt"
    try:
        install.install(PACKAGES)
    except ServicesError as wrong:
        return f"{wrong}\nFix: {FIX}"
    return None if find() else f"apt has installed {' and '.join(PACKAGES)}, and there is still {MISSING}"
