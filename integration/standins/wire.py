"""The ground of every stand-in: HTTP/1.1 on loopback with raw control over what goes back.

h11 reads the requests. Replies are written by hand, since a stand-in must be able to send what no decent server would:
one byte at a time, half a body, garbage, a reset. Knows no provider.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import ssl
import struct
import threading
from typing import Any

import h11


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it came: header names in lower case and in order, the body byte for byte."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def names(self) -> list[str]:
        return [name for name, _ in self.headers]

    def everything(self) -> str:
        """The whole request as text, to look for what must not be in it."""
        head = "\n".join([f"{self.method} {self.target}", *(f"{name}: {value}" for name, value in self.headers)])
        return head + "\n\n" + self.body.decode("utf-8", "replace")


class Gone(Exception):
    """The other side has closed the connection."""


class Answer:
    """The reply's side of one exchange."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer
        self._chunked = False
        self.reusable = False

    async def head(self, status: int, headers: list[tuple[str, str]], framing: str = "chunked", length: int = 0) -> None:
        """`framing`: "chunked", "length" (of `length` bytes), or "close" (the body ends with the connection)."""
        self._chunked = framing == "chunked"
        self.reusable = framing != "close"
        frame = {"chunked": "transfer-encoding: chunked", "length": f"content-length: {length}", "close": "connection: close"}[framing]
        lines = [f"HTTP/1.1 {status} Stand-in", *(f"{name}: {value}" for name, value in headers), frame]
        await self.raw("\r\n".join([*lines, "", ""]).encode("utf-8"))

    async def piece(self, data: bytes) -> None:
        if data:
            await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        if self._chunked:
            await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise Gone
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (ConnectionError, ssl.SSLError) as error:
            raise Gone from error

    def reset(self) -> None:
        """Ends the connection with a TCP reset: the other side sees an error, not an end."""
        self.reusable = False
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Ends the connection in the middle of whatever was said."""
        self.reusable = False
        self._writer.close()

    async def until_gone(self) -> None:
        """Says nothing more, until the other side gives up."""
        self.reusable = False
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            # Who leaves with something still unread resets the connection.
            pass
        raise Gone


class StandIn:
    """A provider on a port of its own, from `with` to the end of `with`; answers in a thread that all stand-ins share."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.departures = 0
        self.port = 0
        self._tls = tls
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task] = set()
        self._server: asyncio.Server | None = None

    async def answer(self, request: Request, answer: Answer) -> None:
        raise NotImplementedError

    @property
    def base(self) -> str:
        """The address, without a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def clear(self) -> None:
        with self._changed:
            self.requests = []
            self.departures = 0

    def wait_for_requests(self, count: int, seconds: float = 30) -> list[Request]:
        """Waits until this many requests have arrived whole."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, seconds):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived")
            return list(self.requests)

    def wait_for_departures(self, count: int, seconds: float = 30) -> None:
        """Waits until this many replies were given up by the other side before they were complete."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.departures >= count, seconds):
                raise TimeoutError(f"{self.departures} of {count} replies were given up")

    def __enter__(self):
        _run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        _run(self._shut())

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            rest = b""
            while True:
                request, rest = await _read(reader, rest)
                if request is None:
                    break
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                answer = Answer(reader, writer)
                try:
                    await self.answer(request, answer)
                except Gone:
                    with self._changed:
                        self.departures += 1
                        self._changed.notify_all()
                    break
                if not answer.reusable:
                    break
        except (ConnectionError, asyncio.CancelledError, h11.RemoteProtocolError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader, rest: bytes) -> tuple[Request | None, bytes]:
    """The next whole request and what came behind it, or None when the connection has ended."""
    parser = h11.Connection(h11.SERVER)
    head: h11.Request | None = None
    body = bytearray()
    if rest:
        parser.receive_data(rest)
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            if not data:
                return None, b""
            parser.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
            request = Request(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))
            return request, parser.trailing_data[0]
        else:
            return None, b""


_loop: asyncio.AbstractEventLoop | None = None
_starting = threading.Lock()


def _run(work: Any) -> Any:
    """Runs a coroutine in the stand-ins' thread, which starts with the first of them."""
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="stand-ins", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(work, _loop).result(30)
