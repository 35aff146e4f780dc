"""What is said to one context alone: commands, requests with a deadline, and replies. No Django."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from .ids import uuid7


@dataclass(frozen=True, kw_only=True)
class Command:
    """A wish that one context carries out; the context that takes it owns the class.

    `name` is the wire name, `<context that takes it>.<verb>_<noun>.v<n>`.
    """

    name: ClassVar[str]

    @property
    def receiver(self) -> str:
        """The context that takes this command."""
        return self.name.split(".", 1)[0]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a request is answered with; a "no" is one of its values, not an error."""

    name: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class Request(Command):
    """A command that is answered with an `answer`, later and elsewhere.

    After `answer_by` (aware; the asker's database clock) it is not carried out any
    more, and a reply is dropped.
    """

    answer: ClassVar[type[Reply]]

    answer_by: datetime


@dataclass(frozen=True, kw_only=True)
class Directed:
    """A command or a reply on its way to context `to`: a stream of its own, of one version."""

    id: UUID
    to: str
    aggregate: str
    body: Command | Reply

    @property
    def name(self) -> str:
        """The wire name."""
        return self.body.name


def command_to_send(command: Command) -> Directed:
    """Return a command as the message that its receiver gets."""
    message_id = uuid7()
    return Directed(id=message_id, to=command.receiver, aggregate=f"command/{message_id}", body=command)


def reply_to_send(reply: Reply, *, to: str, request_id: UUID) -> Directed:
    """Return a reply to the request of that message id, for the context that asked.

    Its aggregate is the request's: a second reply would claim the place of the first.
    """
    return Directed(id=uuid7(), to=to, aggregate=f"reply/{request_id}", body=reply)
