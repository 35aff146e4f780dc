"""Make .venv with the pinned packages, or say in one sentence what is missing and how to fix it.

May touch: .venv, .run/bootstrap.lock, pip. Standard library only, and only syntax that any Python 3 can read:
this file must still run on the Python that it has to refuse.
"""
# No f-strings and no annotations: an old Python must get as far as the sentence.
# ruff: noqa: UP031, RUF005, B904

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLDEST = (3, 11)
NEWER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")
PINS = {"run": ("requirements.txt",), "dev": ("requirements.txt", "requirements-dev.txt")}
# Asks another interpreter, which may be a shim that only prints an error, what it is and has.
QUESTION = (
    "import sys\n"
    "missing = ''\n"
    "for name in ('venv', 'ensurepip', 'ssl'):\n"
    "    try:\n"
    "        __import__(name)\n"
    "    except ImportError:\n"
    "        missing = missing or name\n"
    "print('%d.%d %s' % (sys.version_info[0], sys.version_info[1], missing))\n"
)


class Missing(Exception):
    """The machine lacks something; the message is the sentence and the fix."""


def ask(interpreter):
    """Return ((major, minor), name of a missing module or '') of an interpreter, or None."""
    try:
        asked = subprocess.run(
            [interpreter, "-c", QUESTION], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"(\d+)\.(\d+) (\w*)", asked.stdout.decode("utf-8", "replace"))
    if asked.returncode or not found:
        return None
    return (int(found.group(1)), int(found.group(2))), found.group(3)


def on_path(name):
    """Yield every executable of this name on PATH, in order."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK) and not os.path.isdir(path):
            yield path


def good_interpreter():
    """Return the interpreter to build .venv with: this one, else a newer one on PATH."""
    version, missing = sys.version_info[:2], ask(sys.executable)
    if version >= OLDEST and missing and not missing[1]:
        return sys.executable
    lacking = (version, missing[1], sys.executable) if version >= OLDEST and missing else None
    for name in NEWER_NAMES:
        for path in on_path(name):
            answer = ask(path)
            if answer and answer[0] >= OLDEST and not answer[1]:
                return path
            if answer and answer[0] >= OLDEST and lacking is None:
                lacking = (answer[0], answer[1], path)
    if lacking:
        raise Missing(without_module(*lacking))
    raise Missing(
        "Python %d.%d at %s is too old: Fissile needs %d.%d or newer and found none on PATH. Fix: install one (on"
        " Debian or Ubuntu: apt install python3.11 python3.11-venv), or name one: make run PYTHON=/path/to/python3.12"
        % (version + (sys.executable,) + OLDEST)
    )


def without_module(version, module, path):
    """Return the sentence for a Python whose standard library is incomplete."""
    number = "%d.%d" % version
    if module == "ssl":
        fix = (
            "install a Python %s that was built with OpenSSL, or name another: make run PYTHON=/path/to/python3"
            % number
        )
    else:
        fix = (
            "apt install python%s-venv (Debian, Ubuntu), or name another: make run PYTHON=/path/to/python3"
            % number
        )
    return "Python %s at %s has no module '%s', which making .venv needs. Fix: %s" % (number, path, module, fix)


def ensure_writable(folder):
    """Raise the sentence when nothing can be made in the folder."""
    probe = os.path.join(folder, ".fissile-write-probe-%d" % os.getpid())
    try:
        with open(probe, "w"):
            pass
        os.remove(probe)
    except OSError as wrong:
        raise Missing(
            "The folder %s cannot be written (%s), and .venv and .run are made there. Fix: chown it to yourself, or"
            " clone the repository to a folder of your own" % (folder, wrong.strerror)
        )


def pins_digest(wish):
    """Return the hash of what a finished .venv depends on."""
    digest = hashlib.sha256()
    for name in PINS[wish] + ("platform/pyproject.toml",):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    digest.update(ROOT.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def is_ready(venv, wish):
    """Return whether .venv was finished from exactly these pins; the development set contains the other."""
    try:
        with open(os.path.join(venv, "fissile-stamp.json")) as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return False
    matches = stamp.get("dev") == pins_digest("dev") or (wish == "run" and stamp.get("run") == pins_digest("run"))
    return matches and os.path.exists(os.path.join(venv, "bin", "python"))


def make_venv(venv):
    """Make .venv, keeping one that works, whatever made it."""
    answer = ask(os.path.join(venv, "bin", "python"))
    if answer and answer[0] >= OLDEST and not answer[1] and os.path.exists(os.path.join(venv, "bin", "pip")):
        return
    interpreter = good_interpreter()
    say("making .venv with %s" % interpreter)
    made = subprocess.run(
        [interpreter, "-m", "venv", "--clear", venv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode:
        raise Missing(
            "%s -m venv %s failed: %s. Fix: apt install the python3-venv package of that Python, or name another:"
            " make run PYTHON=/path/to/python3" % (interpreter, venv, last_lines(made.stdout, 1))
        )


def last_lines(output, count):
    """Return the last lines of a program's output, as text."""
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return "\n  ".join(lines[-count:])


def pip(venv, arguments, expected):
    """Run pip quietly; on a terminal count the packages, on failure raise the sentence."""
    environment = dict(
        os.environ, PIP_ROOT_USER_ACTION="ignore", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1"
    )
    command = [os.path.join(venv, "bin", "python"), "-m", "pip", "install", "--progress-bar", "off"] + arguments
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    kept, collected = [], 0
    for line in child.stdout:
        kept = (kept + [line])[-60:]
        collected += line.startswith(b"Collecting ")
        if sys.stdout.isatty() and expected:
            sys.stdout.write("\r  collected %d of %d " % (collected, expected))
            sys.stdout.flush()
    if sys.stdout.isatty() and expected:
        sys.stdout.write("\r" + " " * 40 + "\r")
    if child.wait():
        raise Missing(pip_failed(b"".join(kept)))


def pip_failed(output):
    """Return the sentence for a failed pip, with what pip itself said last."""
    errors = [line for line in output.splitlines() if line.startswith(b"ERROR")] or output.splitlines()
    said = last_lines(b"\n".join(errors), 3)
    low = output.lower()
    if b"do not match the hashes" in low:
        fix = "a downloaded file is not the pinned one; do not use that mirror (PIP_INDEX_URL), or make pins again"
    elif b"no space left" in low:
        fix = "free some disk space (about 400 MB are needed) and repeat"
    elif b"connection" in low or b"resolve" in low or b"network" in low or b"no matching distribution" in low:
        fix = "go online, or point PIP_INDEX_URL (or PIP_FIND_LINKS and PIP_NO_INDEX=1) at a mirror, and repeat"
    else:
        fix = "repeat; if it fails again, remove .venv first (make clean)"
    return "The pinned packages could not be installed. Fix: %s. pip said:\n  %s" % (fix, said)


def install(venv, wish):
    """Install the pins of the wish and the library, then stamp .venv."""
    pins = PINS[wish][-1]
    with open(os.path.join(ROOT, pins)) as file:
        # About: pins that a marker leaves out on this Python are counted too.
        count = sum(1 for line in file if re.match(r"[A-Za-z0-9]", line))
    say("installing %d pinned packages, about a minute" % count)
    pip(venv, ["--require-hashes", "-r", pins], count)
    pip(venv, ["--no-deps", "--no-build-isolation", "-e", "platform"], 0)
    path = os.path.join(venv, "fissile-stamp.json")
    with open(path + ".new", "w") as file:
        json.dump({wish: pins_digest(wish)}, file)
    os.replace(path + ".new", path)


def say(text):
    """Print a line of progress at once."""
    print(text)
    sys.stdout.flush()


def bootstrap(wish):
    """Make .venv ready for the wish; nothing to do takes a few milliseconds."""
    venv = os.path.join(ROOT, ".venv")
    if is_ready(venv, wish):
        return
    if sys.version_info[:2] < OLDEST:
        good_interpreter()
    ensure_writable(ROOT)
    if not os.path.isdir(os.path.join(ROOT, ".run")):
        os.makedirs(os.path.join(ROOT, ".run"))
    with open(os.path.join(ROOT, ".run", "bootstrap.lock"), "w") as lock:
        # Two `make`s at once: the second waits, then finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(venv, wish):
            make_venv(venv)
            install(venv, wish)


def main(arguments):
    """Run as `bootstrap.py run|dev`; exit 0 when .venv is ready, 1 with the sentence when it cannot be."""
    wish = arguments[0] if arguments else "run"
    if wish not in PINS:
        print("bootstrap.py takes run or dev, not %s" % wish)
        return 2
    try:
        bootstrap(wish)
    except Missing as wrong:
        sys.stderr.write("%s\n" % wrong)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the next start goes on from here\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
