"""The longest names and every kind of field: what is written is as the linter and the formatter want it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from fissile.scaffold import consumer, context, event
from fissile.scaffold.draft import Draft
from fissile.scaffold.errors import NoSuchPart
from fissile.scaffold.event_words import NewEvent, wish_of
from fissile.scaffold.fields import parsed
from fissile.scaffold.layout import Layout
from tests.house import ROOT

LONGEST = "warehousinglocal"
EVERY_KIND = ("fee:money", "weight:decimal", "item:uuid", "counted_at:time", "sent_on:date", "why:text", "n:int",
              "is_full:bool", "order:ref:orders")  # fmt: skip


@pytest.fixture
def layout(tmp_path):
    """A project with nothing but a table of contexts, in which `warehousinglocal` and `news` were started."""
    for name in ("settings/contexts.py", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    # The linter looks for a module before it sorts it among our own.
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/__init__.py").touch()
    (tmp_path / "platform").symlink_to(ROOT / "platform")
    packages = {name: f"apps.{name}" for name in ("orders", LONGEST, "news")}
    layout = Layout(root=tmp_path, packages=packages)
    for name in (LONGEST, "news"):
        draft = Draft(tmp_path)
        context.start(draft, layout, context.wanted(draft, layout, name, None))
        draft.write()
    return layout


def tell(layout, fact, aggregate, *fields):
    draft = Draft(layout.root)
    given = parsed(fields, aggregate=aggregate, contexts=tuple(layout.packages))
    wish = wish_of(fact, aggregate)
    event.start(draft, layout, NewEvent(context=LONGEST, fact=fact, aggregate=aggregate, wish=wish, fields=given))
    draft.write()


def hear(layout, who, fact):
    draft = Draft(layout.root)
    consumer.start(draft, layout, consumer.wanted(draft, layout, who, f"{LONGEST}.{fact}", None))
    draft.write()


def ruff(layout, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--no-cache", "apps"],
        cwd=layout.root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("facts", "aggregate"),
    [
        (("stock_of_a_shelf_counted", "stock_of_a_shelf_rebooked"), "stock_of_a_shelf"),
        (("box_filled", "box_sent"), "box"),
    ],
    ids=["long", "short"],
)
@pytest.mark.parametrize("fields", [EVERY_KIND, EVERY_KIND[:1], ()], ids=["every kind", "money", "none"])
def test_it_is_written_as_the_formatter_leaves_it(layout, facts, aggregate, fields):
    first, later = facts
    tell(layout, first, aggregate, *fields)
    tell(layout, later, aggregate, "moved_at:time", *fields)
    hear(layout, "news", first)
    hear(layout, "news", later)

    ruff(layout, "check")
    ruff(layout, "format", "--check")


def test_a_context_that_had_no_inbox_gets_one_with_its_migration(layout):
    tell(layout, "box_filled", "box")
    models = layout.root / "apps/news/models.py"
    before, _, _ = models.read_text().partition("class NewsInbox")
    lacking = re.compile("ConsumerRow, |InboxRow, |, PositionRow")
    models.write_text(lacking.sub("", f"{before.rstrip()}\n"))

    hear(layout, "news", "box_filled")

    written = (layout.root / "apps/news/migrations/0002_inbox.py").read_text()
    assert "class NewsInbox(InboxRow):" in models.read_text()
    assert set(re.findall(r"CreateModel\(\n +name='(\w+)'", written)) == {"NewsInbox", "NewsPosition", "NewsConsumer"}
    compile(written, "0002_inbox.py", "exec")


def test_a_context_whose_inbox_had_no_row_for_its_consumers_gets_just_that(layout):
    tell(layout, "box_filled", "box")
    models = layout.root / "apps/news/models.py"
    without = re.compile(r"class NewsConsumer\(ConsumerRow\):.*?(?=^class )|ConsumerRow, ", re.DOTALL | re.MULTILINE)
    models.write_text(without.sub("", models.read_text()))

    hear(layout, "news", "box_filled")

    written = (layout.root / "apps/news/migrations/0002_consumers.py").read_text()
    assert "class NewsConsumer(ConsumerRow):" in models.read_text()
    assert re.findall(r"CreateModel\(\n +name='(\w+)'", written) == ["NewsConsumer"]


def test_an_event_goes_where_its_context_can_keep_it_or_nowhere(layout):
    (layout.root / "apps/news/models.py").write_text("")
    silent = NewEvent(context="news", fact="box_sold", aggregate="box", wish="sell_box", fields=())

    with pytest.raises(NoSuchPart, match="news has no outbox"):
        event.start(Draft(layout.root), layout, silent)


@pytest.mark.parametrize(
    ("fact", "wish"),
    [
        ("invoice_issued", "issue_invoice"),
        ("invoice_paid", "pay_invoice"),
        ("order_cancelled", "cancel_order"),
        ("order_shipped", "ship_order"),
        ("hour_billed", "bill_hour"),
        ("reply_copied", "copy_reply"),
        ("letter_sent", "send_letter"),
    ],
)
def test_the_verb_of_a_fact_is_its_wish(fact, wish):
    assert wish_of(fact, fact.partition("_")[0]) == wish
