"""Migration operations of the data floor."""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations.base import Operation

# SQLite keeps a UUID as 32 hex digits; the outbox names aggregates with dashes.
_SQLITE_KEY = "lower({})".format(
    "||'-'||".join(f"substr(NEW.id,{start},{length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12)))
)


class RequireEvent(Operation):
    """Triggers that refuse an aggregate's row whose (aggregate, version) has no outbox row (T7).

    They see what Python cannot: raw SQL, data migrations, a psql session. An
    UPDATE must raise the version; so no column changes without an event.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, table: str, aggregate_type: str, outbox_table: str) -> None:
        self.table, self.aggregate_type, self.outbox_table = table, aggregate_type, outbox_table

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Models do not know about triggers."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Create the triggers on the owner's alias."""
        if schema_editor.connection.alias != app_label:
            return
        for statement in self._create(schema_editor.connection.vendor):
            schema_editor.execute(statement, params=None)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the triggers."""
        if schema_editor.connection.alias != app_label:
            return
        for statement in self._drop(schema_editor.connection.vendor):
            schema_editor.execute(statement, params=None)

    def describe(self) -> str:
        """One line for `migrate --plan`."""
        return f"Refuse changes of {self.table} without an event in {self.outbox_table}"

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Constructor arguments, for Django's writer."""
        return (type(self).__name__, [self.table, self.aggregate_type, self.outbox_table], {})

    def _create(self, vendor: str) -> list[str]:
        name, missing = f"{self.table}_needs_event", f"{self.table}: a change without its event"
        if vendor == "sqlite":
            absent = (
                f"NOT EXISTS (SELECT 1 FROM {self.outbox_table} "
                f"WHERE aggregate = '{self.aggregate_type}/'||{_SQLITE_KEY} AND version = NEW.version)"
            )
            return [
                f"CREATE TRIGGER {name}_i BEFORE INSERT ON {self.table} WHEN {absent} "
                f"BEGIN SELECT RAISE(ABORT, '{missing}'); END",
                f"CREATE TRIGGER {name}_u BEFORE UPDATE ON {self.table} "
                f"WHEN NEW.version <= OLD.version OR {absent} BEGIN SELECT RAISE(ABORT, '{missing}'); END",
            ]
        return [
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.version <= OLD.version OR NOT EXISTS (
      SELECT 1 FROM {self.outbox_table}
      WHERE aggregate = '{self.aggregate_type}/' || NEW.id::text AND version = NEW.version) THEN
    RAISE EXCEPTION '{missing}' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$""",
            f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {self.table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]

    def _drop(self, vendor: str) -> list[str]:
        name = f"{self.table}_needs_event"
        if vendor == "sqlite":
            return [f"DROP TRIGGER IF EXISTS {name}_i", f"DROP TRIGGER IF EXISTS {name}_u"]
        return [f"DROP TRIGGER IF EXISTS {name} ON {self.table}", f"DROP FUNCTION IF EXISTS {name}()"]
