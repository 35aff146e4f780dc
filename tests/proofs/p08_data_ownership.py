"""Pattern 8: only the owner touches the table."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import psycopg

from deploy.local.house import operations_owner
from deploy.local.services.rights import declarations
from fissile.prove import Proof, Red
from settings.contexts import CONTEXTS

from .scene import PROBE, ShopScene, answered, ensure, run, settled
from .trees import copied_tree, paths_of
from .trespass import connection_to, pairs, refusal, tries

PROOF = Proof(
    number=8,
    code="fissile.data (ownership, guard, migrations), fissile.gate, deploy/local/services (databases.py, rights.py)",
    page="docs/patterns/8-data-ownership.md",
)
ROLES = "the server refuses each context's role on the others' databases"
BROKER_USERS = "the broker refuses each context's user on the others' exchanges and queues"
FOREIGN_QUERY = "a query across contexts is refused at run time"
FOUND_BEFORE = "a query across contexts is found before it runs"
UNANNOUNCED = "a row is written in its owner's unit of work or not at all"
# One table of each context, of which the statements below speak.
TABLES = {"users": "users_user", "orders": "orders_order", "bff": "bff_dashboard_order", "payments": "payments_payment"}
# Foreign keys that somebody could wish for: (from, to).
RELATIONS = (("orders", "users.User"), ("payments", "orders.Order"))
# What the children below print: the class and sentence of what was raised, or null.
TRIED = """
import json
from django.apps import apps
from django.db import connections, models, transaction
from fissile.contexts import registry
from fissile.data.unit_of_work import unit_of_work
def tried(work):
    try:
        work()
    except Exception as wrong:
        return [type(wrong).__name__, str(wrong)]
    return None
def run(alias, sql):
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(sql)
found, here = {}, [context.name for context in registry.installed()]
"""
QUERIES = {
    "a plain select": "SELECT count(*) FROM {theirs}",
    "a join": "SELECT count(*) FROM {ours} a JOIN {theirs} b ON a.id = b.id",
    "an update": "UPDATE {theirs} SET id = id",
    "an insert from a select": 'INSERT INTO {ours} (id) SELECT id FROM "{theirs}"',
}
STATEMENTS = f"""{TRIED}
tables, queries = {TABLES!r}, {QUERIES!r}
found["queries"], found["writes"] = {{}}, {{}}
for mine in here:
    for theirs in set(tables) - {{mine}}:
        for name, sql in queries.items():
            statement = sql.format(ours=tables[mine], theirs=tables[theirs])
            found["queries"][f"{{name}} by {{mine}} on {{theirs}}"] = tried(lambda: run(mine, statement))
        if theirs in here:
            model = next(one for one in apps.get_models() if one._meta.db_table == tables[theirs])
            found["queries"][f"the ORM by {{mine}} on {{theirs}}"] = tried(lambda: model.objects.using(mine).count())
    write = lambda: run(mine, f"UPDATE {{tables[mine]}} SET id = id WHERE id IS NULL")
    found["writes"][f"{{mine}}: an update"] = tried(write)
    delete = f"DELETE FROM {{tables[mine]}} WHERE id IS NULL"
    found["writes"][f"{{mine}}: a delete"] = tried(lambda: run(mine, delete))
    for other in set(here) - {{mine}}:
        def within():
            with unit_of_work(other):
                write()
        found["writes"][f"{{mine}}: in a unit of work of {{other}}"] = tried(within)
print(json.dumps(found))
"""
# A query that a person in a hurry writes; nothing imports anything.
PLANTED_QUERY = """

def _limit_read_in_passing(buyer_id: UUID) -> object:
    from django.db import connections

    with connections["orders"].cursor() as cursor:
        cursor.execute("SELECT credit_limit_minor FROM users_user WHERE id = %s", [str(buyer_id)])
        return cursor.fetchone()


def _payments_of_an_order(order_id: UUID) -> object:
    from django.apps import apps

    return apps.get_model("payments", "Payment").objects.filter(order_id=order_id)
"""


@PROOF.clause(ROLES)
def roles(scene: ShopScene) -> str:
    """Log in as one owner to another's database."""
    scene.only_real("SQLite has no roles and no server: whoever may read the file may read the data (decision 12)")
    said, refusals = "", 0
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
                said, refusals = str(refused).strip().splitlines()[-1], refusals + 1
    return f"{refusals} of {refusals} pairs refused, each role let into its own; the server says: {said}"


@PROOF.clause(BROKER_USERS)
def broker_users(scene: ShopScene) -> str:
    """Try every operation there is on what is another's, over AMQP with the accounts that the processes have."""
    scene.only_real("the embedded bus is a file without accounts: whoever may write it may publish as anybody")
    environments = {name: scene.house.environment(name) for name in CONTEXTS}
    accounts = {name: found[f"{name.upper()}_BROKER_URL"] for name, found in environments.items()}
    # Celery's, one for each process that there is.
    roles = {found["ROLE"]: found["BROKER_URL"] for found in environments.values()}
    accounts |= {operations_owner(role): url for role, url in roles.items()}
    said, refusals = "", 0
    with ExitStack() as stack:
        doors = {user: stack.enter_context(connection_to(url)) for user, url in accounts.items()}
        for user, own, foreign, heard in pairs(declarations(), roles):
            for what, thing, how in tries(own, foreign, heard=heard):
                said = refusal(doors[user], how) or ""
                ensure(said, f"{user}'s user was let to {what} {thing}")
                refusals += 1
    return f"{refusals} of {refusals} tries refused, all {len(accounts)} accounts let in; it says: {said}"


@PROOF.clause(FOREIGN_QUERY)
def foreign_query(scene: ShopScene) -> str:
    """Try, in every role of this cut, each context's alias on each other context's table."""
    found = _tried_in_every_role(scene)["queries"]
    for name, outcome in found.items():
        ensure(outcome and outcome[0] == "ForeignTable", f"{name} was let through to the database: {outcome}")
    return f"{len(found)} ways refused in {len(scene.groups)} roles: {next(iter(found.values()))[1]}"


@PROOF.clause(UNANNOUNCED)
def unannounced(scene: ShopScene) -> str:
    """Write each context's own table without a unit of work, and within a neighbour's."""
    found = _tried_in_every_role(scene)["writes"]
    for name, outcome in found.items():
        ensure(outcome and outcome[0] == "WriteOutsideUnitOfWork", f"{name} was let through: {outcome}")
    return f"{len(found)} ways refused: {next(iter(found.values()))[1]}"


def _tried_in_every_role(scene: ShopScene) -> dict[str, dict[str, Any]]:
    """Return by kind and name what came of all statements, tried once in each role of this cut."""
    scene.needs_processes()

    def look() -> dict[str, dict[str, Any]]:
        with ThreadPoolExecutor(2) as hands:
            answers = list(hands.map(lambda group: scene.ask_inside(group.contexts[0], STATEMENTS), scene.groups))
        return {
            kind: {name: outcome for answer in answers for name, outcome in answer[kind].items()}
            for kind in ("queries", "writes")
        }

    return scene.once("statements in every role", look)


@PROOF.clause(FOUND_BEFORE, in_any_cut=True)
def found_before(scene: ShopScene) -> str:
    """Plant two queries in a copy of orders' source; ask Django's checks."""
    scene.needs_processes()
    planted = "apps/orders/queries.py"
    with copied_tree({planted: PLANTED_QUERY}) as tree:
        role = scene.row("web", topology="monolith", extra=paths_of(tree)).environment
        done = run(["manage.py", "check", "--tag", "boundaries"], cwd=tree, environment=role, check=False)
    found = [line.strip() for line in done.stderr.splitlines() if planted in line]
    ensure(done.returncode != 0 and "HINT" in done.stderr, f"the checks pass: {done.stderr[-300:]}")
    for rule, name in {"BND020": "the raw SQL", "BND014": "the model from the registry"}.items():
        ensure(any(f"fissile.{rule}" in line for line in found), f"the checks did not find {name}: {found}")
    return f"both found, with a hint: {found[0]}"


@PROOF.clause("a relation across contexts is refused, and so is its migration")
def foreign_relation(scene: ShopScene) -> str:
    """Plant a model that points at a neighbour's, give it a row, then a table: in orders, and in payments."""
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    scene.on_dashboard(rosa, order)
    said = []
    with ThreadPoolExecutor(2) as hands:
        answers = hands.map(lambda pair: scene.ask_inside(pair[0], _planted_model(*pair)), RELATIONS)
        for (mine, theirs), found in zip(RELATIONS, answers, strict=True):
            ensure(found["relation"], f"a row of {mine} was related to a {theirs}")
            ensure(found["migration"], f"a table of {mine} refers to {theirs}")
            tables = [name for name in _tables(scene, mine) if "planted" in name]
            ensure(not tables, f"the planted table is there: {tables}")
            said.append(f"{mine} to {theirs}: {found['relation'][0]}, {found['migration'][0]}")
    return f"relation and migration refused: {'; '.join(said)}"


def _planted_model(mine: str, theirs: str) -> str:
    return f"""{TRIED}
from django.core import checks
class Planted(models.Model):
    other = models.ForeignKey("{theirs}", on_delete=models.DO_NOTHING)
    class Meta:
        app_label = "{mine}"
        db_table = "{mine}_planted"
def relate():
    if "{theirs}".split(".")[0] in here:
        Planted(other=apps.get_model("{theirs}").objects.first())
        return
    errors = [one for one in checks.run_checks(tags=["models"]) if one.id in ("fields.E300", "fields.E307")]
    if errors:
        raise LookupError(errors[0].msg)
def migrate():
    with connections["{mine}"].schema_editor() as editor:
        editor.create_model(Planted)
print(json.dumps({{"relation": tried(relate), "migration": tried(migrate)}}))
"""


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
    """Change an order, its payment and its buyer as their databases' owners would in a console."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    paid = settled(lambda: scene.shop.paid(rosa, order, "captured"), seconds=60, what="an order paid for")
    key = scene.key(order)
    copied = "buyer_id, status, total_minor, currency, placed_at"
    tried = [
        ("orders", f"UPDATE orders_order SET total_minor = 1 WHERE id = '{key}'"),
        ("orders", f"UPDATE orders_order SET total_minor = 1, version = version + 1 WHERE id = '{key}'"),
        (
            "orders",
            f"INSERT INTO orders_order (id, version, cancel_reason, {copied}) "
            f"SELECT '{scene.key(str(uuid4()))}', 1, '', {copied} FROM orders_order WHERE id = '{key}'",
        ),
        ("payments", f"UPDATE payments_payment SET status = 'refunded' WHERE order_id = '{key}'"),
        ("users", f"UPDATE users_user SET credit_limit_minor = 1 WHERE id = '{scene.key(rosa.id)}'"),
    ]
    said = [_refused_by_the_database(scene, context, sql) for context, sql in tried]
    read = answered(scene.shop.send("GET", f"/api/v1/orders/{order}", who=rosa), 200).body
    ensure(read["total"]["amount_minor"] != 1, "the order was changed")
    ensure(answered(scene.shop.payment(rosa, order), 200).body == paid, "the payment was changed")
    return f"{len(said)} statements on {', '.join({context for context, _ in tried})} refused: {said[0]}"


def _refused_by_the_database(scene: ShopScene, context: str, sql: str) -> str:
    with scene.connected(context) as owner:
        try:
            owner.execute(sql)
        except (sqlite3.IntegrityError, psycopg.errors.IntegrityError) as refused:
            return str(refused).splitlines()[0]
    raise Red(f"it was taken without an event: {sql}")


PROOF.sabotaged_by(
    "router guard off",
    clause=FOREIGN_QUERY,
    patches={PROBE: "tests.proofs.sabotage:let_every_query_through"},
)
PROOF.sabotaged_by(
    "write guard off",
    clause=UNANNOUNCED,
    patches={PROBE: "tests.proofs.sabotage:let_every_write_through"},
)
PROOF.sabotaged_by(
    "every database open to every role",
    clause=ROLES,
    stores="tests.proofs.sabotage:open_the_databases",
    tiers=("real",),
)
PROOF.sabotaged_by(
    "one user's rights for all of the broker",
    clause=BROKER_USERS,
    stores="tests.proofs.sabotage:open_the_broker",
    tiers=("real",),
)
