"""What a hurried colleague might write: each function takes a shortcut that the guard knows.

Tables and models come as arguments: the boundary gate reads this context like any other, and would find them.
"""

from django.db import connections

from .models import Heard


def note_it_anyway(note):
    """Write a plain row, in whatever transaction there is or is not."""
    return Heard.objects.create(aggregate="shortcut/1", version=1, message_id="0" * 32, note=note)


def look_next_door(table):
    """Count a neighbour's rows through our own connection."""
    with connections["shoplet"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE name = %s", ["a secret value"])


def step_next_door(row, model):
    """Follow a row of ours to a row of a neighbour."""
    return model.objects.db_manager(hints={"instance": row}).all().db
