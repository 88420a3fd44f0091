"""Runs in LiteLLM's own virtual environment: makes each request by its SDK, and tells what would have gone to the provider.

stdin: {"key", "vendors": {name: {"model", "base", "params"}}, "requests": {name: request}} as JSON.
stdout: {"vendor/request": {"path", "headers", "body"} or {"refused": message}} as JSON.
"""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOG"] = "CRITICAL"
# Whatever else the machine has must not be looked for.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import litellm  # noqa: E402

litellm.suppress_debug_info = True
litellm.telemetry = False

# Not what a provider is asked, but what a server says about itself: LiteLLM asks Ollama what a model can do.
ASIDE = "/api/show"


class Recorder(http.server.BaseHTTPRequestHandler):
    """Writes down what it is asked, and refuses it in every language."""

    protocol_version = "HTTP/1.1"
    seen: list[dict] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith(ASIDE):
            return self.reply(200, {"capabilities": ["completion", "tools", "vision", "thinking"], "template": "{{ .Tools }}", "model_info": {}})
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append({"path": self.path, "headers": headers, "body": body})
        self.reply(400, {"error": {"message": "recorded", "type": "invalid_request_error"}, "message": "recorded"})

    def do_GET(self) -> None:
        self.reply(404, {})

    def reply(self, status: int, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def ask(asked: dict, request: dict, base: str, key: str) -> dict:
    Recorder.seen.clear()
    messages = json.loads(json.dumps(request["messages"]))
    params = {name: value for name, value in request.items() if name != "messages"}
    message = "no reason"
    try:
        answer = litellm.completion(
            model=asked["model"], messages=messages, api_base=base + asked["base"], api_key=key, num_retries=0, max_retries=0, timeout=20, **asked["params"], **params
        )
        # Some streams ask only when they are read.
        if params.get("stream"):
            list(answer)
    except Exception as error:
        message = str(error)
    if not Recorder.seen:
        return {"refused": message}
    assert len(Recorder.seen) == 1, Recorder.seen
    return Recorder.seen[0]


def main() -> None:
    told = json.load(sys.stdin)
    # Some of LiteLLM prints.
    answers, sys.stdout = sys.stdout, sys.stderr
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    found = {
        f"{vendor}/{name}": ask(asked, request, base, told["key"]) for vendor, asked in told["vendors"].items() for name, request in told["requests"].items()
    }
    json.dump(found, answers)


main()
