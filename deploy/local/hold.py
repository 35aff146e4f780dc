"""Keep a process of the running house down, to see the shop without it: `python -m deploy.local.hold NAME…`.

May touch: STATE_DIR/hold, one empty file per held process; the supervisor obeys. `--release` lets them run again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .house import ROOT
from .supervise import held_folder, read_house


def main() -> int:
    """Hold or release processes by their names in the table."""
    parser = argparse.ArgumentParser(prog="hold", description=__doc__)
    parser.add_argument("names", nargs="+", help="such as users-web")
    parser.add_argument("--release", action="store_true", help="let them run again")
    parser.add_argument("--state-dir", type=Path, default=ROOT / ".run")
    asked = parser.parse_args()
    house = read_house(asked.state_dir)
    if house is None:
        print(
            f"No house runs from {asked.state_dir}. Fix: make split, or name its folder with --state-dir",
            file=sys.stderr,
        )
        return 1
    strangers = [name for name in asked.names if name not in house["processes"]]
    if strangers:
        known = ", ".join(house["processes"])
        print(f"This house has no {', '.join(strangers)}. Fix: use one of {known}", file=sys.stderr)
        return 2
    for name in asked.names:
        file = held_folder(asked.state_dir) / name
        if asked.release:
            file.unlink(missing_ok=True)
        else:
            file.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
