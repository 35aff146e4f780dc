"""An instance that was made when all contexts shared one broker user becomes one with a user for each.

May touch: the instance's broker and credentials file. Does nothing on an instance that is up to date.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .broker import ask
from .instance import Instance

SHARED_DEAD_LETTERS = "fissile.dead-letters"
_MOST_MESSAGES = 100_000


def from_one_user(instance: Instance) -> None:
    """Give queues dead letters of their own context, then take the shared user away; messages are kept."""
    rabbit = instance.credentials()["rabbitmq"]
    shared = rabbit.get("user")
    if shared is None:
        return
    # First: it ends that user's connections, so that no process holds or adds a message meanwhile.
    ask(instance, "DELETE", f"/api/users/{shared}", missing_is_fine=True)
    vhost = rabbit["vhost"]
    for queue in ask(instance, "GET", f"/api/queues/{vhost}", missing_is_fine=True) or ():
        if queue["arguments"].get("x-dead-letter-exchange") == SHARED_DEAD_LETTERS:
            _make_again(instance, vhost, queue)
    for exchange in ask(instance, "GET", f"/api/exchanges/{vhost}", missing_is_fine=True) or ():
        # Celery's own; a worker declares it again, as a topic.
        if exchange["name"].endswith(".tasks") and exchange["type"] == "direct":
            ask(instance, "DELETE", f"/api/exchanges/{vhost}/{quote(exchange['name'], safe='')}")
    instance.forget_shared_user()


def _make_again(instance: Instance, vhost: str, queue: dict[str, Any]) -> None:
    """Replace a queue by one whose dead letters are its context's: the arguments of a queue cannot be changed."""
    name, path = queue["name"], f"{vhost}/{quote(queue['name'], safe='')}"
    bindings = ask(instance, "GET", f"/api/queues/{path}/bindings")
    # Read without taking: whoever is interrupted before the deletion has lost nothing.
    reading = {"count": _MOST_MESSAGES, "ackmode": "ack_requeue_true", "encoding": "auto"}
    messages = ask(instance, "POST", f"/api/queues/{path}/get", reading)
    net = {"x-dead-letter-exchange": f"{name.partition('.')[0]}.dead-letters"}
    ask(instance, "DELETE", f"/api/queues/{path}")
    ask(instance, "PUT", f"/api/queues/{path}", {"durable": True, "arguments": queue["arguments"] | net})
    for binding in bindings:
        if binding["source"]:
            body = {"routing_key": binding["routing_key"], "arguments": binding["arguments"]}
            ask(
                instance,
                "POST",
                f"/api/bindings/{vhost}/e/{quote(binding['source'], safe='')}/q/{quote(name, safe='')}",
                body,
            )
    for message in messages:
        body = {
            "routing_key": name,
            "properties": message["properties"],
            "payload": message["payload"],
            "payload_encoding": message["payload_encoding"],
        }
        ask(instance, "POST", f"/api/exchanges/{vhost}/amq.default/publish", body)
