"""Settings of the local house: `make run`, `make split`, manage.py."""

from .base import *  # noqa: F403
