"""What a SQL text names, read once: whose tables, and what it changes."""

from __future__ import annotations

import pytest

from fissile.data import statements


def foreign(sql, alias="orders"):
    found = statements.read(alias, sql)
    return (found.neighbour, found.foreign_table)


def change(sql, alias="orders"):
    found = statements.read(alias, sql)
    return (found.verb, found.table)


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM "users_user"', "select * from users_user", "SELECT 1 FROM\n\tUSERS_USER u",
        "SELECT o.id FROM orders_order o JOIN users_user u ON u.id = o.buyer_id", "SELECT 1 FROM public.users_user",
        'SELECT 1 FROM "public" . "users_user"', "SELECT 1 FROM orders_order o, users_user u",
        'SELECT 1 FROM "orders_order", "users_user"', "UPDATE users_user SET name = 'x'", "TRUNCATE users_user",
        "TRUNCATE TABLE orders_order, users_user", "DELETE FROM ONLY users_user", "INSERT INTO users_user VALUES (1)",
        "INSERT OR REPLACE INTO users_user VALUES (1)", "INSERT INTO orders_order SELECT 1 FROM users_user",
        "WITH x AS (SELECT 1 FROM users_user) SELECT 1 FROM x", "/* a */ SELECT 1 /* b */ FROM users_user",
        "SELECT 1; SELECT 1 FROM users_user", "ALTER TABLE users_user ADD x int",
        "CREATE TABLE orders_x (id int REFERENCES users_user (id))", "SELECT 'it''s' FROM users_user",
        "MERGE INTO orders_order o USING (SELECT 1 FROM users_user) u ON true WHEN MATCHED THEN DELETE",
    ],
)  # fmt: skip
def test_a_table_of_a_neighbour_is_found_wherever_it_is_named(sql):
    assert foreign(sql) == ("users", "users_user")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'copied from users_user'", "SELECT 1 -- from users_user\nFROM orders_order",
        "SELECT 1 FROM orders_order /* from users_user */", "SELECT users_count, users_name FROM orders_order",
        "SELECT a, users_seen FROM orders_order", 'SELECT EXTRACT(YEAR FROM "orders_order"."users_seen")',
        "SELECT 1 FROM orders_order FOR UPDATE", "SELECT set_config('lock_timeout', '0', true)",
        "INSERT INTO orders_order (id) VALUES (1) ON CONFLICT DO UPDATE SET id = 2", "SELECT 1 FROM usersuser",
        "SELECT 1 FROM django_migrations", "PRAGMA foreign_keys", "", ";", "(", "/*", "'", "SELECT 1 FROM",
    ],
)  # fmt: skip
def test_a_word_that_only_looks_like_a_table_is_not_taken_for_one(sql):
    assert foreign(sql) == ("", "")


def test_a_context_whose_name_begins_another_owns_its_own_tables_only(monkeypatch):
    names = ("orders", "orders_archive", "users")
    monkeypatch.setattr(statements, "_owners", lambda: ({}, tuple(sorted(names, key=len, reverse=True))))

    assert statements._read("orders", "SELECT 1 FROM orders_archive_order").neighbour == "orders_archive"
    assert statements._read("orders_archive", "SELECT 1 FROM orders_archive_order").neighbour == ""
    assert statements._read("orders_archive", "SELECT 1 FROM orders_order").neighbour == "orders"


@pytest.mark.parametrize(
    ("sql", "verb"),
    [
        ('INSERT INTO "orders_order" VALUES (%s)', "insert"), ("update orders_order set x = 1", "update"),
        ("UPDATE ONLY orders_order SET x = 1", "update"), ("DELETE FROM orders_order", "delete"),
        ("TRUNCATE orders_order", "truncate"), ("REPLACE INTO orders_order VALUES (1)", "replace"),
        ("  \n -- why\n /* who */ (DELETE FROM orders_order", "delete"),
        ("INSERT OR IGNORE INTO orders_order VALUES (1)", "insert"),
        ("WITH x AS (SELECT 1) INSERT INTO orders_order SELECT * FROM x", "insert"),
        ("WITH x AS (DELETE FROM orders_order RETURNING id) SELECT * FROM x", "delete"),
        ("WITH x AS (UPDATE orders_order SET y = 1 RETURNING id) SELECT * FROM x", "update"),
        ("EXPLAIN ANALYZE DELETE FROM orders_order", "delete"), ("SELECT 1; UPDATE orders_order SET x = 1", "update"),
        ("MERGE INTO orders_order o USING x ON true WHEN MATCHED THEN DELETE", "merge"),
    ],
)  # fmt: skip
def test_a_change_is_found_behind_whatever_stands_before_it(sql, verb):
    assert change(sql) == (verb, "orders_order")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM orders_order FOR UPDATE OF orders_order", "SELECT 1 FROM orders_order FOR NO KEY UPDATE",
        "WITH x AS (SELECT 1 FROM orders_order FOR UPDATE SKIP LOCKED) SELECT 1 FROM x",
        "CREATE TABLE orders_x (y int REFERENCES orders_order (id) ON DELETE CASCADE)", "SAVEPOINT s1",
        'INSERT INTO "django_migrations" VALUES (%s)', 'INSERT INTO "new__orders_order" SELECT 1 FROM "orders_order"',
        "SELECT 'DELETE FROM orders_order'", "SELECT 1; ", "CREATE INDEX x ON orders_order (y)",
    ],
)  # fmt: skip
def test_a_statement_that_changes_no_row_of_the_context_is_not_a_write(sql):
    assert change(sql) == ("", "")


def test_savepoints_do_not_push_statements_out():
    statements._remembered.cache_clear()

    for number in range(100):
        for word in ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"):
            assert statements.read("orders", f'{word} "s1_x{number}"').word == "savepoint"

    assert statements._remembered.cache_info().currsize == 0


def test_a_text_is_read_once_and_long_ones_are_not_kept():
    statements._remembered.cache_clear()
    long = f"SELECT 1 FROM orders_order WHERE id IN ({', '.join(['%s'] * 5_000)})"

    for _ in range(3):
        statements.read("orders", "SELECT 2 FROM orders_order")
        statements.read("orders", long)

    remembered = statements._remembered.cache_info()
    assert (remembered.misses, remembered.hits, remembered.maxsize) == (1, 2, statements.MOST_REMEMBERED)
