import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphost.tools.names import MAX_NAME, model_names

word = st.text(st.sampled_from("abAB09_-. é/ö\x00"), min_size=1, max_size=40)
pairs = st.sets(st.tuples(word, word), max_size=30)


@given(pairs)
def test_names_are_unique_and_safe_for_every_api(found: set[tuple[str, str]]) -> None:
    names = model_names(found)
    assert names.keys() == found
    assert len(set(names.values())) == len(found)
    assert all(re.fullmatch(f"[A-Za-z0-9_-]{{1,{MAX_NAME}}}", name) for name in names.values())


@given(pairs, st.randoms())
def test_names_do_not_depend_on_the_order_of_listing(found: set[tuple[str, str]], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert model_names(shuffled) == model_names(sorted(found))


@pytest.mark.parametrize("pair", [("git", "git_log"), ("a", "_b"), ("a", "b__c"), ("a-b", "C9")])
def test_a_pair_that_can_be_read_back_keeps_its_plain_name(pair: tuple[str, str]) -> None:
    assert model_names([pair]) == {pair: "__".join(pair)}


@pytest.mark.parametrize("pair", [("a_", "b"), ("a__b", "c"), ("a", "b.c"), ("a", "é"), ("a", "x" * 62)])
def test_a_lossy_ambiguous_or_long_name_gets_a_hash(pair: tuple[str, str]) -> None:
    assert re.fullmatch(r".{1,55}_[0-9a-f]{8}", model_names([pair])[pair])


def test_separators_within_server_and_tool_do_not_make_two_tools_one() -> None:
    assert (
        len(set(model_names([("a__b", "c"), ("a", "b__c"), ("a_", "_b__c"), ("a.b", "c"), ("a_b", "c")]).values())) == 5
    )


def test_nobody_can_take_a_plain_name_or_another_tools_hashed_name() -> None:
    odd = ("a", "x.y")
    hashed = model_names([odd])[odd]
    thief = ("a", hashed.removeprefix("a__"))
    names = model_names([odd, thief])
    assert names[thief] == hashed  # plain: it says exactly what it is
    assert names[odd] != hashed
