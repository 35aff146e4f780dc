"""What is tried again, how often, and what stops it."""

from __future__ import annotations

import time

import pytest

from fissile import carry
from fissile.calls import CallPolicy
from fissile.calls.policy import tried
from fissile.errors import BrokenContractError, Refusal, UncertainError, UnreachableError


class Callee:
    """Fails with the given errors, one a call, then answers."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def try_(callee, policy, pauses=None):
    pauses = [] if pauses is None else pauses
    return tried(callee, policy, pause=pauses.append, jitter=lambda low, high: high)


def test_what_did_not_happen_is_tried_again():
    callee, pauses = Callee(UnreachableError(), UnreachableError()), []

    assert try_(callee, CallPolicy(attempts=3, backoff_seconds=0.05), pauses) == "answer"
    assert callee.calls == 3
    assert pauses == [0.05, 0.1]


def test_attempts_are_counted_in_all():
    callee = Callee(*[UnreachableError()] * 9)

    with pytest.raises(UnreachableError):
        try_(callee, CallPolicy(attempts=3))
    assert callee.calls == 3


def test_one_attempt_is_the_default():
    callee = Callee(UnreachableError())

    with pytest.raises(UnreachableError):
        try_(callee, CallPolicy())
    assert callee.calls == 1


@pytest.mark.parametrize("error", [UncertainError(), Refusal(), BrokenContractError()])
def test_what_may_have_happened_or_was_refused_is_never_tried_again(error):
    callee = Callee(error)

    with pytest.raises(type(error)):
        try_(callee, CallPolicy(attempts=5))
    assert callee.calls == 1


def test_a_pause_that_would_outlast_the_deadline_is_not_taken():
    callee, pauses = Callee(UnreachableError()), []

    with carry.using(deadline=time.monotonic() + 0.04), pytest.raises(UnreachableError):
        try_(callee, CallPolicy(attempts=5, backoff_seconds=0.05), pauses)
    assert (callee.calls, pauses) == (1, [])


@pytest.mark.parametrize(
    "limits", [{"deadline_seconds": 0}, {"deadline_seconds": -1}, {"attempts": 0}, {"backoff_seconds": -1}]
)
def test_a_policy_without_time_or_attempts_is_refused(limits):
    with pytest.raises(BrokenContractError):
        CallPolicy(**limits)
