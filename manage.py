#!/usr/bin/env python
"""Django's command line for any role of the shop."""

import os
import sys


def main():
    """Run a management command, or say how to make the environment."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.local")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Run `make run` once, then use .venv/bin/python manage.py …")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
