"""A receiver of OpenTelemetry's logs and spans, over gRPC and over HTTP, built on the official protobufs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Found = TypeVar("Found")


@dataclass(frozen=True)
class Export:
    """What one request brought: its path, and its headers or metadata."""

    path: str
    headers: dict[str, str]


class Receiver:
    """Both doors of a collector, on loopback, from `with` to the end of `with`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.logs: list[LogRecord] = []
        self.resources: list[dict[str, Any]] = []
        self.exports: list[Export] = []
        self._news = threading.Condition()

    def __enter__(self) -> Receiver:
        self._rpc = grpc.server(futures.ThreadPoolExecutor(4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Traces(self), self._rpc)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(_Logs(self), self._rpc)
        self.grpc_port = self._rpc.add_insecure_port("127.0.0.1:0")
        self._rpc.start()
        receiver = self

        class Door(_Door):
            owner = receiver

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.http_port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rpc.stop(None)
        self._http.shutdown()
        self._http.server_close()

    def take_traces(self, request: trace_service_pb2.ExportTraceServiceRequest, export: Export) -> None:
        with self._news:
            self.exports.append(export)
            for resource in request.resource_spans:
                self.resources.append(attributes(resource.resource))
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            self._news.notify_all()

    def take_logs(self, request: logs_service_pb2.ExportLogsServiceRequest, export: Export) -> None:
        with self._news:
            self.exports.append(export)
            for resource in request.resource_logs:
                self.resources.append(attributes(resource.resource))
                for scope in resource.scope_logs:
                    self.logs += scope.log_records
            self._news.notify_all()

    def wait(self, look: Callable[[Receiver], Found], seconds: float = 20) -> Found:
        """What `look` sees, once it sees anything."""
        end = time.monotonic() + seconds
        with self._news:
            while not (found := look(self)):
                left = end - time.monotonic()
                assert left > 0, f"nothing came: {len(self.spans)} spans, {len(self.logs)} logs, {self.exports}"
                self._news.wait(left)
            return found


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a resource, a span or a log record."""
    return {pair.key: _value(pair.value) for pair in of.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, owner: Receiver):
        self._owner = owner

    def Export(self, request, context):
        self._owner.take_traces(request, Export("grpc", _metadata(context)))
        return trace_service_pb2.ExportTraceServiceResponse()


class _Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def __init__(self, owner: Receiver):
        self._owner = owner

    def Export(self, request, context):
        self._owner.take_logs(request, Export("grpc", _metadata(context)))
        return logs_service_pb2.ExportLogsServiceResponse()


def _metadata(context: grpc.ServicerContext) -> dict[str, str]:
    return {pair.key: pair.value if isinstance(pair.value, str) else "" for pair in context.invocation_metadata()}


class _Door(BaseHTTPRequestHandler):
    """OTLP over HTTP, in protobuf."""

    owner: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        export = Export(self.path, {name.lower(): value for name, value in self.headers.items()})
        if self.path.endswith("/traces"):
            self.owner.take_traces(trace_service_pb2.ExportTraceServiceRequest.FromString(body), export)
            answer = trace_service_pb2.ExportTraceServiceResponse()
        else:
            self.owner.take_logs(logs_service_pb2.ExportLogsServiceRequest.FromString(body), export)
            answer = logs_service_pb2.ExportLogsServiceResponse()
        encoded = answer.SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Tests have their own words."""
