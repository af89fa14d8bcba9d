from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from mcphost.terminal.cells import fit, hang, wrap


def test_the_last_column_goes_on_where_it_began() -> None:
    row = "name    what it does, in more words than one line can hold"
    assert hang(row, 34) == "name    what it does, in more\n        words than one line can\n        hold"


def test_text_without_columns_is_broken_between_words_and_goes_on_indented() -> None:
    assert hang("! some words that go on", 12) == "! some words\n  that go on"


def test_a_word_that_is_too_long_stays_whole() -> None:
    assert hang("see https://example.org/a/long/address now", 20) == "see\n  https://example.org/a/long/address\n  now"


@given(st.text(max_size=60), st.integers(2, 20))
def test_no_character_is_lost_by_wrapping(text: str, width: int) -> None:
    text = text.replace("\t", " ")
    lines = wrap(text, width)
    assert "".join(lines) == text.replace("\n", "")
    assert all(get_cwidth(line) <= width for line in lines)


@given(st.text(st.characters(exclude_categories=["Cc"]), max_size=60), st.integers(2, 20))
def test_what_does_not_fit_is_cut_and_says_so(text: str, width: int) -> None:
    cut = fit(text, width)
    assert get_cwidth(cut) <= width
    assert cut == text or cut.endswith("…")


@given(st.text(st.sampled_from("ab  字"), max_size=80), st.integers(10, 40))
def test_no_word_is_lost_by_hanging(text: str, width: int) -> None:
    assert hang(text, width).split() == text.split()
