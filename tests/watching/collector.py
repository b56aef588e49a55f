"""A collector of OpenTelemetry on the loopback: what it was sent, and the answer it gives."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(HTTPServer):
    """`status`: what it answers, 400 for what it does not want. As long as `answers` is not set, it does not."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1/traces"
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()
        self.messages: list[ExportTraceServiceRequest] = []

    def spans(self) -> list[Span]:
        return [
            span
            for message in self.messages
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces"
        if self.server.status == 200:
            self.server.messages.append(ExportTraceServiceRequest.FromString(body))
        self.server.answers.wait(10)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *said: Any) -> None: ...
