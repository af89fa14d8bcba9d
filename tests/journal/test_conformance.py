"""What every journal must do, whatever it is made of. A new one joins by a line in `JOURNALS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from mcphost.journal import Effect, Journal, MemoryJournal
from mcphost.journal.sqlite import SqliteJournal
from mcphost.messages import Notice, ToolCall, ToolsChanged, UserMessage, text_block
from tests.journal.conversation import TOOL, reply, result, run, user

JOURNALS: dict[str, Callable[[Path], AbstractContextManager[Journal]]] = {
    "memory": lambda path: nullcontext(MemoryJournal()),
    "sqlite": lambda path: SqliteJournal(path / "journal.db"),
    "sqlite-intents": lambda path: SqliteJournal(path / "journal.db", sync="intents"),
    "sqlite-full": lambda path: SqliteJournal(path / "journal.db", sync="full"),
}


@pytest.fixture(params=JOURNALS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with JOURNALS[request.param](tmp_path) as journal:
        yield journal


async def test_a_run_folds_into_what_was_told(journal: Journal) -> None:
    steer = UserMessage((text_block("quick"),), origin="steer")
    changed = ToolsChanged((TOOL,), ("demo__gone",))
    await journal.begin(run())
    await journal.intent(Effect("e1", "r1", "model", added=(changed, steer)))
    await journal.outcome("e1", reply("k1"))
    await journal.intent(Effect("e2", "r1", "tool", call=reply("k1").calls[0]))
    await journal.outcome("e2", result("k1"))
    await journal.intent(Effect("e3", "r1", "model", added=(Notice("soon full"),)))
    await journal.outcome("e3", reply())
    await journal.finish("r1", "answered")
    record = await journal.fold("r1")
    assert record.run == run()
    assert record.messages == (
        *run().opening, changed, steer, reply("k1"), result("k1"), Notice("soon full"), reply(),
    )  # fmt: skip
    assert (record.start, record.pending, record.stop) == (1, (), "answered")


async def test_results_stand_in_the_order_of_their_calls_whichever_ended_first(journal: Journal) -> None:
    await journal.begin(run())
    await journal.intent(Effect("e0", "r1", "model"))
    await journal.outcome("e0", reply("k1", "k2", "k3"))
    for effect, call in (("e1", "k1"), ("e3", "k3")):
        await journal.intent(Effect(effect, "r1", "tool", call=ToolCall(call, "demo__add", {}, "{}")))
    await journal.outcome("e3", result("k3", "third"))
    await journal.settle(Effect("e2", "r1", "tool"), result("k2", "second"))
    await journal.outcome("e1", result("k1", "first"))
    record = await journal.fold("r1")
    assert record.messages[-3:] == (result("k1", "first"), result("k2", "second"), result("k3", "third"))


async def test_what_was_intended_and_has_no_outcome_is_pending(journal: Journal) -> None:
    call = ToolCall("k1", "demo__add", {"a": 2}, '{"a": 2}')
    await journal.begin(run())
    await journal.intent(Effect("e0", "r1", "model"))
    await journal.outcome("e0", reply("k1"))
    await journal.intent(Effect("e1", "r1", "tool", call=call, safe=True))
    await journal.intent(Effect("e2", "r1", "model", added=(Notice("x"),)))
    record = await journal.fold("r1")
    assert record.pending == (Effect("e1", "r1", "tool", call=call, safe=True), Effect("e2", "r1", "model"))
    assert record.messages[-1] == Notice("x")
    assert record.stop is None


async def test_an_effect_that_is_retried_stays_one_effect(journal: Journal) -> None:
    effect = Effect("e1", "r1", "model", added=(Notice("once"),))
    await journal.begin(run())
    await journal.intent(effect)
    await journal.intent(effect)
    await journal.outcome("e1", reply())
    record = await journal.fold("r1")
    assert record.messages == (*run().opening, Notice("once"), reply())
    assert record.pending == ()


async def test_an_intended_effect_can_be_given_up(journal: Journal) -> None:
    effect = Effect("e1", "r1", "tool", call=ToolCall("k1", "demo__add", {}, "{}"))
    await journal.begin(run())
    await journal.intent(effect)
    await journal.settle(effect, result("k1", "unknown"))
    assert (await journal.fold("r1")).pending == ()


async def test_a_run_goes_on_from_the_whole_conversation_of_another(journal: Journal) -> None:
    for id, parent, text in (("r1", None, "one"), ("r2", "r1", "two"), ("r3", "r2", "three")):
        await journal.begin(run(id, user(text), parent=parent))
        await journal.intent(Effect(f"e-{id}", id, "model"))
        await journal.outcome(f"e-{id}", reply())
        await journal.finish(id, "answered")
    record = await journal.fold("r3")
    assert record.messages == (user("one"), reply(), user("two"), reply(), user("three"), reply())
    assert (record.start, record.run) == (5, run("r3", user("three"), parent="r2"))


async def test_a_run_that_has_ended_may_go_on(journal: Journal) -> None:
    await journal.begin(run())
    await journal.finish("r1", "failed")
    await journal.begin(run())
    assert (await journal.fold("r1")).stop is None
    await journal.intent(Effect("e1", "r1", "model"))
    await journal.outcome("e1", reply())
    assert (await journal.fold("r1")).messages == (*run().opening, reply())


async def test_an_unknown_run_is_a_key_error(journal: Journal) -> None:
    with pytest.raises(KeyError):
        await journal.fold("r9")
