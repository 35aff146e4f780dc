"""The Celery application of every worker: tasks of the installed contexts, relays and consumers as steps."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.local")

from celery import Celery

# Registers `sqlitebus` with kombu before Celery reads the broker's address.
from fissile.events.bus import is_embedded
from fissile.events.worker import add_steps

from .environment import env
from .roles import celery_names

_tasks, _events = celery_names(env.role)
_embedded = is_embedded(env.broker_url)

app = Celery("shop", broker=env.broker_url)
app.conf.update(
    # Nothing but JSON is read or written: pickle is code (T39).
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    # Celery's defaults acknowledge before the work and lose it in a crash (T16).
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=False,
    worker_prefetch_multiplier=1,
    # A role of its own queue: a worker must not be handed tasks of contexts it does not have.
    task_default_queue=_tasks,
    # Not direct: Celery then publishes through the default exchange, and who may write there reaches every queue.
    task_default_exchange_type="topic",
    event_exchange=_events,
    # No inspection or control over the broker: whoever can publish there could stop workers.
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    # The relay reconnects for ever; Celery's own consumer must not end the process sooner.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"polling_interval": 0.5} if _embedded else {"confirm_publish": True},
    timezone="UTC",
)

add_steps(app)
