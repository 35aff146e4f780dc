"""The declaration of the callee."""

from fissile.contexts import Context

from .kinds import KINDS

_EVERYTHING = (
    "get_account", "echo", "spoil", "carried", "size_of", "text_of", "outlast_deadline", "refuse", "refuse_strangely",
    "be_unreachable", "be_uncertain", "break_contract", "break_down", "lose_database", "answer_text", "leak", "missing",
    "answer_nothing", "answer_in_kind", "refuse_with_an_object", "keep_lines", "kept_lines", "times_run", "add",
)  # fmt: skip
# One for each kind of value: what arrives is what was sent.
SAME = tuple(f"same_{name}" for name in KINDS)

CONTEXT = Context(
    name="callee",
    package="fissile_tests.calls.callee",
    offers={**dict.fromkeys((*_EVERYTHING, *SAME), ("orders", "bff")), "for_bff_only": ("bff",)},
)
