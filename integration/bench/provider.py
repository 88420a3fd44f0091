"""The two ends around a contender: the stand-in provider and the load generator, both `load.rs`."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import pathlib
import subprocess
import time

from .contenders import CACHE, Contender
from .process import Group, free_port
from .work import Item


def build() -> pathlib.Path:
    """Compiles the two ends unless this very source is compiled already."""
    source = pathlib.Path(__file__).with_name("load.rs")
    mark = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    binary = CACHE / f"load-{mark}"
    if not binary.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["rustc", "-O", "--edition", "2024", "-o", str(binary), str(source)], check=True)
    return binary


class StandIn:
    """A provider that answers every request with what it was told last."""

    def __init__(self) -> None:
        self.binary = build()
        self.port = free_port()
        self.group = Group([str(self.binary), "stand-in", str(self.port)], CACHE / "run" / "stand-in.log", pipe=True)
        self._said()

    def _said(self) -> str:
        assert self.group.process.stdout
        return self.group.process.stdout.readline().decode().strip()

    def tell(self, line: str) -> str:
        assert self.group.process.stdin
        self.group.process.stdin.write(line.encode() + b"\n")
        self.group.process.stdin.flush()
        return self._said()

    def play(self, item: Item) -> None:
        file = CACHE / "run" / ("reply-" + item.name.replace("/", "-"))
        file.write_bytes(item.reply)
        kind = f"stream {item.provider_path} {item.delay_us} {item.gap_us}" if item.stream else f"unary {item.provider_path} {item.delay_us}"
        if self.tell(f"{kind} {file}") != "ok":
            raise RuntimeError("the stand-in did not understand")

    def catch(self) -> pathlib.Path:
        """The next request's body will be in this file, behind its first line."""
        file = CACHE / "run" / "caught"
        file.unlink(missing_ok=True)
        self.tell(f"dump {file}")
        return file

    def stop(self) -> None:
        self.group.stop()


@dataclasses.dataclass
class Shot:
    """One run of the load generator against one contender."""

    requests: int
    errors: int
    first_error: str
    seconds: float
    events: int
    cpu_us: float  # of the contender, per request
    memory_kb: int
    peak_kb: int  # the highest of `memory_kb` while it ran, when watched
    latency_us: list[float] | None  # p50, p90, p99, max
    first_event_us: list[float] | None
    event_delay_us: list[float] | None


def fire(contender: Contender, stand_in: StandIn, item: Item, seconds: float = 1.0, connections: int = 0, each: int = 0, watch: bool = False) -> Shot:
    """Closed loop: every connection sends its next request when the answer to the last is complete.

    `each` is a number of requests per connection instead of a time; `watch` samples the memory meanwhile.
    """
    assert contender.group
    request = contender.home / "request"
    request.parent.mkdir(parents=True, exist_ok=True)
    request.write_bytes(contender.request(item, stand_in.port))
    command = [str(stand_in.binary), "fire", "--to", f"127.0.0.1:{contender.port}", "--request", str(request)]
    command += ["--connections", str(connections or item.connections), "--seconds", str(seconds), "--each", str(each)]
    before = contender.group.cpu_us()
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0
    while watch and load.poll() is None:
        peak = max(peak, contender.group.memory_kb())
        time.sleep(0.1)
    out = load.communicate()[0]
    used = contender.group.cpu_us() - before
    said = json.loads(out)
    return Shot(
        requests=said["requests"],
        errors=said["errors"],
        first_error=said["first_error"],
        seconds=said["seconds"],
        events=said["events"],
        cpu_us=used / max(1, said["requests"]),
        memory_kb=contender.group.memory_kb(),
        peak_kb=peak,
        latency_us=said["latency_us"],
        first_event_us=said["first_event_us"],
        event_delay_us=said["event_delay_us"],
    )


def probe(contender: Contender, stand_in: StandIn, item: Item) -> str | None:
    """Why this contender can't do this item, or None when its answer is the right one in the client's form."""
    stand_in.play(dataclasses.replace(item, delay_us=0, gap_us=0))
    caught = stand_in.catch()
    connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=30)
    try:
        connection.request("POST", contender.path(item), item.request, {"content-type": "application/json", **contender.headers(item, stand_in.port)})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"{answer.status}: {body[:160]}"
    if not contender.translates:
        return None
    asked = json.loads(caught.read_bytes().partition(b"\r\n\r\n")[2])
    fault = _request_fault(asked, item)
    if fault:
        return fault
    try:
        return _stream_fault(body, item) if item.stream else _reply_fault(json.loads(body), json.loads(item.reply), item)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return f"not the form of {item.endpoint} ({error!r}): {body[:160]}"


def _request_fault(asked: dict, item: Item) -> str | None:
    """What the provider was asked, coarsely: each kind of content must have become the provider's own kind."""
    if item.provider != "anthropic":
        return None
    parts = [part for message in asked["messages"] if isinstance(message["content"], list) for part in message["content"]]
    kinds = {part["type"] for part in parts}
    wanted = {"image_url": "image", "tool_calls": "tool_use", "tool_call_id": "tool_result"}
    for ours, theirs in wanted.items():
        if f'"{ours}"'.encode() in item.request and theirs not in kinds:
            return f"sends no {theirs} to the provider where the client said {ours}"
    if any(message["role"] not in ("user", "assistant") for message in asked["messages"]):
        return "sends roles that the provider doesn't know"
    return None


def _reply_fault(got: dict, sent: dict, item: Item) -> str | None:
    if item.endpoint.endswith("embeddings"):
        return None if len(got["data"]) == len(sent["data"]) else "vectors are missing"
    text, tools, usage = _said(got, item.client)
    wanted_text, wanted_tools, _ = _said(sent, item.provider)
    if text != wanted_text:
        return f"another text: {text[:80]!r}"
    if tools != wanted_tools:
        return "no tool call"
    return None if usage else "no usage"


def _said(reply: dict, form: str) -> tuple[str, list[str], int]:
    """A reply's text, the names of the tools that it calls, and its input tokens."""
    if form == "anthropic":
        texts = [block["text"] for block in reply["content"] if block["type"] == "text"]
        tools = [block["name"] for block in reply["content"] if block["type"] == "tool_use"]
        return "".join(texts), tools, reply["usage"]["input_tokens"]
    message = reply["choices"][0]["message"]
    tools = [call["function"]["name"] for call in message.get("tool_calls") or []]
    return message["content"] or "", tools, reply["usage"]["prompt_tokens"]


def _stream_fault(body: str, item: Item) -> str | None:
    data = [line[5:].strip() for line in body.splitlines() if line.startswith("data:")]
    if item.client == "anthropic":
        events = [json.loads(line) for line in data]
        if events[-1]["type"] != "message_stop":
            return f"no message_stop but {data[-1][:80]}"
        texts = [event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"]
    else:
        if data[-1] != "[DONE]":
            return f"no [DONE] but {data[-1][:80]}"
        chunks = [json.loads(line) for line in data[:-1]]
        texts = [c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]]
    stamps = sum(text.count("@") for text in texts)
    return None if stamps == item.reply.count(b"@") else f"{stamps} of {item.reply.count(b'@')} events"
