"""What holds for all three codecs, and what holds for one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mcphost.errors import ModelBusy, ModelCut, ModelError
from mcphost.messages import (
    AssistantMessage,
    Block,
    Message,
    Notice,
    Text,
    ToolCall,
    ToolDefinition,
    ToolResult,
    ToolsChanged,
    UserMessage,
    text_block,
)
from mcphost.models.base import ModelOptions, ModelRequest
from mcphost.models.codec import StopCutter
from mcphost.models.openai_chat import ChatCodec
from tests.models.conversation import ADD, APIS, MODEL, PDF, PNG, called, codec, request, result, user
from tests.providers import dialects, rules
from tests.providers.script import Call, Json, Reply, Say, Think, reply

_DIALECTS = {"anthropic": dialects.anthropic, "openai-responses": dialects.responses, "openai-chat": dialects.chat}
_RULES = {"anthropic": rules.anthropic, "openai-responses": rules.responses, "openai-chat": rules.chat}
_HISTORY = {"anthropic": "messages", "openai-responses": "input", "openai-chat": "messages"}

every_api = pytest.mark.parametrize("api", APIS)


def encode(api: str, asked: ModelRequest, **options: Any) -> Json:
    return dict(codec(api, **options).encode(asked, refused={}).body)


def decode(api: str, answer: Reply, asked: ModelRequest | None = None) -> AssistantMessage:
    """What a codec makes of an answer, without any wire."""
    made = codec(api)
    encoded = made.encode(asked or request("hi"), refused={})
    decoder = made.decoder(encoded)
    for name, data in _DIALECTS[api](answer, dict(encoded.body), 1):
        list(decoder.feed(name or "message", data if isinstance(data, str) else json.dumps(data)))
    return decoder.finish()


# -- properties --------------------------------------------------------------------------------------------------------

_TEXTS = st.sampled_from(["", " ", "hello", "größe \U0001f600", "a\ud800b", "x" * 50])
_IDS = st.sampled_from(["", "call_1", "call_1", "functions.add:0", "toolu_1", "i" * 40, "ü"])
_BLOCKS: st.SearchStrategy[Block] = st.sampled_from(
    [
        text_block("text"),
        text_block(""),
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "image", "data": "?", "mimeType": "image/png"},
        {"type": "audio", "data": "UklGRgAA", "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "x:y", "name": "y"},
        {"type": "resource", "resource": {"uri": "x:y", "text": "hi"}},
        {"type": "resource", "resource": {"uri": "x:y", "blob": PDF}},
        {"type": "hologram"},
    ]
)
_ARGUMENTS = st.sampled_from(["", "{}", '{"a": 1, "b": 2}', '{"a": "\\ud800"}', "[1]", '{"a": 1', "NaN"])
_CALLS = st.builds(Call, st.sampled_from(["demo__add", "gone__tool", "functions.add", "", "n" * 99]), _ARGUMENTS, _IDS)
_REPLIES = st.lists(st.builds(Say, _TEXTS) | st.builds(Think, _TEXTS) | _CALLS, max_size=4)
_TOOLS = [ToolDefinition(f"late__{number}", "Late.", {"type": "object"}) for number in range(4)]


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[Message], list[int], str]:
    """A conversation as the loop grows it, where its requests were made, and the API that it was held with."""
    api = draw(st.sampled_from(APIS))
    messages: list[Message] = []
    requests: list[int] = []
    for _ in range(draw(st.integers(1, 4))):
        messages.append(UserMessage(tuple(draw(st.lists(_BLOCKS, max_size=3)))))
        for _ in range(draw(st.integers(1, 3))):
            if draw(st.booleans()):
                changed = draw(st.lists(st.sampled_from(_TOOLS), max_size=2, unique_by=lambda tool: tool.name))
                messages.append(ToolsChanged(tuple(changed), ("demo__gone",)) if changed else Notice("a limit is near"))
            requests.append(len(messages))
            asked = ModelRequest(tuple(messages), (ADD,), "Be brief.")
            message = decode(api, reply(*draw(_REPLIES)), asked)
            if draw(st.booleans()):  # as after a change of model, or when it was cut
                message = AssistantMessage(message.content, message.stop)
            messages.append(message)
            messages += [
                ToolResult(call.id, tuple(draw(st.lists(_BLOCKS, max_size=3))), is_error=draw(st.booleans()))
                for call in message.calls
            ]
    return messages, requests, api


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_histories(), st.sampled_from(APIS), st.booleans())
def test_every_request_is_acceptable_and_begins_with_the_one_before(
    drawn: tuple[list[Message], list[int], str], api: str, compatible: bool
) -> None:
    history, requests, _ = drawn
    before: tuple[list[str], str, list[str]] | None = None
    for place in [*requests, len(history)]:
        messages = history[:place]
        body = encode(api, ModelRequest(tuple(messages), (ADD,), "Be brief."), compatible=compatible)
        if place in requests:  # the whole history may end in a reply, which is no request of the loop's
            _RULES[api](json.loads(json.dumps(body, allow_nan=False).encode()))
            tools = [json.dumps(tool) for tool in body["tools"]]
            system = json.dumps(body.get("system") or body.get("instructions"))
            sent = [json.dumps(message) for message in body[_HISTORY[api]]]
            if before is not None:
                assert tools[: len(before[0])] == before[0]
                assert system == before[1]
                assert sent[: len(before[2])] == before[2]
            before = tools, system, sent


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(APIS), _REPLIES)
def test_call_ids_are_unique_and_known_to_what_goes_back(api: str, parts: list[Say | Think | Call]) -> None:
    first = decode(api, reply(*parts))
    again = decode(api, reply(*parts), request("hi", first, *(result(call.id, "x") for call in first.calls), "again"))
    ids = [call.id for call in (*first.calls, *again.calls)]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert all(
        call_id in json.dumps(message.native.items)
        for message in (first, again)
        if message.native
        for call_id in (call.id for call in message.calls if call.id.isascii())
    )


@settings(max_examples=200, deadline=None)
@given(st.text("abX", max_size=20), st.lists(st.text("abX", min_size=1, max_size=3), max_size=3), st.integers(1, 5))
def test_text_is_cut_at_the_first_stop_sequence_however_it_streams(text: str, stops: list[str], size: int) -> None:
    cutter = StopCutter(stops)
    shown = "".join(cutter.feed(text[at : at + size]) for at in range(0, len(text), size)) + cutter.rest()
    whole = StopCutter(stops)
    assert text.startswith(shown)
    assert cutter.cut == any(stop in text for stop in stops)
    if cutter.cut:
        assert not any(stop in shown for stop in stops)
    else:
        assert shown == text
    assert size < len(text) or shown == whole.feed(text) + whole.rest()


# -- contracts with the SDKs' types ------------------------------------------------------------------------------------


def _exhaust(value: Any) -> None:
    """Make pydantic check what it would check lazily."""
    if isinstance(value, Mapping):
        for item in value.values():
            _exhaust(item)
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for item in value:
            _exhaust(item)


def _conversation(api: str) -> ModelRequest:
    first = decode(api, reply(Think("hm"), Say("so"), Call("demo__add", {"a": 1}), Call("demo__add", {"a": 2})))
    image: Block = {"type": "image", "data": PNG, "mimeType": "image/png"}
    pdf: Block = {"type": "resource", "resource": {"uri": "x:y.pdf", "blob": PDF}}
    document: Block = {"type": "resource", "resource": {"uri": "x:y", "text": "hi"}}
    return request(
        UserMessage((text_block("look"), image, pdf, document)),
        first,
        ToolResult(first.calls[0].id, (image, pdf, document), structured={"a": 1}, note="noted"),
        result(first.calls[1].id, "no", is_error=True),
        ToolsChanged((_TOOLS[0],), ("demo__gone",)),
        Notice("a limit is near"),
        called(ToolCall("functions.add:0", "demo__add", None, "{"), text="neutral"),
        result("functions.add:0", "bad arguments", is_error=True),
        stop=("END",),
        tool_choice="required",
    )


def test_requests_fit_the_types_of_the_anthropic_sdk() -> None:
    from anthropic.types import MessageCreateParams

    body = encode("anthropic", _conversation("anthropic"))
    rules.anthropic(body)
    adapter: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
    _exhaust(adapter.validate_python(body))


def test_requests_fit_the_types_of_the_openai_sdk_for_responses() -> None:
    from openai.types.responses import ResponseCreateParams

    body = encode("openai-responses", _conversation("openai-responses"))
    rules.responses(body)
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseCreateParams)
    _exhaust(adapter.validate_python(body))


def test_requests_fit_the_types_of_the_openai_sdk_for_chat_completions() -> None:
    from openai.types.chat import CompletionCreateParams

    body = encode("openai-chat", _conversation("openai-chat"))
    rules.chat(body)
    adapter: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)
    _exhaust(adapter.validate_python(body))


# -- for every API -----------------------------------------------------------------------------------------------------


@every_api
def test_native_items_go_back_unchanged_and_only_to_the_same_api_and_model(api: str) -> None:
    message = decode(api, reply(Think("hm"), Say("so"), Call("demo__add", {"a": 1})))
    assert message.native is not None
    history = request("hi", message, result(message.calls[0].id, "1"))
    sent = encode(api, history)[_HISTORY[api]]
    joined = [block for entry in sent for block in ([entry] if api != "anthropic" else entry["content"])]
    assert all(dict(item) in joined for item in message.native.items)
    for other in APIS:
        if other != api:
            assert "hm" not in json.dumps(encode(other, history))
    stranger = codec(api, model="gpt-6-sol")
    assert "hm" not in json.dumps(dict(stranger.encode(history, refused={}).body))


@every_api
@pytest.mark.parametrize("call_id", ["i" * 60, "functions.add:0", "größe", "\ud800"])
def test_call_ids_of_one_api_are_made_fit_for_another(api: str, call_id: str) -> None:
    call = ToolCall(call_id, "demo__add", {}, "{}")
    other = ToolCall(f"{call_id}!", "demo__add", {}, "{}")
    _RULES[api](encode(api, request("hi", called(call, other), result(other.id, "2"), result(call.id, "1"))))


@every_api
def test_a_tool_that_came_later_is_appended_and_told_in_its_place(api: str) -> None:
    change = ToolsChanged((_TOOLS[0], _TOOLS[1]), ("demo__add",))
    body = encode(api, request("hi", change))
    names = [tool.get("name") or tool["function"]["name"] for tool in body["tools"]]
    assert names == ["demo__add", "late__0", "late__1"]
    last = json.dumps(body[_HISTORY[api]][-1])
    assert "Tools now available: late__0, late__1. Tools no longer available: demo__add." in last


@every_api
def test_a_definition_that_changed_takes_its_old_place(api: str) -> None:
    changed = ToolDefinition("demo__add", "Add three numbers.", ADD.schema)
    body = encode(api, request("hi", ToolsChanged((changed,), ()), tools=(ADD, _TOOLS[0])))
    assert len(body["tools"]) == 2
    assert "Add three numbers." in json.dumps(body["tools"][0])


@every_api
def test_a_hopeless_tool_is_left_out_and_named(api: str) -> None:
    bad = ToolDefinition("demo__bad", "Bad.", {"type": "string"})
    encoded = codec(api).encode(request("hi", tools=(bad, ADD)), refused={"demo__add": "refused before"})
    assert encoded.offer.quarantined == {"demo__bad": "its arguments are not an object", "demo__add": "refused before"}
    assert "tools" not in encoded.body


@every_api
def test_arguments_come_back_under_the_tools_own_keys(api: str) -> None:
    tool = ToolDefinition("demo__find", "Find.", {"type": "object", "properties": {"filter[id]": {}, "top": {}}})
    asked = request("hi", tools=(tool,))
    assert "filter[id]" not in json.dumps(encode(api, asked))
    message = decode(api, reply(Call("demo__find", {"filter_id_": 7, "top": 1})), asked)
    assert message.calls[0].arguments == {"filter[id]": 7, "top": 1}


@every_api
@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        ("", {}),
        ("{}", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": "\\ud83d\\ude00\\ud800"}', {"a": "\U0001f600\ufffd"}),
        ('{"a": 1', None),
        ("[1]", None),
        ('"text"', None),
        ('{"a": NaN}', None),
        ('{"a": 1e999}', None),
        ("[" * 100_000, None),
    ],
)
def test_arguments_are_an_object_or_nothing(api: str, written: str, arguments: dict[str, Any] | None) -> None:
    [call] = decode(api, reply(Call("demo__add", written))).calls
    assert call.arguments == arguments
    assert arguments is not None or call.text == written


@every_api
def test_a_stream_that_just_ends_is_cut(api: str) -> None:
    made = codec(api)
    encoded = made.encode(request("hi"), refused={})
    events = _DIALECTS[api](reply("hello there", Call("demo__add", {"a": 1})), dict(encoded.body), 1)
    last = next(place for place, event in enumerate(events) if _ends(event))
    for length in range(last):
        decoder = made.decoder(encoded)
        for name, data in events[:length]:
            list(decoder.feed(name or "message", json.dumps(data)))
        with pytest.raises(ModelCut):
            decoder.finish()


def _ends(event: dialects.Event) -> bool:
    name, data = event
    return name in ("message_delta", "response.completed") or bool(
        isinstance(data, dict) and data.get("choices") and data["choices"][0]["finish_reason"]
    )


_STOPS = {
    "anthropic": {
        "max_tokens": "length", "model_context_window_exceeded": "length", "stop_sequence": "stop",
        "pause_turn": "pause", "refusal": "refusal", "something_new": "end", "tool_use": "end",
    },
    "openai-responses": {"max_output_tokens": "length", "content_filter": "refusal", "something_new": "length"},
    "openai-chat": {"length": "length", "content_filter": "refusal", "eos": "end", "tool_calls": "end"},
}  # fmt: skip


@pytest.mark.parametrize(("api", "word"), [(api, word) for api in APIS for word in _STOPS[api]])
def test_every_finish_reason_has_its_meaning(api: str, word: str) -> None:
    assert decode(api, reply("so", stop=word)).stop == _STOPS[api][word]


@every_api
def test_calls_of_a_reply_that_hit_a_limit_may_not_run(api: str) -> None:
    limit = {"anthropic": "max_tokens", "openai-responses": "max_output_tokens", "openai-chat": "length"}[api]
    message = decode(api, reply(Call("demo__add", '{"a": 1'), stop=limit))
    assert message.stop == "length"
    assert message.calls[0].arguments is None
    answered = request("hi", message, result(message.calls[0].id, "was cut", is_error=True))
    _RULES[api](encode(api, answered))


@every_api
def test_reasoning_that_led_to_nothing_does_not_go_back(api: str) -> None:
    limit = {"anthropic": "max_tokens", "openai-responses": "max_output_tokens", "openai-chat": "length"}[api]
    message = decode(api, reply(Think("endless"), stop=limit))
    assert (message.stop, message.native) == ("length", None)
    body = encode(api, request("hi", message, "and?"))
    _RULES[api](body)
    assert "endless" not in json.dumps(body)


@every_api
def test_a_reply_in_progress_is_decoded_in_linear_time(api: str) -> None:
    import time

    words = "word " * 10_000
    start = time.process_time()
    message = decode(api, reply(words, Call("demo__add", {"a": words})))
    assert message.text == words
    assert time.process_time() - start < 10  # re-reading what came before takes minutes


@every_api
@pytest.mark.parametrize("data", ["<html>", "[1]", "null", '"x"', "[" * 100_000])
def test_an_event_that_is_no_object_is_the_apis_fault(api: str, data: str) -> None:
    made = codec(api)
    decoder = made.decoder(made.encode(request("hi"), refused={}))
    with pytest.raises(ModelError, match="no JSON object"):
        list(decoder.feed("content_block_delta", data))


@every_api
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_events_of_any_shape_raise_nothing_but_our_errors(api: str, data: st.DataObject) -> None:
    made = codec(api)
    encoded = made.encode(request("hi"), refused={})
    events = _DIALECTS[api](reply(Think("a"), "b", Call("demo__add", {"a": 1})), dict(encoded.body), 1)
    decoder = made.decoder(encoded)
    junk = st.sampled_from([None, 1, "x", [], {}, [None], {"type": 1}])
    try:
        for name, body in events:
            if isinstance(body, dict):
                body = _spoiled(body, data.draw(st.integers(0, 30)), data.draw(junk))
            list(decoder.feed(name or "message", body if isinstance(body, str) else json.dumps(body)))
        decoder.finish()
    except ModelError:
        pass


def _spoiled(value: Any, place: int, junk: Any) -> Any:
    """`value` with the leaf or branch number `place` replaced."""
    counter = iter(range(place + 1))

    def walk(item: Any) -> Any:
        if next(counter, None) == place:
            return junk
        if isinstance(item, dict):
            return {key: walk(entry) for key, entry in item.items()}
        return [walk(entry) for entry in item] if isinstance(item, list) else item

    return {key: walk(entry) for key, entry in value.items()}


# -- Anthropic ---------------------------------------------------------------------------------------------------------


def test_the_host_speaks_as_system_to_anthropic_and_as_user_to_servers_like_it() -> None:
    asked = request("hi", Notice("near the limit"))
    assert encode("anthropic", asked)["messages"][-1]["role"] == "system"
    assert encode("anthropic", asked, compatible=True)["messages"][-1]["role"] == "user"
    assert "cache_control" not in encode("anthropic", asked, compatible=True)


def test_a_paused_reply_goes_back_as_the_last_message_and_any_other_is_continued() -> None:
    paused = decode("anthropic", reply("searching", stop="pause_turn"))
    assert encode("anthropic", request("hi", paused))["messages"][-1]["role"] == "assistant"
    prompt = AssistantMessage((Text("Once upon a time"),))
    assert encode("anthropic", request(prompt))["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "(start)"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Once upon a time"}]},
        {"role": "user", "content": [{"type": "text", "text": "Continue."}]},
    ]


def test_errors_to_anthropic_are_text_alone() -> None:
    image: Block = {"type": "image", "data": PNG, "mimeType": "image/png"}
    call = ToolCall("c", "demo__add", {}, "{}")
    body = encode("anthropic", request("hi", called(call), ToolResult("c", (image,), is_error=True)))
    [block] = body["messages"][-1]["content"]
    assert block["is_error"] is True
    assert block["content"] == [{"type": "text", "text": "[image image/png, 70 bytes, cannot be shown here]"}]


def test_blocks_that_nobody_knows_are_kept_with_whatever_their_deltas_said() -> None:
    made = codec("anthropic")
    decoder = made.decoder(made.encode(request("hi"), refused={}))
    events: list[Json] = [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "server_tool_use", "id": "s", "input": {}},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"q": 1}'}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "novelty", "x": 1}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "novelty_delta", "y": 2}},
        {"type": "something_new"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    ]
    for event in events:
        list(decoder.feed(event["type"], json.dumps(event)))
    message = decoder.finish()
    assert message.native is not None
    assert message.native.items == (
        {"type": "server_tool_use", "id": "s", "input": {"q": 1}},
        {"type": "novelty", "x": 1, "y": 2},
    )
    assert message.content == ()


def test_anthropics_input_tokens_count_the_cached_ones_too() -> None:
    usage = decode("anthropic", reply("hi", usage=(100, 9), cached=60)).usage
    assert (usage.input, usage.output, usage.cache_read) == (100, 9, 60)


def test_sampling_wishes_reach_only_apis_that_know_them() -> None:
    asked = request("hi", temperature=0.5, stop=("END", " "), tool_choice="required")
    body = encode("anthropic", asked)
    assert "temperature" not in body
    assert body["stop_sequences"] == ["END"]
    assert body["thinking"] == {"type": "disabled"}
    assert encode("anthropic", asked, compatible=True)["temperature"] == 0.5
    assert encode("openai-chat", asked)["stop"] == ["END", " "]
    assert "stop" not in encode("openai-responses", asked)
    assert encode("openai-responses", asked)["tool_choice"] == "required"


# -- OpenAI Responses --------------------------------------------------------------------------------------------------


def test_responses_are_cut_at_a_stop_sequence_by_the_host() -> None:
    asked = request("hi", stop=("END",))
    message = decode("openai-responses", reply("one two END three", Call("demo__add", {})), asked)
    assert (message.text, message.stop, message.calls, message.native) == ("one two ", "stop", (), None)


def test_echoes_of_the_request_are_not_even_parsed() -> None:
    made = codec("openai-responses")
    decoder = made.decoder(made.encode(request("hi"), refused={}))
    assert list(decoder.feed("response.created", "no json")) == []


def test_a_failed_response_is_classified_by_its_code() -> None:
    made = codec("openai-responses")
    decoder = made.decoder(made.encode(request("hi"), refused={}))
    error = {"code": "rate_limit_exceeded", "message": "slow down"}
    with pytest.raises(ModelBusy, match="slow down"):
        decoder.feed("response.failed", json.dumps({"type": "response.failed", "response": {"error": error}}))


# -- Chat Completions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "oddities",
    [
        {"no index"}, {"no id"}, {"no index", "no id"}, {"same index"}, {"whole call"}, {"arguments as object"},
        {"no index", "whole call"}, {"no index", "no id", "arguments as object"}, {"no usage"}, {"no DONE"},
        {"stop for calls"}, {"same index", "arguments as object"},
    ],
    ids=lambda oddities: ", ".join(sorted(oddities)),
)  # fmt: skip
def test_odd_servers_are_understood(oddities: set[Any]) -> None:
    parts = (Say("so"), Call("demo__add", {"a": 1, "b": [2]}), Call("demo__add", {"a": 3}))
    message = decode("openai-chat", reply(*parts, oddities=frozenset(oddities)))
    assert [call.arguments for call in message.calls] == [{"a": 1, "b": [2]}, {"a": 3}]
    assert [call.name for call in message.calls] == ["demo__add", "demo__add"]
    assert message.stop == "tools"


def test_media_of_a_step_follow_all_its_tool_messages() -> None:
    image: Block = {"type": "image", "data": PNG, "mimeType": "image/png"}
    calls = [ToolCall(name, "demo__add", {}, "{}") for name in ("c1", "c2")]
    body = encode("openai-chat", request("hi", called(*calls), ToolResult("c1", (image,)), result("c2", "two"), "and?"))
    assert [message["role"] for message in body["messages"][2:]] == ["assistant", "tool", "tool", "user", "user"]
    assert body["messages"][3]["content"] == "[image attached below]"
    assert body["messages"][5]["content"][1]["type"] == "image_url"


def test_what_servers_add_to_calls_and_reasoning_goes_back() -> None:
    made = codec("openai-chat")
    decoder = made.decoder(made.encode(request("hi"), refused={}))
    call = {"index": 0, "id": "c", "function": {"name": "x", "arguments": "{}"}, "extra_content": {"signature": "s"}}
    deltas = [{"reasoning": "hm"}, {"tool_calls": [call]}]
    for delta in deltas:
        list(decoder.feed("message", json.dumps({"choices": [{"delta": delta, "finish_reason": "tool_calls"}]})))
    message = decoder.finish()
    assert message.native is not None
    [native] = message.native.items
    assert native["reasoning"] == "hm"
    assert native["tool_calls"][0]["extra_content"] == {"signature": "s"}


def test_servers_like_openai_get_the_older_name_of_the_token_limit() -> None:
    asked = ModelRequest((user("hi"),), max_tokens=5, options=ModelOptions(extra={"seed": 1}))
    assert encode("openai-chat", asked)["max_completion_tokens"] == 5
    assert encode("openai-chat", asked, compatible=True)["max_tokens"] == 5
    assert encode("openai-chat", asked)["seed"] == 1


def test_an_error_inside_a_stream_is_an_error() -> None:
    decoder = ChatCodec(MODEL).decoder(ChatCodec(MODEL).encode(request("hi"), refused={}))
    with pytest.raises(ModelBusy):
        list(decoder.feed("message", json.dumps({"error": {"code": 503, "message": "overloaded"}})))
    with pytest.raises(ModelError, match="out of memory"):
        list(decoder.feed("message", json.dumps({"error": "out of memory"})))
