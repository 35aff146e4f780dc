"""SQL that names another context's tables."""

from __future__ import annotations

from .planting import ALONE, case

PLANTS = [
    case(
        "cursor.execute",
        {
            "orders/sql/cursors.py": '''
                from django.db import connections

                JOINED = """
                    SELECT s.id, u.email
                    FROM orders_sale s
                    JOIN users_user u ON u.id = s.customer_id
                """
                USERS = "users_user"


                def joined():
                    with connections["orders"].cursor() as cursor:
                        cursor.execute(JOINED)  # gate: BND020
                        return cursor.fetchall()


                def counted(cursor):
                    cursor.execute(f"SELECT count(*) FROM {USERS} WHERE is_active")  # gate: BND020


                def formatted(cursor, pk):
                    cursor.execute("DELETE FROM {} WHERE id = %s".format(USERS), [pk])  # gate: BND020
                    cursor.execute("UPDATE %s SET credit = 0" % USERS)  # gate: BND020


                def many(cursor, rows):
                    cursor.executemany("INSERT INTO billing_invoice (number) VALUES (%s)", rows)  # gate: BND020
            '''
        },
    ),
    case(
        "several statements under one name",
        {
            "orders/sql/names.py": """
                from django.db import connections


                def mine():
                    query = "SELECT * FROM orders_sale"
                    return run(query)


                def theirs():
                    query = "SELECT * FROM billing_invoice"
                    with connections["orders"].cursor() as cursor:
                        cursor.execute(query)  # gate: BND020


                def grown(cursor, active):
                    sql = "SELECT s.* FROM orders_sale s"
                    if active:
                        sql += " JOIN users_user u ON u.id = s.customer_id AND u.is_active"
                    cursor.execute(sql)  # gate: BND020


                def either(cursor, old):
                    cursor.execute("SELECT 1 FROM orders_sale" if old else "TABLE billing_invoice")  # gate: BND020


                def run(sql):
                    with connections["orders"].cursor() as cursor:
                        cursor.execute(sql)
            """
        },
    ),
    case(
        "spellings: quotes, schemas, capitals, CTEs, comments",
        {
            "orders/sql/spellings.py": '''
                def run(cursor):
                    cursor.execute('SELECT * FROM "users_user"')  # gate: BND020
                    cursor.execute("select * from public.users_user")  # gate: BND020
                    cursor.execute('SELECT * FROM "public"."billing_invoice" i')  # gate: BND020
                    cursor.execute("SELECT * FROM USERS_USER")  # gate: BND020
                    cursor.execute("SELECT * FROM `users_user`")  # gate: BND020
                    cursor.execute(  # gate: BND020
                        """
                        WITH rich AS (
                            SELECT id FROM users_user WHERE credit > 0
                        )
                        SELECT * FROM orders_sale WHERE customer_id IN (SELECT id FROM rich)
                        """
                    )
                    cursor.execute("SELECT 1 FROM orders_sale, billing_invoice")  # gate: BND020
                    cursor.execute("TRUNCATE billing_invoice")  # gate: BND020
                    cursor.execute("/* nightly */ select exists (select 1 from users_user)")  # gate: BND020
            '''
        },
    ),
    case(
        "raw, extra and RawSQL",
        {
            "orders/sql/managers.py": """
                from django.db.models.expressions import RawSQL

                from mall.orders.models import Sale


                def raw():
                    return Sale.objects.raw("SELECT s.* FROM orders_sale s, users_user u")  # gate: BND020


                def extra():
                    return Sale.objects.extra(  # gate: BND020
                        tables=["users_user"], where=["users_user.id = orders_sale.customer_id"]
                    )


                def selected():
                    return Sale.objects.extra(select={"mail": "(SELECT email FROM users_user)"})  # gate: BND020


                def annotated():
                    return Sale.objects.annotate(
                        mail=RawSQL("(SELECT email FROM users_user u WHERE u.id = customer_id)", []),  # gate: BND020
                    )
            """
        },
    ),
    case(
        "SQL handed to functions of others",
        {
            "orders/sql/handed.py": """
                import pandas
                from psycopg import sql
                from textwrap import dedent

                from .reading import fetch_all


                def frame(engine):
                    return pandas.read_sql("SELECT id, email FROM users_user", engine)  # gate: BND020


                def composed(cursor):
                    cursor.execute(sql.SQL("SELECT {} FROM users_user").format(sql.Identifier("email")))  # gate: BND020


                def dedented(cursor):
                    cursor.execute(dedent("SELECT email FROM users_user"))  # gate: BND020


                def helped():
                    return fetch_all("SELECT number FROM billing_invoice WHERE number = %s", ["7"])  # gate: BND020


                def copied(cursor, file):
                    cursor.copy_expert("COPY users_user (id, email) TO STDOUT WITH CSV", file)  # gate: BND020
            """,
            "orders/sql/reading.py": """
                from django.db import connections


                def fetch_all(sql, given):
                    with connections["orders"].cursor() as cursor:
                        cursor.execute(sql, given)
                        return cursor.fetchall()
            """,
        },
    ),
    case(
        "constants of another module, and of a class",
        {
            "orders/sql/tables.py": """
                BUYERS = "users_user"
                TOP_BUYERS = "SELECT email FROM users_user ORDER BY credit DESC"
            """,
            "orders/sql/constants.py": """
                from . import tables
                from .tables import BUYERS, TOP_BUYERS


                class Report:
                    SQL = "SELECT count(*) FROM billing_invoice"

                    def top(self, cursor):
                        cursor.execute(TOP_BUYERS)  # gate: BND020
                        cursor.execute(tables.TOP_BUYERS)  # gate: BND020

                    def all(self, cursor):
                        cursor.execute(f"SELECT * FROM {BUYERS}")  # gate: BND020

                    def count(self, cursor):
                        cursor.execute(self.SQL)  # gate: BND020
            """,
        },
    ),
    case(
        "a neighbour's table by its model",
        {
            "orders/sql/by_model.py": """
                from mall.users.models import User  # gate: BND001


                def emails(cursor):
                    cursor.execute(f"SELECT email FROM {User._meta.db_table}")  # gate: BND020
            """
        },
    ),
    case(
        "a file of SQL",
        {
            "orders/sql/monthly.sql": """
                -- what each buyer spent; users_user is joined below
                SELECT u.email, count(*)
                FROM orders_sale s
                JOIN users_user u ON u.id = s.customer_id  -- gate: BND020
                GROUP BY 1
            """
        },
    ),
    case(
        "SQL in migrations",
        {
            "orders/migrations/0002_views.py": """
                from django.db import migrations

                VIEW = "CREATE VIEW orders_report AS SELECT s.id, u.email FROM orders_sale s, users_user u"


                def fill(apps, schema_editor):
                    schema_editor.execute("UPDATE orders_sale SET reference = (TABLE users_user)")  # gate: BND020


                class Migration(migrations.Migration):
                    dependencies = [("orders", "0001_initial")]
                    operations = [
                        migrations.RunSQL(VIEW, "DROP VIEW orders_report"),  # gate: BND020
                        migrations.RunSQL([("UPDATE users_user SET credit = %s", [0])]),  # gate: BND020
                        migrations.RunSQL(  # gate: BND020
                            sql="SELECT 1", reverse_sql="DELETE FROM billing_invoice"
                        ),
                        migrations.RunPython(fill),
                    ]
            """
        },
    ),
    case(
        "tables of a neighbour that is not installed here",
        {
            "orders/sql/absent.py": """
                def run(cursor):
                    cursor.execute("SELECT s.id FROM orders_sale s JOIN users_user u ON u.id = s.id")  # gate: BND020
                    cursor.execute('UPDATE "billing_invoice" SET number = 1')  # gate: BND020
                    cursor.execute('SELECT 1 FROM "public"."users_user"')  # gate: BND020
                    cursor.execute("SELECT 1 FROM orders_sale s, billing_invoice b")  # gate: BND020
            """,
            "orders/models/absent.py": """
                from django.db import models


                class InvoiceRow(models.Model):
                    number = models.CharField(max_length=20)

                    class Meta:
                        managed = False
                        db_table = "billing_invoice"  # gate: BND021
            """,
            "orders/absent_models.py": """
                from django.apps import apps
                from django.db import connections

                User = apps.get_model("users", "User")  # gate: BND014
                rows = connections["users"]  # gate: BND022
            """,
        },
        ALONE,
    ),
]

LOOK_ALIKES = [
    case(
        "a foreign table in prose, messages, values and file names",
        {
            "orders/sql/prose.py": '''
                """Copies what users_user says: never SELECT * FROM users_user here."""

                import logging

                log = logging.getLogger(__name__)


                def run(cursor, users_user):
                    """Once this was a JOIN users_user; see SELECT email FROM users_user."""
                    # SELECT * FROM users_user
                    log.info("select from users_user is not ours")
                    log.warning("never write SELECT * FROM users_user here")
                    cursor.execute("SELECT * FROM orders_sale -- not users_user")
                    cursor.execute("SELECT * FROM orders_sale WHERE reference = 'users_user'")
                    cursor.execute("SELECT 1 /* users_user */ FROM orders_sale")
                    cursor.execute("INSERT INTO orders_sale (reference) VALUES (%s)", ["users_user"])
                    if users_user:
                        raise ValueError("SELECT * FROM users_user is users' own")
                    return open("exports/users_user.csv")
            '''
        },
    ),
    case(
        "own tables, a CTE named like another context, and names that only begin alike",
        {
            "orders/sql/own.py": """
                from django.db import connections


                def run():
                    with connections["orders"].cursor() as cursor:
                        cursor.execute("WITH users AS (SELECT 1) SELECT * FROM orders_sale, users")
                        cursor.execute("SELECT users.name FROM orders_customer users")
                        cursor.execute("SELECT * FROM orders_sale JOIN orders_customer ON true")
                        cursor.execute("SELECT s.users_user_id FROM orders_sale s")
                        cursor.execute("SELECT set_config('search_path', '', false)")


                def executor(pool, job):
                    pool.execute("users_user")
                    job.execute(users_user=1)
            """
        },
    ),
    case(
        "SQL of tests",
        {
            "orders/tests/test_sql.py": """
                def test_join(cursor):
                    cursor.execute("SELECT * FROM users_user")
            """
        },
    ),
]
