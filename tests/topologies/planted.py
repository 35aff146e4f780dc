"""What each shortcut ties together, which cuts that must break, and a short workload that meets it. Pure.

docs/parity.md shows this table; a test keeps it in step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.house import TOPOLOGIES
from tests.topologies.people import Person
from tests.topologies.plan import Plan, Writer
from tests.topologies.suite import Cell, Result, run

SEED = 1
# Of a shortcut that breaks one of two processes: each of these people has an even chance at least of meeting it.
PEOPLE = 8
# Nobody guarded a border in the house that such code grew in.
UNGUARDED: Mapping[str, Mapping[str, str]] = {"*": {"BOUNDARY_GUARD": "off"}}
Play = Callable[[Person], None]


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """One plant: the two contexts that it ties (twice the same: processes of one), and who meets it, doing what."""

    plant: str
    says: str
    ties: tuple[str, str]
    meets: str
    rounds: tuple[Play, ...]
    asleep: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.plant.replace("_", " "))

    @property
    def breaks(self) -> frozenset[str]:
        """The cuts where what it ties is in different processes."""
        return frozenset(cut for cut in TOPOLOGIES if not _is_one_process(cut, self.ties))

    def plan(self) -> Plan:
        """Return a short workload: every person does the same, round by round."""
        writer = Writer()
        people = [Person(number, writer, SEED) for number in range(1, PEOPLE + 1)]
        for act in self.rounds:
            for person in people:
                act(person)
                writer.end_script()
            writer.end_round()
        return writer.plan(self.name, SEED, asleep=self.asleep)

    def run(self, cells: Sequence[Cell], say: Callable[[str], None] = lambda line: None) -> Result:
        """Run its workload in cells that all have the plant; the first one is the reference."""
        patch = f"tests.topologies.shortcuts:{self.plant}"
        return run(self.plan(), cells, patches={"*web*": patch, "*worker*": patch}, extra=UNGUARDED, say=say)

    def misjudged(self, result: Result) -> list[str]:
        """Return in words where parity did not say what it had to; empty if it saw exactly this shortcut."""
        wrong = [f"the reference itself: {result.reference.unrest}"] if result.reference.unrest else []
        for comparison in result.comparisons:
            cut = comparison.cut.name.split(",")[0]
            if comparison.is_same != (cut not in self.breaks):
                wrong.append(f"{comparison.cut.name} is {'the same' if comparison.is_same else 'different'}")
            elif not comparison.is_same and not self._is_named_by(str(comparison.differences[0])):
                wrong.append(f"{comparison.cut.name} is first told from {comparison.differences[0]}")
        return wrong

    def _is_named_by(self, difference: str) -> bool:
        return difference.startswith(f"{self.meets} of request ")


def _is_one_process(cut: str, ties: tuple[str, str]) -> bool:
    group = next(group for group in TOPOLOGIES[cut] if ties[0] in group.contexts)
    return ties[1] in group.contexts and group.instances == 1


def _arrive(person: Person) -> None:
    person.sign_up()
    person.log_in()


def _place(person: Person) -> None:
    person.place({"chisel": person.number})


def _look(person: Person) -> None:
    person.dashboard()


def _look_rename_look(person: Person) -> None:
    person.dashboard()
    person.rename(f"Another {person.number}")
    # Twice: of two instances one has the old name, and each look meets either.
    person.dashboard()
    person.dashboard()


def _read_profile(person: Person) -> None:
    person.profile()


def _fail_then_log_in(person: Person) -> None:
    person.sign_up()
    for _ in range(3):
        person.log_in("not-the-password")
    person.log_in()


def _place_much_twice(person: Person) -> None:
    person.place({"marble-slab": 10})
    person.place({"marble-slab": 10})


def _read_twice(person: Person) -> None:
    for _ in range(2):
        person.read(person.orders[0])


def _look_in_german(person: Person) -> None:
    person.dashboard(language="de")


def _place_and_look(person: Person) -> None:
    _arrive(person)
    _place(person)
    _look(person)


SHORTCUTS = (
    Shortcut(
        plant="query_a_neighbours_table",
        says="the dashboard reads names with a query on users' alias",
        ties=("bff", "users"), meets="dashboard", rounds=(_arrive, _look),
    ),
    Shortcut(
        plant="share_a_cache_key",
        says="the dashboard caches profiles; users deletes the key when somebody is renamed",
        ties=("bff", "users"), meets="dashboard", rounds=(_arrive, _look_rename_look),
    ),
    Shortcut(
        plant="send_a_signal",
        says="orders sends a Django signal; users lowers the buyer's credit limit in its receiver",
        ties=("orders", "users"), meets="profile", rounds=(_arrive, _place, _read_profile),
    ),
    Shortcut(
        plant="count_in_a_module_global",
        says="users counts failed log-ins in a dict of a module and locks after three",
        ties=("users", "users"), meets="log-in", rounds=(_fail_then_log_in,),
    ),
    Shortcut(
        plant="share_a_mutable_object",
        says="a near call hands out users' own object, and orders changes the limit in it",
        ties=("orders", "users"), meets="order", rounds=(_arrive, _place_much_twice),
    ),
    Shortcut(
        plant="share_a_session",
        says="orders leaves a note in the buyer's session; the dashboard greets with it",
        ties=("orders", "bff"), meets="dashboard", rounds=(_arrive, _place, _look),
    ),
    Shortcut(
        plant="write_a_local_file",
        says="orders writes a receipt to the temporary folder and reads it when the order is shown",
        ties=("orders", "orders"), meets="reading an order", rounds=(_arrive, _place, _read_twice),
    ),
    Shortcut(
        plant="use_anothers_alias",
        says="the dashboard counts orders over orders' own database connection",
        ties=("bff", "orders"), meets="dashboard", rounds=(_arrive, _place, _look),
    ),
    Shortcut(
        plant="rely_on_a_context_variable",
        says="the dashboard sets a context variable that users' facade reads",
        ties=("bff", "users"), meets="dashboard", rounds=(_arrive, _look_in_german),
    ),
    Shortcut(
        plant="call_a_consumer_at_the_commit",
        says="orders calls the dashboard's handler at its commit, so that buyers read their own order at once",
        ties=("orders", "bff"), meets="dashboard", rounds=(_place_and_look,), asleep=True,
    ),
)  # fmt: skip


def as_markdown() -> str:
    """Return the table as docs/parity.md shows it."""
    lines = ["| shortcut | what was done | ties | breaks | stays the same |", "|---|---|---|---|---|"]
    for shortcut in SHORTCUTS:
        one, other = shortcut.ties
        tied = f"{one} and {other}" if one != other else f"processes of {one}"
        broken = ", ".join(f"`{cut}`" for cut in TOPOLOGIES if cut in shortcut.breaks)
        same = ", ".join(f"`{cut}`" for cut in TOPOLOGIES if cut not in shortcut.breaks)
        lines.append(f"| `{shortcut.plant}` | {shortcut.says} | {tied} | {broken} | {same} |")
    return "\n".join(lines)
