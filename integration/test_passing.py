"""Requests that pass as they are: OpenAI's other endpoints and the providers' own paths, with the target's credential."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import pathlib
import socket
import struct
import zlib

import openai
import pytest
from checks import assert_openai_error
from conftest import MASTER_KEY, PROVIDER_KEY, SHAPES, start
from gateway import HTTP
from standins.scripted import Reply, Scripted, body_reply, json_reply, stream_reply
from standins.wire import Answer, Request, StandIn

TARGETS = {
    "pictures": ("openai/gpt-image-1", "/v1", {}),
    "whisper": ("openai/whisper-1", "/v1", {}),
    "ranks": ("cohere/rerank-v3.5", "/v2", {}),
    "jina": ("jina_ai/jina-reranker-v2", "/v1", {}),
    "voyage": ("voyage/rerank-2", "/v1", {}),
    "claude": ("anthropic/claude-sonnet-4-5", "/v1", {}),
    "gemini": ("gemini/gemini-2.5-flash", "/v1beta", {}),
    "nova": ("bedrock/amazon.nova-lite-v1:0", "", {"aws_region_name": "eu-west-1"}),
    "azure": ("azure/gpt-image-1", "", {"api_version": "2025-04-01-preview"}),
    "mistral": ("mistral/mistral-large-latest", "/v1", {}),
    "vertex": ("vertex_ai/gemini-2.5-pro", "", {"vertex_project": "p", "vertex_location": "eu"}),
    "cohere": ("cohere/command-a", "/v2", {}),
}


@pytest.fixture(scope="module")
def provider():
    with Scripted() as standin:
        yield standin


@pytest.fixture(scope="module", params=SHAPES)
def passing(request, provider):
    """A gateway with a target of each vendor, all of them before one script."""
    models = []
    for name, (model, path, params) in TARGETS.items():
        params = {"model": model, "api_base": provider.base + path, "api_key": "os.environ/PROVIDER_KEY", **params}
        models.append({"model_name": name, "litellm_params": params})
    config = {"model_list": models, "general_settings": {"master_key": "os.environ/MASTER_KEY"}}
    with start(request.param, config) as started:
        yield started


def ask(gateway, method: str, path: str, **options):
    headers = {"authorization": f"Bearer {MASTER_KEY}", "cookie": "c=1", **options.pop("headers", {})}
    return HTTP.request(method, gateway.base_url + path, headers=headers, timeout=60, **options)


OPENAI = {
    "images": ("/v1/images/generations", "pictures", "gpt-image-1", "/v1/images/generations"),
    "images of azure": ("/v1/images/generations", "azure", "gpt-image-1", "/openai/deployments/gpt-image-1/images/generations?api-version=2025-04-01-preview"),
    "speech": ("/v1/audio/speech", "whisper", "whisper-1", "/v1/audio/speech"),
    "moderations": ("/v1/moderations", "pictures", "gpt-image-1", "/v1/moderations"),
    "rerank of cohere": ("/v1/rerank", "ranks", "rerank-v3.5", "/v2/rerank"),
    "rerank of jina": ("/rerank", "jina", "jina-reranker-v2", "/v1/rerank"),
    "rerank of voyage": ("/v2/rerank", "voyage", "rerank-2", "/v1/rerank"),
}


@pytest.mark.parametrize(("path", "model", "upstream", "target"), OPENAI.values(), ids=OPENAI)
def test_a_body_is_left_alone_but_for_its_model(passing, provider, path, model, upstream, target):
    provider.clear()
    provider.then(json_reply({"fine": [1, 2], "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}}))
    before = passing.total("dragoman_tokens", dragoman_route=model)
    answer = ask(passing, "POST", path, json={"model": model, "prompt": "a cat", "own": {"n": [1]}})
    assert (answer.status_code, answer.json()["fine"]) == (200, [1, 2]), answer.text
    assert provider.last.target == target
    assert provider.last.json == {"model": upstream, "prompt": "a cat", "own": {"n": [1]}}
    seen = provider.last.everything()
    assert seen.count(PROVIDER_KEY) == 1 and MASTER_KEY not in seen and "cookie" not in provider.last.names()
    assert not [name for name in provider.last.names() if name.startswith(("x-dragoman", "x-litellm", "x-envoy"))]
    passing.wait_for_total("dragoman_tokens", before + 18, dragoman_route=model)


def test_openais_sdk_transcribes_and_speaks(passing, provider):
    client = passing.client(MASTER_KEY)
    sound = bytes(range(256)) * 4000
    provider.clear()
    provider.then(json_reply({"text": "Hello"}), body_reply(sound, "audio/mpeg"))
    assert client.audio.transcriptions.create(model="whisper", file=("a.wav", sound)).text == "Hello"
    assert b'name="model"\r\n\r\nwhisper-1\r\n' in provider.last.body and sound in provider.last.body
    assert client.audio.speech.create(model="whisper", voice="alloy", input="Hi").read() == sound


def test_a_models_name_may_stand_behind_the_file(passing, provider):
    provider.clear()
    provider.then(json_reply({"text": "Hello"}))
    sound = b"\r\n--x\r\n" * 50_000
    form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="model"\r\n\r\n' + sound
    form += b'\r\n--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b--\r\n'
    answer = ask(passing, "POST", "/v1/audio/transcriptions", content=form, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.json() == {"text": "Hello"}, answer.text
    assert provider.last.body == form.replace(b"\r\nwhisper\r\n", b"\r\nwhisper-1\r\n")


def test_files_batches_and_jobs_are_the_first_openais_or_whosoever_is_named(passing, provider):
    provider.clear()
    provider.then(*[json_reply({"object": "list", "data": []})] * 5)
    ask(passing, "GET", "/v1/files?limit=2&custom_llm_provider=openai")
    ask(passing, "GET", "/v1/batches/batch_1")
    ask(passing, "DELETE", "/v1/files/file-1", headers={"x-dragoman-model": "azure"})
    ask(passing, "POST", "/v1/fine_tuning/jobs", json={"model": "gpt-4o", "training_file": "f"})
    ask(passing, "GET", "/v1/files", headers={"custom-llm-provider": "mistral"})
    assert [(request.method, request.target) for request in provider.requests] == [
        ("GET", "/v1/files?limit=2"),
        ("GET", "/v1/batches/batch_1"),
        ("DELETE", "/openai/files/file-1?api-version=2025-04-01-preview"),
        ("POST", "/v1/fine_tuning/jobs"),
        ("GET", "/v1/files"),
    ]
    assert provider.requests[3].json["model"] == "gpt-4o"
    uploaded = passing.client(MASTER_KEY).with_options(max_retries=0)
    provider.then(json_reply({"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch", "status": "processed"}))
    assert uploaded.files.create(file=("a.jsonl", b"{}\n"), purpose="batch").id == "file-1"


NATIVE = {
    "anthropic": ("/anthropic/v1/messages/batches", "/v1/messages/batches", "x-api-key", PROVIDER_KEY),
    "gemini": ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", "/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key", PROVIDER_KEY),
    "gemini by its SDK": ("/v1beta/models/gemini:countTokens", "/v1beta/models/gemini-2.5-flash:countTokens", "x-goog-api-key", PROVIDER_KEY),
    "bedrock": ("/bedrock/model/amazon.nova-lite-v1%3A0/converse", "/model/amazon.nova-lite-v1%3A0/converse", "authorization", f"Bearer {PROVIDER_KEY}"),
    "azure": ("/azure/openai/deployments/x/chat/completions", "/openai/deployments/x/chat/completions?api-version=2025-04-01-preview", "api-key", PROVIDER_KEY),
    "cohere": ("/cohere/v1/classify", "/v1/classify", "authorization", f"Bearer {PROVIDER_KEY}"),
    "mistral": ("/mistral/v1/ocr", "/v1/ocr", "authorization", f"Bearer {PROVIDER_KEY}"),
    "vertex": ("/vertex_ai/v1/projects/p/locations/eu/cachedContents", "/v1/projects/p/locations/eu/cachedContents", "authorization", f"Bearer {PROVIDER_KEY}"),
    "openai": ("/openai/v1/vector_stores?limit=1", "/v1/vector_stores?limit=1", "authorization", f"Bearer {PROVIDER_KEY}"),
}


@pytest.mark.parametrize(("path", "target", "header", "credential"), NATIVE.values(), ids=NATIVE)
def test_a_providers_own_path_gets_its_credential(passing, provider, path, target, header, credential):
    provider.clear()
    provider.then(json_reply({"own": True}, 202, [("x-own", "1"), ("set-cookie", "a=b")]))
    answer = ask(passing, "POST", path, content=b'{"any": "thing"}', headers={"content-type": "application/json", "anthropic-beta": "b-1"})
    assert (answer.status_code, answer.json(), answer.headers["x-own"]) == (202, {"own": True}, "1"), answer.text
    assert "set-cookie" not in answer.headers
    assert (provider.last.target, provider.last.header(header)) == (target, credential)
    assert provider.last.body == b'{"any": "thing"}'
    assert MASTER_KEY not in provider.last.everything()


def test_streams_and_failures_pass_and_are_counted(passing, provider):
    provider.clear()
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 2}
    provider.then(stream_reply({"candidates": []}, {"candidates": [], "usageMetadata": counts}), json_reply({"error": {"code": 429}}, 429))
    before = passing.total("dragoman_tokens", dragoman_route="gemini")
    path = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=" + MASTER_KEY
    answer = HTTP.post(passing.base_url + path, json={}, timeout=30)
    assert answer.text.count("data: ") == 2
    assert provider.last.target == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    passing.wait_for_total("dragoman_tokens", before + 5, dragoman_route="gemini")
    answer = ask(passing, "POST", "/gemini/v1beta/models/gemini-2.5-flash:generateContent", json={})
    assert (answer.status_code, answer.json()) == (429, {"error": {"code": 429}})


def test_bedrocks_own_stream_is_counted(passing, provider):
    def message(name: str, payload: dict) -> bytes:
        names = {":message-type": "event", ":event-type": name}
        headers = b"".join(bytes([len(key)]) + key.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode() for key, value in names.items())
        body = json.dumps(payload).encode()
        head = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
        whole = head + struct.pack("!I", zlib.crc32(head)) + headers + body
        return whole + struct.pack("!I", zlib.crc32(whole))

    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 9, "cacheReadInputTokens": 4}
    stream = message("contentBlockDelta", {"delta": {"text": "usage"}}) + message("metadata", {"usage": usage})
    provider.clear()
    provider.then(Reply(200, (("content-type", "application/vnd.amazon.eventstream"),), (stream[:50], stream[50:-9], stream[-9:])))
    before = passing.total("dragoman_tokens", dragoman_route="nova", dragoman_type="cached")
    answer = ask(passing, "POST", "/bedrock/model/amazon.nova-lite-v1%3A0/converse-stream", json={"messages": []})
    assert answer.content == stream
    passing.wait_for_total("dragoman_tokens", before + 4, dragoman_route="nova", dragoman_type="cached")


def test_lines_of_json_are_counted(passing, provider):
    lines = b'{"event_type":"text-generation","text":"Hi"}\n{"event_type":"stream-end","response":{"meta":{"tokens":{"input_tokens":7,"output_tokens":2}}}}\n'
    provider.clear()
    provider.then(body_reply(lines, "application/stream+json"))
    before = passing.total("dragoman_tokens", dragoman_route="ranks")
    assert ask(passing, "POST", "/cohere/v1/chat", json={"message": "Hi", "stream": True}).content == lines
    passing.wait_for_total("dragoman_tokens", before + 9, dragoman_route="ranks")


def test_who_may_not_ask_is_told_so(passing, provider):
    provider.clear()
    for path in ("/v1/images/generations", "/anthropic/v1/models", "/v1/files", "/gemini/v1beta/models/x:generateContent?key=sk-wrong"):
        assert HTTP.post(passing.base_url + path, json={"model": "pictures"}, timeout=30).status_code == 401
    assert_openai_error(ask(passing, "POST", "/v1/images/generations", json={"model": "no-such"}), 404)
    assert_openai_error(ask(passing, "POST", "/v1/images/generations", json={"model": "claude"}), 404)
    assert_openai_error(ask(passing, "POST", "/v1/audio/speech", content=b"{"), 400)
    assert provider.requests == []


def test_bedrock_is_signed_over_the_whole_body(provider):
    params = {"model": "bedrock/amazon.nova-lite-v1:0", "api_base": provider.base, "aws_region_name": "eu-west-1"}
    keys = {"aws_access_key_id": "os.environ/PROVIDER_KEY", "aws_secret_access_key": "os.environ/PROVIDER_KEY"}
    with start("roles", {"model_list": [{"model_name": "nova", "litellm_params": {**params, **keys}}]}) as gateway:
        provider.clear()
        provider.then(json_reply({"fine": True}))
        answer = HTTP.post(gateway.base_url + "/bedrock/model/amazon.nova-lite-v1%3A0/converse", content=b'{"messages": []}')
        assert answer.json() == {"fine": True}, answer.text
        assert "AWS4-HMAC-SHA256 Credential=" in (provider.last.header("authorization") or "")
        assert provider.last.body == b'{"messages": []}'


class Sink(StandIn):
    """Takes a body of any size, remembers its size only."""

    size = 0

    async def _connection(self, reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        left = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        while left:
            piece = await reader.read(min(left, 1 << 20))
            left -= len(piece)
            self.size += len(piece)
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"id":"file-1"}')
        await writer.drain()
        writer.close()

    async def answer(self, request: Request, answer: Answer) -> None:
        raise NotImplementedError


def resident(pid: int) -> int:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_upload_of_600_mb_passes_in_constant_memory(shape):
    size = 600 * 1024 * 1024
    with Sink() as sink:
        params = {"model": "openai/gpt-4o", "api_base": sink.base + "/v1", "api_key": "os.environ/PROVIDER_KEY"}
        with start(shape, {"model_list": [{"model_name": "m", "litellm_params": params}]}) as gateway:
            before = resident(gateway.envoy_pid)
            piece = b"x" * (1 << 20)
            headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(size)}
            answer = HTTP.post(gateway.base_url + "/v1/files", content=(piece for _ in range(size // len(piece))), headers=headers, timeout=300)
            assert answer.json() == {"id": "file-1"}, answer.text
            assert sink.size == size
            # What V8 compiles meanwhile, and what Envoy's buffers of 32 MiB on the way may hold where the provider is slow,
            # in an allocator that gives nothing back: not the upload.
            assert resident(gateway.envoy_pid) - before < 200 * 1024 * 1024


class Echo(StandIn):
    """A WebSocket that says every text again."""

    async def _shake(self, reader, writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        key = next(line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n".encode())

    async def _frame(self, reader) -> tuple[int, bytes]:
        """The first byte of the client's next frame, and its text."""
        first, length = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        return first, bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(length & 127)))

    async def _connection(self, reader, writer) -> None:
        await self._shake(reader, writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, text = await self._frame(reader)
                writer.write(struct.pack("BB", first, len(text)) + text)
                await writer.drain()
        writer.close()

    async def answer(self, request: Request, answer: Answer) -> None:
        raise NotImplementedError


class Session(Echo):
    """A session of OpenAI's Realtime: it answers every text with a response, however its frames are."""

    async def _connection(self, reader, writer) -> None:
        usage = {
            "total_tokens": 253,
            "input_tokens": 132,
            "output_tokens": 121,
            "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "cached_tokens": 64},
            "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
        }

        async def say(text: bytes, first: int = 0x81) -> None:
            length = struct.pack("!B", len(text)) if len(text) < 126 else struct.pack("!BH", 126, len(text)) if len(text) < 1 << 16 else struct.pack("!BQ", 127, len(text))
            writer.write(struct.pack("B", first) + length + text)
            await writer.drain()

        answered = self._answer = asyncio.Queue()
        writer_done = asyncio.create_task(self._listen(reader, writer, answered))
        while await answered.get():
            await say(b"", 0x89)
            await say(json.dumps({"type": "response.output_audio.delta", "delta": "A" * 200_000}).encode())
            done = json.dumps({"type": "response.done", "response": {"id": "r", "usage": usage, "output": ["ä" * 50]}}, ensure_ascii=False).encode()
            await say(done[:40], 0x01)
            await say(b"ping", 0x89)
            await say(done[40:50], 0x00)
            await say(done[50:], 0x80)
        await writer_done
        writer.close()

    async def _listen(self, reader, writer, answered: asyncio.Queue) -> None:
        await self._shake(reader, writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, text = await self._frame(reader)
                if first & 15 == 8:
                    writer.write(struct.pack("BB", first, len(text)) + text)
                    break
                if first & 15 == 1:
                    answered.put_nowait(True)
        answered.put_nowait(False)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_spoken_is_counted(shape):
    """The client is OpenAI's own SDK, on a WebSocket of its own."""
    with Session() as session:
        session.heads = []
        params = {"model": "openai/gpt-realtime", "api_base": session.base + "/v1", "api_key": "os.environ/PROVIDER_KEY"}
        config = {"model_list": [{"model_name": "rt", "litellm_params": params}], "general_settings": {"master_key": "os.environ/MASTER_KEY"}}
        with start(shape, config) as gateway:
            client = openai.OpenAI(base_url=gateway.base_url + "/v1", websocket_base_url=f"ws://{gateway.host}:{gateway.port}/v1", api_key=MASTER_KEY)
            with client.realtime.connect(model="rt") as connection:
                for _ in range(3):
                    connection.response.create()
                    assert [connection.recv().type for _ in range(2)] == ["response.output_audio.delta", "response.done"]
            assert "sec-websocket-extensions" not in session.heads[0].lower()
            for kind, tokens in {"input": 132, "output": 121, "cached": 64, "audio_input": 13, "audio_output": 91}.items():
                gateway.wait_for_total("dragoman_tokens", 3 * tokens, dragoman_route="rt", dragoman_type=kind)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_websocket_speaks_both_ways(shape):
    with Echo() as echo:
        echo.heads = []
        params = {"model": "openai/gpt-realtime", "api_base": echo.base + "/v1", "api_key": "os.environ/PROVIDER_KEY"}
        config = {"model_list": [{"model_name": "rt", "litellm_params": params}], "general_settings": {"master_key": "os.environ/MASTER_KEY"}}
        with start(shape, config) as gateway, socket.create_connection((gateway.host, gateway.port), 30) as client:
            client.sendall(
                f"GET /v1/realtime?model=rt HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                f"sec-websocket-protocol: realtime, openai-insecure-api-key.{MASTER_KEY}\r\n"
                "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            stream = client.makefile("rb")
            assert b" 101 " in stream.readline()
            while stream.readline().strip():
                pass
            for text in (b"Hello", json.dumps({"type": "session.update"}).encode()):
                client.sendall(struct.pack("BB4x", 0x81, 0x80 | len(text)) + text)
                assert stream.read(2 + len(text)) == struct.pack("BB", 0x81, len(text)) + text
            head = echo.heads[0]
            assert head.startswith("GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\n")
            assert f"Bearer {PROVIDER_KEY}" in head and MASTER_KEY not in head
            assert "sec-websocket-protocol: realtime\r\n" in head
            client.sendall(b"")
        with start(shape, config) as gateway:
            headers = {"upgrade": "websocket", "connection": "Upgrade", "authorization": f"Bearer {MASTER_KEY}"}
            refused = HTTP.get(gateway.base_url + "/v1/files", headers=headers, timeout=30)
            assert refused.status_code == 400


def test_a_chat_is_no_websocket(passing):
    with pytest.raises(openai.APIStatusError):
        passing.client(MASTER_KEY).chat.completions.create(model="claude", messages=[], extra_headers={"upgrade": "websocket", "connection": "Upgrade"})
