"""Pattern 8: only the owner touches the table."""

from __future__ import annotations

import sqlite3
from uuid import uuid4

import psycopg

from fissile.prove import Proof, Red

from .scene import ShopScene, answered, ensure

PROOF = Proof(
    number=8,
    code="fissile.data.ownership, fissile.data.migrations, deploy/local/services/databases.py",
    page="docs/patterns/8-data-ownership.md",
)
CONTEXTS = ("users", "orders", "bff")
FOREIGN_QUERY = "a query across contexts is refused at run time"
# What the children below print: the class and sentence of what was raised, or null.
TRIED = """
import json
from django.db import connections, models, transaction
def tried(work):
    try:
        work()
    except Exception as wrong:
        return [type(wrong).__name__, str(wrong)]
    return None
"""
QUERIES = {
    "a plain select": "SELECT count(*) FROM users_user",
    "a join": "SELECT count(*) FROM orders_order o JOIN users_user u ON u.id = o.buyer_id",
    "an update": "UPDATE users_user SET name = ''",
    "an insert from a select": "INSERT INTO orders_product SELECT id, name, 1, 'EUR' FROM \"users_user\"",
}


@PROOF.clause("the server refuses each context's role on the others' databases")
def roles(scene: ShopScene) -> str:
    """Log in as one owner to another's database."""
    scene.only_real("SQLite has no roles and no server: whoever may read the file may read the data (decision 12)")
    said = ""
    for owner in CONTEXTS:
        with psycopg.connect(**scene.login(owner)):
            pass
        for other in CONTEXTS:
            if other == owner:
                continue
            try:
                with psycopg.connect(**scene.login(owner) | {"dbname": scene.login(other)["dbname"]}):
                    raise Red(f"{owner}'s role was let into {other}'s database")
            except psycopg.OperationalError as refused:
                ensure("permission denied" in str(refused), f"refused for another reason: {refused}")
                said = str(refused).strip().splitlines()[-1]
    return f"6 of 6 pairs refused, each role let into its own; the server says: {said}"


@PROOF.clause(FOREIGN_QUERY)
def foreign_query(scene: ShopScene) -> str:
    """Plant queries in the role that holds orders."""
    code = f"""{TRIED}
found = {{}}
for name, sql in {QUERIES!r}.items():
    def ask():
        with transaction.atomic(using="orders"), connections["orders"].cursor() as cursor:
            cursor.execute(sql)
    found[name] = tried(ask)
from django.apps import apps
if apps.is_installed("apps.users"):
    found["the ORM, with using()"] = tried(lambda: apps.get_model("users.user").objects.using("orders").count())
print(json.dumps(found))
"""
    found = scene.ask_inside("orders", code)
    for name, outcome in found.items():
        ensure(outcome and outcome[0] == "ForeignTable", f"{name} was let through to the database: {outcome}")
    return f"{len(found)} ways refused: {next(iter(found.values()))[1]}"


@PROOF.clause("a relation across contexts is refused, and so is its migration")
def foreign_relation(scene: ShopScene) -> str:
    """Plant a model in orders that points at users, give it a row, then a table."""
    scene.needs_processes()
    scene.shop.sign_up()
    code = f"""{TRIED}
from django.apps import apps
from django.core import checks
class Planted(models.Model):
    buyer = models.ForeignKey("users.User", on_delete=models.DO_NOTHING)
    class Meta:
        app_label = "orders"
        db_table = "orders_planted"
def relate():
    if not apps.is_installed("apps.users"):
        errors = [one for one in checks.run_checks() if one.id in ("fields.E300", "fields.E307")]
        if errors:
            raise LookupError(errors[0].msg)
    else:
        Planted(buyer=apps.get_model("users.user").objects.first())
def migrate():
    with connections["orders"].schema_editor() as editor:
        editor.create_model(Planted)
print(json.dumps({{"relation": tried(relate), "migration": tried(migrate)}}))
"""
    found = scene.ask_inside("orders", code)
    ensure(found["relation"], "a row of orders was related to one of users")
    ensure(found["migration"], "a table of orders refers to one of users")
    tables = [name for name in _tables(scene, "orders") if "planted" in name]
    ensure(not tables, f"the planted table is there: {tables}")
    return f"relation: {found['relation'][0]}: {found['relation'][1][:90]}; migration: {found['migration'][0]}"


@PROOF.clause("each database holds its owner's tables only")
def own_tables(scene: ShopScene) -> str:
    """List what is there."""
    said = []
    for owner in CONTEXTS:
        tables = _tables(scene, owner)
        strangers = [name for name in tables if not name.startswith(f"{owner}_") and name != "django_migrations"]
        ensure(tables, f"{owner} has no tables")
        ensure(not strangers, f"{owner}'s database has {', '.join(strangers)}")
        said.append(f"{owner} {len(tables) - 1}")
    return f"tables: {', '.join(said)}; no stranger among them"


def _tables(scene: ShopScene, alias: str) -> list[str]:
    sql = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        if scene.is_real
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return [name for (name,) in scene.rows(alias, sql)]


@PROOF.clause("an aggregate does not change without its event, not even by raw SQL")
def triggers(scene: ShopScene) -> str:
    """Change an order as its database's owner would in a console."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    key = scene.key(order)
    statements = {
        "an update": f"UPDATE orders_order SET total_minor = 1 WHERE id = '{key}'",
        "an update with a new version": f"UPDATE orders_order SET total_minor = 1, version = 2 WHERE id = '{key}'",
        "a copy": "INSERT INTO orders_order (id, version, buyer_id, status, total_minor, currency, placed_at, "
        f"cancel_reason) SELECT '{scene.key(str(uuid4()))}', 1, buyer_id, status, total_minor, currency, placed_at, '' "
        f"FROM orders_order WHERE id = '{key}'",
    }
    said = ""
    with scene.connected("orders") as owner:
        for name, sql in statements.items():
            try:
                owner.execute(sql)
            except (sqlite3.IntegrityError, psycopg.errors.IntegrityError) as refused:
                said = str(refused).splitlines()[0]
            else:
                raise Red(f"{name} was taken without an event")
    total = answered(scene.shop.send("GET", f"/api/v1/orders/{order}", who=rosa), 200).body["total"]["amount_minor"]
    ensure(total != 1, "the order was changed")
    return f"{', '.join(statements)}: refused ({said})"


PROOF.sabotaged_by(
    "router guard off",
    clause=FOREIGN_QUERY,
    patches=dict.fromkeys(("*web", "*worker", "probe"), "tests.proofs.sabotage:let_every_query_through"),
)
