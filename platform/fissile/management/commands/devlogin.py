"""`devlogin`: a link that logs you in to the operations console once. Development only."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import DatabaseError

from fissile.console import devlogin
from fissile.management.cli import REFUSED, UNREACHABLE, CliError, HouseCommand, Result


class Command(HouseCommand):
    """Create the operator `dev` if needed and print the link."""

    help = "Prints a one-use login link for /admin/: `devlogin`, `devlogin --base-url http://127.0.0.1:3002`."
    spoken = "devlogin"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address of the web process."""
        parser.add_argument("--base-url", help="where the web process listens (default: this role's port)")
        self.add_json(parser)

    def answer(self, **options: Any) -> Result:
        """Issue a token."""
        if not settings.DEBUG:
            raise CliError(
                "DEV001",
                "Login links exist only with DEBUG.",
                hint="in development: DEBUG=true manage.py devlogin; elsewhere: createsuperuser --database operations",
                code=REFUSED,
            )
        base = (options["base_url"] or f"http://127.0.0.1:{settings.FISSILE['port']}").rstrip("/")
        try:
            token = devlogin.issue()
        except DatabaseError as wrong:
            raise CliError(
                "DEV002",
                f"The operators' database cannot be used: {str(wrong).splitlines()[0]}",
                where="operations",
                hint="manage.py migrate --database operations",
                code=UNREACHABLE,
            ) from wrong
        url = f"{base}/admin/dev-login/?t={token}"
        minutes = devlogin.LIFETIME_SECONDS // 60
        return Result(
            data={"url": url, "operator": devlogin.OPERATOR, "expires_in_seconds": devlogin.LIFETIME_SECONDS},
            text=url,
            warnings=[f"works once, within {minutes} minutes, from this machine"],
        )
