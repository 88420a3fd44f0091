"""Google's access tokens on a real Envoy: asked for once by all workers together, used by every request, and Envoy's own
left alone."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import pathlib
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from envoys import bootstrap, cluster
from gateway import COMMAND, FILTER, Envoy

EMAIL = "bot@project.iam.gserviceaccount.com"
REPLY = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Ciao"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}


class Google:
    """Google's token endpoint, the metadata server and Vertex AI, all on one port of loopback."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.failures = 0
        google = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                google.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
                if self.path in ("/token", "/computeMetadata/v1/instance/service-accounts/default/token"):
                    google.failures -= 1
                    if google.failures >= 0:
                        return self.say(401, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
                    return self.say(200, {"access_token": f"ya29.{self.path[1]}", "expires_in": 3599, "token_type": "Bearer"})
                return self.say(200, REPLY)

            def say(self, status: int, answer: dict[str, Any]) -> None:
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.port = self.server.server_port

    def for_tokens(self) -> list[tuple[str, dict[str, str], str]]:
        return [asked for asked in self.asked if asked[0] == "/token" or asked[0].startswith("/computeMetadata")]

    def for_answers(self) -> list[dict[str, str]]:
        return [headers for path, headers, _ in self.asked if ":generateContent" in path]


@pytest.fixture
def google() -> Iterator[Google]:
    made = Google()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()


@contextlib.contextmanager
def gateway(google: Google, env: dict[str, str], **settings: Any) -> Iterator[Envoy]:
    """Two workers with one Vertex target, inline; token and metadata requests go to the same stand-in."""
    target = {
        "id": "gemini",
        "provider": "vertex_ai",
        "model": "gemini-2.5-pro",
        "base_url": f"http://127.0.0.1:{google.port}",
        "settings": {"vertex_project": "project", "vertex_location": "global", **settings},
    }
    plugin = {"role": "inline", "targets": [target], "routes": [{"name": "gemini", "targets": [{"target": "gemini", "cluster": "gemini"}]}]}
    machine = {
        "vm_id": "dragoman",
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"filename": str(FILTER)}},
        "environment_variables": {"host_env_keys": list(env)},
    }
    wasm = {
        "name": "dragoman",
        "vm_config": machine,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(plugin)},
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": True,
    }
    listener = {"name": "dragoman", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": wasm}}
    names = ("gemini", "dragoman_google_token", "dragoman_google_metadata")
    made = bootstrap([listener], [cluster(name, google.port) for name in names], {"cluster_header": "x-dragoman-cluster"})
    with Envoy(made, env, concurrency=2) as envoy:
        yield envoy


@contextlib.contextmanager
def rendered(google: Google, credential: dict[str, str], home: pathlib.Path) -> Iterator[Envoy]:
    """What `dragoman render envoy` makes of a Vertex target, both roles; only Google's own address is the stand-in's."""
    params = {
        "model": "vertex_ai/gemini-2.5-pro",
        "api_base": f"http://127.0.0.1:{google.port}",
        "vertex_project": "project",
        "vertex_location": "global",
        "vertex_credentials": "os.environ/GOOGLE_KEY",
    }
    file = home / "config.yaml"
    file.write_text(yaml.safe_dump({"model_list": [{"model_name": "gemini", "litellm_params": params}]}))
    envoy = Envoy({}, {"GOOGLE_KEY": json.dumps(credential)}, concurrency=2)
    where = ["--listen", f"127.0.0.1:{envoy.port}", "--admin", f"127.0.0.1:{envoy.admin_port}", "--out", home / "out"]
    subprocess.run([COMMAND, "render", "envoy", "--config", file, *where], env=envoy.env, check=True, capture_output=True)
    text = (home / "out" / "envoy.yaml").read_text()
    assert "PRIVATE" not in text
    envoy.bootstrap = yaml.safe_load(text)
    resources = envoy.bootstrap["static_resources"]
    ours = [made for made in resources["clusters"] if not made["name"].startswith("dragoman_google_")]
    assert len(ours) < len(resources["clusters"]), "the render has no cluster for Google's tokens"
    resources["clusters"] = ours + [cluster(name, google.port) for name in ("dragoman_google_token", "dragoman_google_metadata")]
    with envoy:
        yield envoy


def ask(made: Envoy) -> str | None:
    client = openai.OpenAI(base_url=made.base_url + "/v1", api_key="sk-client", max_retries=0, timeout=60)
    return client.chat.completions.create(model="gemini", messages=[{"role": "user", "content": "Hi"}]).choices[0].message.content


def settle(google: Google, count: int) -> None:
    """Waits until a token has been asked for that often."""
    pause = threading.Event()
    for _ in range(600):
        if len(google.for_tokens()) >= count:
            pause.wait(0.5)
            return
        pause.wait(0.05)
    raise TimeoutError(f"{google.for_tokens()} is all that was asked for")


def test_a_service_account_signs_once_for_all_workers(google: Google) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    credential = {"type": "service_account", "private_key_id": "k1", "private_key": pem, "client_email": EMAIL, "token_uri": "https://oauth2.googleapis.com/token"}
    with gateway(google, {"GOOGLE_KEY": json.dumps(credential)}, vertex_credentials={"env": "GOOGLE_KEY"}) as made:
        settle(google, 1)
        for _ in range(8):
            assert ask(made) == "Ciao"
        assert [path for path, _, _ in google.for_tokens()] == ["/token"], "the workers share one token"
        assert {headers["authorization"] for headers in google.for_answers()} == {"Bearer ya29.t"}
        assert google.asked[-1][0] == "/v1/projects/project/locations/global/publishers/google/models/gemini-2.5-pro:generateContent"
        assert EMAIL not in made.log() and "PRIVATE" not in made.log()
    _, headers, body = google.for_tokens()[0]
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    form = dict(urllib.parse.parse_qsl(body))
    signed, _, signature = form["assertion"].rpartition(".")
    padded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    key.public_key().verify(padded, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    claims = signed.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert claims["iss"] == EMAIL and claims["aud"] == "https://oauth2.googleapis.com/token"


def test_attempts_on_clusters_have_the_token_too(google: Google, tmp_path: pathlib.Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    credential = {"type": "service_account", "private_key_id": "k1", "private_key": pem, "client_email": EMAIL, "token_uri": "https://oauth2.googleapis.com/token"}
    with rendered(google, credential, tmp_path) as made:
        settle(google, 1)
        for _ in range(8):
            assert ask(made) == "Ciao"
        assert [path for path, _, _ in google.for_tokens()] == ["/token"], "the workers share one token"
        assert {headers["authorization"] for headers in google.for_answers()} == {"Bearer ya29.t"}


def test_the_metadata_server_is_asked_without_a_credential(google: Google) -> None:
    with gateway(google, {}) as made:
        settle(google, 1)
        assert ask(made) == "Ciao"
    path, headers, _ = google.for_tokens()[0]
    assert path.startswith("/computeMetadata") and headers["metadata-flavor"] == "Google"
    assert google.for_answers()[0]["authorization"] == "Bearer ya29.c"


def test_a_refused_credential_is_told_and_tried_again(google: Google) -> None:
    google.failures = 1
    with gateway(google, {}) as made:
        made.wait_for_log("Invalid JWT Signature.")
        with pytest.raises(openai.InternalServerError) as refused:
            ask(made)
        assert refused.value.status_code == 503 and not google.for_answers()
        settle(google, 2)
        assert ask(made) == "Ciao"


def test_envoy_may_give_the_token_itself(google: Google) -> None:
    with gateway(google, {}, vertex_token_source="envoy") as made:
        assert ask(made) == "Ciao"
        assert not google.for_tokens() and "authorization" not in google.for_answers()[0]
