"""Celery: nameless tasks, neighbours' tasks, messages past the outbox."""

from __future__ import annotations

from .planting import UNDECLARED, case

PLANTS = [
    case(
        "tasks without a name of their own",
        {
            "orders/tasks/nameless.py": """
                import celery
                from celery import Celery, shared_task

                from ..celery import app as celery_app

                app = Celery("orders")


                @shared_task  # gate: BND070
                def sweep():
                    pass


                @shared_task(bind=True, max_retries=3)  # gate: BND070
                def resend(self, pk):
                    self.retry()


                @app.task  # gate: BND070
                def nightly():
                    pass


                @celery_app.task(ignore_result=True)  # gate: BND070
                def monthly():
                    pass


                @celery.shared_task()  # gate: BND070
                def yearly():
                    pass
            """,
            "orders/celery.py": """
                from celery import Celery

                app = Celery("orders")
            """,
        },
    ),
    case(
        "a neighbour's tasks",
        {
            "orders/tasks/foreign.py": """
                from celery import chain, chord, current_app, group, shared_task, signature

                from mall.billing import tasks as billing_tasks  # gate: BND001
                from mall.users.tasks import send_welcome  # gate: BND001


                def greet(pk):
                    send_welcome.delay(pk)  # gate: BND071


                def greet_later(pk):
                    send_welcome.apply_async(args=[pk], countdown=60)  # gate: BND071


                def by_name(pk):
                    current_app.send_task("users.send_welcome", args=[pk])  # gate: BND071


                def signed(pk):
                    return signature("billing.print_invoice", args=[pk])  # gate: BND071


                def all_at_once(pks):
                    return group(send_welcome.s(pk) for pk in pks)  # gate: BND071


                def then(pk):
                    return chain(
                        send_welcome.si(pk),  # gate: BND071
                        billing_tasks.print_invoice.si(pk),  # gate: BND071
                    )


                @shared_task(name="users.send_receipt")  # gate: BND071
                def send_receipt(pk):
                    pass
            """
        },
    ),
    case(
        "a neighbour's tasks on a timetable",
        {
            "orders/schedule.py": """
                from celery.schedules import crontab

                from .celery import app

                CELERY_BEAT_SCHEDULE = {
                    "own": {"task": "orders.sweep", "schedule": 60.0},
                    "welcome": {
                        "task": "users.send_welcome",  # gate: BND071
                        "schedule": crontab(hour=3),
                    },
                }

                app.conf.beat_schedule["bills"] = {"task": "billing.print_invoice", "schedule": 60.0}  # gate: BND071
                app.conf.task_routes = {"users.send_welcome": {"queue": "orders"}}  # gate: BND071


                def remind(pk):
                    app.tasks["users.send_welcome"].delay(pk)  # gate: BND071
            """
        },
    ),
    case(
        "a neighbour's task without a name of its own, on a timetable",
        {
            "billing/tasks_nightly/tasks.py": """
                from celery import shared_task


                @shared_task  # gate: BND070
                def dun():
                    pass
            """,
            "orders/timetable.py": """
                SCHEDULE = {"dun": {"task": "mall.billing.tasks_nightly.tasks.dun", "schedule": 60.0}}  # gate: BND071
            """,
        },
    ),
    case(
        "messages past the outbox",
        {
            "orders/tasks/mails.py": """
                from functools import partial

                from celery import chain, shared_task
                from django.db import transaction


                @shared_task(name="orders.send_receipt")
                def send_receipt(pk):
                    send_receipt.apply_async(args=[pk], countdown=60)  # gate: BND072/declared


                @shared_task(name="orders.archive")
                def archive(pk):
                    pass


                def place(sale):
                    send_receipt.delay(sale.pk)  # gate: BND072/declared
                    send_receipt.s(sale.pk).delay()  # gate: BND072/declared
                    chain(send_receipt.si(sale.pk), archive.si(sale.pk)).apply_async()  # gate: BND072/declared
                    transaction.on_commit(lambda: send_receipt.delay(sale.pk), using="orders")  # gate: BND072/declared
                    transaction.on_commit(partial(archive.delay, sale.pk), using="orders")  # gate: BND072/declared
            """,
            "orders/placing.py": """
                from celery import current_app

                from .tasks import mails
                from .tasks.mails import archive


                def place(sale):
                    archive.delay(sale.pk)  # gate: BND072/declared
                    mails.send_receipt.delay_on_commit(sale.pk)  # gate: BND072/declared
                    current_app.send_task("orders.archive", [sale.pk])  # gate: BND072/declared
            """,
        },
    ),
]

LOOK_ALIKES = [
    case(
        "an app's own task, sent to the broker where there is no outbox",
        {
            "orders/tasks/reminders.py": """
                from celery import current_app, shared_task


                @shared_task(name="orders.remind")
                def remind(pk):
                    pass


                def place(sale):
                    remind.delay(sale.pk)
                    current_app.send_task("orders.remind", [sale.pk])
            """,
        },
        UNDECLARED,
    ),
    case(
        "tasks with names of their own",
        {
            "orders/tasks/own.py": """
                from celery import Celery, shared_task

                app = Celery("orders")


                @shared_task(name="orders.users_sweep")
                def users_sweep():
                    return {"task": "a task", "users": 1}


                @app.task(name="orders.sweep", bind=True)
                def sweep(self):
                    raise self.retry(countdown=3)


                CELERY_BEAT_SCHEDULE = {"sweep": {"task": "orders.sweep", "schedule": 60.0}}
                ROUTES = {"users": "/users/", "sales": "orders.sweep"}
            """,
            "orders/waiting.py": """
                import asyncio


                def wait(timer, animation, mailbox, board):
                    timer.delay(3)
                    animation.delay("users.view_user")
                    board.task(3)
                    mailbox.signature("users.profile")
                    return asyncio.sleep(0)
            """,
        },
    ),
]
