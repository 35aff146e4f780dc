"""What crosses a border: events, commands, replies, their envelope, values and problem details. No Django."""

from .directed import Command, Directed, Reply, Request
from .envelope import Envelope, UndecodableMessage, decode_envelope, encode_envelope
from .events import Event, event_class
from .ids import uuid7
from .problems import PROBLEM_TYPE, Problem, problem_from
from .values import from_wire, to_wire

__all__ = [
    "PROBLEM_TYPE",
    "Command",
    "Directed",
    "Envelope",
    "Event",
    "Problem",
    "Reply",
    "Request",
    "UndecodableMessage",
    "decode_envelope",
    "encode_envelope",
    "event_class",
    "from_wire",
    "problem_from",
    "to_wire",
    "uuid7",
]
