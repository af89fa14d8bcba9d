from __future__ import annotations

import pytest

from mcphost.ranking import Document, Index, words


def names(index: Index, query: str, limit: int = 10) -> list[str]:
    return [hit.name for hit in index.rank(query, limit)]


def test_identifiers_are_taken_apart_and_endings_fall() -> None:
    assert words("getUserNotes list_directories HTTPServer read-file") == [
        "get", "user", "note", "list", "directory", "http", "server", "read", "file"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "forms",
    ["move moved moves moving", "create created creating", "stop stopped stopping", "add added", "note notes noted",
     "search searches searching",
     "size sizes sized", "modify modified modifies", "stage staged staging", "title titled"],
)  # fmt: skip
def test_forms_of_a_word_are_one_word(forms: str) -> None:
    assert len(set(words(forms))) == 1


@pytest.mark.parametrize("pair", ["note not", "status statu", "class clas", "commit comment"])
def test_different_words_stay_different(pair: str) -> None:
    assert len(set(words(pair))) == 2


def test_a_hit_in_the_name_outranks_one_in_the_description() -> None:
    index = Index([Document("a", description="lists notes"), Document("list_notes", description="everything saved")])
    assert names(index, "note")[0] == "list_notes"


def test_arguments_and_their_descriptions_are_found_however_deep() -> None:
    schema = {"properties": {"edits": {"items": {"properties": {"oldText": {"description": "what to replace"}}}}}}
    index = Index([Document.of("edit", "", schema), Document("other")])
    assert names(index, "old text") == names(index, "replacing") == ["edit"]


def test_ties_stand_by_name_in_whatever_order_the_documents_came() -> None:
    documents = [Document(name, description="same words") for name in ("c", "a", "b")]
    assert names(Index(documents), "same") == names(Index(documents[::-1]), "same") == ["a", "b", "c"]


def test_a_query_is_words_and_never_fts_syntax() -> None:
    index = Index([Document("near"), Document("other")])
    assert names(index, 'NEAR("x" AND *) OR -other:^"') == ["near", "other"]
    assert names(index, '"*^') == []


def test_the_best_come_first_and_only_as_many_as_wanted() -> None:
    index = Index([Document(f"tool_{number}", description="tool") for number in range(50)])
    hits = index.rank("tool", 3)
    assert len(hits) == 3
    assert hits[0].score >= hits[-1].score > 0


def test_malformed_schemas_are_ranked_by_what_they_have() -> None:
    schema = {"properties": {"a": 1, "b": {"properties": [], "items": 3, "description": None}}}
    assert names(Index([Document.of("odd", "thing", schema)]), "thing") == ["odd"]
