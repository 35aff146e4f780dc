"""The operators' door of shoplet: its messaging rows."""

from fissile.console import register_messaging, site

register_messaging(site, "shoplet")
