"""The declaration of the callee."""

from fissile.contexts import Context

_EVERYTHING = (
    "get_account", "echo", "spoil", "carried", "size_of", "text_of", "outlast_deadline", "refuse", "refuse_strangely",
    "be_unreachable", "be_uncertain", "break_contract", "break_down", "lose_database", "answer_an_object",
    "answer_text", "leak", "missing", "answer_nothing",
)  # fmt: skip

CONTEXT = Context(
    name="callee",
    package="fissile_tests.calls.callee",
    offers={**dict.fromkeys(_EVERYTHING, ("orders", "bff")), "for_bff_only": ("bff",)},
)
