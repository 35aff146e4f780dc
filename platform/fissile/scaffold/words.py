"""English for the scaffolds: the verb of a fact, an article. May touch: nothing.

A list is sometimes too short, so that the verb can be given on the command line instead (`--wish`).
"""

from __future__ import annotations

_IRREGULAR = {
    "paid": "pay", "sent": "send", "sold": "sell", "bought": "buy", "made": "make", "lost": "lose", "won": "win",
    "found": "find", "left": "leave", "held": "hold", "kept": "keep", "withdrawn": "withdraw", "written": "write",
    "chosen": "choose", "taken": "take", "given": "give", "broken": "break", "begun": "begin", "drawn": "draw",
}  # fmt: skip
# Verbs of business that end in -e; the rest lose the whole -ed.
_IN_E = frozenset({
    "accrue", "acquire", "activate", "allocate", "approve", "archive", "arrange", "authorise", "authorize",
    "calculate", "capture", "change", "charge", "close", "combine", "complete", "compute", "configure", "create",
    "deactivate", "decline", "decrease", "delete", "describe", "disable", "enable", "encode", "estimate", "exchange",
    "execute", "expire", "finalise", "finalize", "generate", "guarantee", "handle", "increase", "initiate", "invite",
    "invoice", "issue", "lease", "license", "measure", "merge", "move", "name", "negotiate", "nominate", "note",
    "outline", "oversee", "pause", "place", "postpone", "prepare", "price", "produce", "promote", "propose",
    "provide", "purchase", "queue", "raise", "rate", "receive", "recharge", "reconcile", "reduce", "release",
    "relocate", "remove", "rename", "replace", "repurchase", "require", "reserve", "resolve", "restore", "resume",
    "retire", "retrieve", "reverse", "revise", "revoke", "sample", "save", "schedule", "score", "secure", "serve",
    "settle", "share", "solve", "stage", "store", "subscribe", "terminate", "transcribe", "translate", "unsubscribe",
    "update", "use", "validate", "value", "vote",
})  # fmt: skip
# Whose last letter is double in the verb itself: billed is bill, but shipped is ship.
_DOUBLE = frozenset({
    "add", "bill", "call", "enroll", "fill", "fulfill", "install", "poll", "pull", "refill", "roll", "sell", "spell",
    "stall",
})  # fmt: skip


def verb_of(participle: str) -> str:
    """Return `issue` for `issued`, `cancel` for `cancelled`, `pay` for `paid`."""
    if participle in _IRREGULAR:
        return _IRREGULAR[participle]
    if participle[:-1] in _IN_E:
        return participle[:-1]
    stem = participle.removesuffix("ed")
    if stem.endswith("i") and stem != participle:
        return f"{stem[:-1]}y"
    is_doubled = stem[-2:-1] == stem[-1:] and stem[-1:] not in "aeiousz" and stem not in _DOUBLE
    return stem[:-1] if is_doubled and stem != participle else stem


def article(noun: str) -> str:
    """Return `an` before a vowel, else `a`."""
    return "an" if noun[:1] in "aeio" else "a"


def spoken(name: str) -> str:
    """Return a snake_case name as words."""
    return name.replace("_", " ")


def possessive(name: str) -> str:
    """Return `users'` for `users`, `billing's` for `billing`."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"
