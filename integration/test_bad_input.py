"""Requests that nobody should send: each is refused in OpenAI's form, and Envoy and its VM serve on as if nothing had been."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest
from checks import HELLO, assert_openai_error, unharmed
from gateway import HTTP
from standins import vendors

TEXT = '{"model": "MODEL", "messages": [{"role": "user", "content": "Hello"}]'
"""The beginning of a good request, open for more."""


def deep(depth: int) -> bytes:
    return TEXT.encode() + b', "metadata": ' + b"[" * depth + b"]" * depth + b"}"


NO_REQUEST = {
    "nothing": b"",
    "spaces": b"   \n ",
    "no JSON": b"hello",
    "half": TEXT.encode(),
    "more behind": TEXT.encode() + b"} {}",
    "a byte-order mark": b"\xef\xbb\xbf" + TEXT.encode() + b"}",
    "single quotes": b"{'model': 'MODEL'}",
    "NaN": TEXT.encode() + b', "temperature": NaN}',
    "a trailing comma": TEXT.encode() + b",}",
    "a bare NUL": b'{"model": "MODEL", "messages": [{"role": "user", "content": "a\x00b"}]}',
    "a bare line break": b'{"model": "MODEL", "messages": [{"role": "user", "content": "a\nb"}]}',
    "invalid UTF-8": b'{"model": "MODEL", "messages": [{"role": "user", "content": "a\xff\xfeb"}]}',
    "overlong UTF-8": b'{"model": "MODEL", "messages": [{"role": "user", "content": "\xc0\xaf"}]}',
    "a lone surrogate": b'{"model": "MODEL", "messages": [{"role": "user", "content": "\\ud83d"}]}',
    "a surrogate's wrong half first": b'{"model": "MODEL", "messages": [{"role": "user", "content": "\\udc00\\ud800"}]}',
    "a bad escape": b'{"model": "MODEL", "messages": [{"role": "user", "content": "\\x41"}]}',
    "the model twice": TEXT.encode() + b', "model": "other"}',
    "the messages twice": TEXT.encode() + b', "messages": []}',
    "10,000 deep": deep(10_000),
    "10,000 deep and open": TEXT.encode() + b', "metadata": ' + b'{"a":' * 10_000,
    "all open": b"[" * 1_000_000,
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "a string": b'"hello"',
}


@pytest.mark.parametrize("body", NO_REQUEST.values(), ids=NO_REQUEST)
@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_what_is_no_request(gateway, providers, model, body):
    providers[model].clear()
    with unharmed(gateway):
        answer = HTTP.post(gateway.base_url + "/v1/chat/completions", content=body.replace(b"MODEL", model.encode()), timeout=30)
        error = assert_openai_error(answer, 400)
        assert error["type"] == "invalid_request_error"
        assert providers[model].requests == []


WRONG = {
    "no model": {"messages": HELLO},
    "model null": {"model": None, "messages": HELLO},
    "model number": {"model": 7, "messages": HELLO},
    "model list": {"model": ["MODEL", 7], "messages": HELLO},
    "model empty list": {"model": [], "messages": HELLO},
    "model empty": {"model": "", "messages": HELLO},
    "no messages": {"model": "MODEL"},
    "messages null": {"model": "MODEL", "messages": None},
    "messages text": {"model": "MODEL", "messages": "Hello"},
    "messages object": {"model": "MODEL", "messages": HELLO[0]},
    "messages empty": {"model": "MODEL", "messages": []},
    "stream text": {"model": "MODEL", "messages": HELLO, "stream": "yes"},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_wrong_types(gateway, providers, model, body):
    providers[model].clear()
    with unharmed(gateway):
        content = json.dumps(body).replace("MODEL", model)
        answer = HTTP.post(gateway.base_url + "/v1/chat/completions", content=content, timeout=30)
        assert assert_openai_error(answer, 400, 404)["type"] == "invalid_request_error"
        assert providers[model].requests == []


# What has to be understood to be translated.
WRONG_TO_TRANSLATE = {
    "message null": {"messages": [None]},
    "message text": {"messages": ["Hello"]},
    "message without a role": {"messages": [{"content": "Hello"}]},
    "role number": {"messages": [{"role": 7, "content": "Hello"}]},
    "unknown role": {"messages": [{"role": "wizard", "content": "Hello"}]},
    "content number": {"messages": [{"role": "user", "content": 7}]},
    "content object": {"messages": [{"role": "user", "content": {"text": "Hello"}}]},
    "part null": {"messages": [{"role": "user", "content": [None]}]},
    "part without a type": {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]},
    "part of unknown type": {"messages": [{"role": "user", "content": [{"type": "smell", "smell": "rose"}]}]},
    "image without a URL": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    "image of no data": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:nonsense"}}]}]},
    "tool result without a call": {"messages": [{"role": "tool", "content": "sunny"}]},
    "call without a function": {"messages": [*HELLO, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}]},
    "call with broken arguments": {
        "messages": [*HELLO, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}]}]
    },
    "tools text": {"messages": HELLO, "tools": "weather"},
    "tool null": {"messages": HELLO, "tools": [None]},
    "tool without a function": {"messages": HELLO, "tools": [{"type": "function"}]},
    "tool choice number": {"messages": HELLO, "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": 7},
    "max_tokens text": {"messages": HELLO, "max_tokens": "many"},
    "max_tokens negative": {"messages": HELLO, "max_tokens": -1},
    "temperature text": {"messages": HELLO, "temperature": "hot"},
    "stop number": {"messages": HELLO, "stop": 7},
    "response_format text": {"messages": HELLO, "response_format": "json"},
}


# A block in Anthropic's own language is not ours to judge, and OpenAI's types allow what only a translator must understand.
PASSED_ON = {("anthropic", "part of unknown type")}
FINE_BY_TYPE = {("openai", "image of no data"), ("openai", "call with broken arguments"), ("openai", "max_tokens negative")}
TRANSLATIONS = [(model, wrong) for model in sorted(vendors()) for wrong in WRONG_TO_TRANSLATE if (model, wrong) not in FINE_BY_TYPE]


@pytest.mark.parametrize(("model", "wrong"), TRANSLATIONS)
def test_what_cannot_be_translated(gateway, providers, model, wrong):
    providers[model].clear()
    with unharmed(gateway):
        answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": model, **WRONG_TO_TRANSLATE[wrong]}, timeout=30)
        assert assert_openai_error(answer, 400)["type"] == "invalid_request_error"
        # Nobody translates for an OpenAI-like provider: it is the one to complain.
        asked = len(providers[model].requests)
        assert asked == (1 if model == "openai" or (model, wrong) in PASSED_ON else 0)


def test_an_unknown_model(gateway):
    with unharmed(gateway):
        for name in ("no-such-model", "openai-", "x" * 5000, "\u0000", "é", "../openai", "no/such/model"):
            answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": name, "messages": HELLO}, timeout=30)
            assert assert_openai_error(answer, 404)["code"] == "model_not_found"


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_of_50_mb(gateway, chunked):
    piece = b"a" * 1_000_000
    body = b'{"model": "openai", "messages": [{"role": "user", "content": "' + piece * 50 + b'"}]}'
    pieces = (body[at : at + 1_000_000] for at in range(0, len(body), 1_000_000))
    with unharmed(gateway):
        # Envoy may answer and close while the client still talks: what counts is that it is told, or cut off.
        answer = HTTP.post(gateway.base_url + "/v1/chat/completions", content=pieces if chunked else body, timeout=60)
        assert_openai_error(answer, 413)


def test_a_body_of_20_mb_is_fine(gateway, providers):
    text = "word " * 4_000_000
    with unharmed(gateway):
        for model in ("openai", "anthropic"):
            reply = gateway.client().chat.completions.create(model=model, messages=[{"role": "user", "content": text}], max_tokens=3)
            assert reply.choices[0].message.content == "You said: word"
            assert len(providers[model].last.body) > 20_000_000


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, br", "nonsense"])
def test_an_encoding_that_is_not_read(gateway, providers, encoding):
    providers["openai"].clear()
    with unharmed(gateway):
        headers = {"content-encoding": encoding, "content-type": "application/json"}
        answer = HTTP.post(gateway.base_url + "/v1/chat/completions", content=b"\x1f\x8b\x08\x00nonsense", headers=headers, timeout=30)
        assert encoding in assert_openai_error(answer, 400, 415)["message"]
        assert providers["openai"].requests == []


def talk(gateway, said: bytes, leave: bool = False) -> bytes:
    """Says bytes on a fresh connection; what comes back until Envoy closes it."""
    with socket.create_connection((gateway.host, gateway.port), 30) as client:
        client.sendall(said)
        if leave:
            return b""
        heard = b""
        # Envoy resets a connection on which it left something unread.
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                heard += piece
        return heard


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize("leave", [False, True], ids=["half-closed", "gone"])
@pytest.mark.parametrize("framing", [b"content-length: 1000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n40\r\n"], ids=["announced", "chunked"])
def test_a_body_cut_short(gateway, providers, leave, framing):
    providers["openai"].clear()
    with unharmed(gateway):
        for _ in range(5):
            assert b" 200 " not in talk(gateway, HEAD + framing + b'{"model": "openai", "mess', leave)
        assert providers["openai"].requests == []


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["TLS", "no such version", "two lengths", "length and chunks", "a bad chunk", "a huge header"],
)
def test_no_http(gateway, said):
    with unharmed(gateway):
        heard = talk(gateway, said)
        assert not heard or heard.startswith(b"HTTP/1.1 4"), heard[:200]


def test_a_client_that_leaves_while_the_provider_thinks(gateway, script):
    from standins.scripted import STALL, raw_reply

    with unharmed(gateway):
        for model in ("openai", "anthropic"):
            script.clear()
            script.then(raw_reply(STALL))
            body = json.dumps({"model": f"scripted-{model}", "messages": HELLO}).encode()
            with socket.create_connection((gateway.host, gateway.port), 30) as client:
                client.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
                script.wait_for_requests(1)
            script.wait_for_departures(1)
