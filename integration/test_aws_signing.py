"""Signatures for Bedrock on a real Envoy, by Dragoman's filter and by Envoy's own: a stand-in makes each anew with AWS's SDK,
from what it got."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from gateway import Dragoman, free_port

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+of==a-role")
ENV = {
    "AWS_ACCESS_KEY_ID": KEY.access_key,
    "AWS_SECRET_ACCESS_KEY": KEY.secret_key,
    "AWS_SESSION_TOKEN": KEY.token,
    # For neither signer: an API key would take the signature's place.
    "AWS_BEARER_TOKEN_BEDROCK": "",
    "AWS_EC2_METADATA_DISABLED": "true",
}
REPLY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Ciao"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}


class Bedrock:
    """Bedrock's runtime on loopback: refuses what isn't signed as AWS's SDK would sign it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        bedrock = self

        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])) if "content-length" in self.headers else self.chunks()
                headers = {name.lower(): value for name, value in self.headers.items()}
                bedrock.asked.append((self.path, headers))
                expected = signature(self.path, headers, body)
                if headers.get("authorization") != expected:
                    return self.say(403, {"message": f"expected {expected}, got {headers.get('authorization')}"})
                return self.say(200, REPLY)

            def chunks(self) -> bytes:
                found = b""
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found

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
        self.base = f"http://127.0.0.1:{self.server.server_port}"


def signature(path: str, headers: dict[str, str], body: bytes) -> str:
    """The `authorization` that a request must carry, as botocore makes it for the headers that are said to be signed."""
    given = dict(part.split("=", 1) for part in headers.get("authorization", "").partition(" ")[2].split(", ") if "=" in part)
    signed = given.get("SignedHeaders", "host;x-amz-date").split(";")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(signed), f"not all that AWS asks for is signed: {signed}"
    request = AWSRequest("POST", f"http://{headers['host']}{path}", {name: headers[name] for name in signed}, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(KEY, "bedrock", "eu-central-1")
    # The hash of the body is made here whatever the request claims.
    claimed = request.headers.get("X-Amz-Content-SHA256")
    assert claimed in (None, signer.payload(AWSRequest("POST", request.url, {}, body))), "the body isn't the one that was hashed"
    signer.headers_to_sign = lambda request: _only(signed, request)  # type: ignore[method-assign]
    canonical = signer.canonical_request(request)
    made = signer.signature(signer.string_to_sign(request, canonical), request)
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={';'.join(signed)}, Signature={made}"


def _only(names: list[str], request: AWSRequest) -> Any:
    """The signed headers, also those that the SDK itself would leave out because proxies change them."""
    found = HTTPHeaders()
    for name in names:
        found[name] = request.headers[name]
    return found


@pytest.fixture
def bedrock() -> Iterator[Bedrock]:
    made = Bedrock()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()


def entry(name: str, base: str, model: str = MODEL, **params: Any) -> dict[str, Any]:
    common = {"model": f"bedrock/{model}", "aws_bedrock_runtime_endpoint": base, "aws_region_name": "eu-central-1"}
    return {"model_name": name, "litellm_params": {**common, **params}}


def ask(made: Dragoman, model: str, content: str = "Hi") -> str | None:
    return made.client().chat.completions.create(model=model, messages=[{"role": "user", "content": content}]).choices[0].message.content


@pytest.mark.parametrize("signer", ["filter", "envoy"])
def test_requests_are_signed_as_the_sdk_signs_them(bedrock: Bedrock, signer: str) -> None:
    models = [entry("claude", bedrock.base, aws_signer=signer), entry("profile", bedrock.base, PROFILE, aws_signer=signer)]
    with Dragoman({"model_list": models}, ENV) as made:
        assert ask(made, "claude", "Grüße, «world»") == "Ciao"
        assert ask(made, "profile") == "Ciao"
        # Larger than what a connection holds back.
        assert ask(made, "claude", "x" * 3_000_000) == "Ciao"
        assert KEY.secret_key not in json.dumps(made.config_dump())
    paths = [path for path, _ in bedrock.asked]
    quoted = urllib.parse.quote(PROFILE, safe="")
    assert paths[1] == f"/model/{quoted}/converse"
    for _, headers in bedrock.asked:
        # Only Envoy's filter sends the hash of the body along.
        assert ("x-amz-content-sha256" in headers) == (signer == "envoy")
        assert "x-dragoman-cluster" not in headers


def test_both_signers_stand_side_by_side(bedrock: Bedrock) -> None:
    models = [entry("ours", bedrock.base), entry("envoys", bedrock.base, aws_signer="envoy")]
    with Dragoman({"model_list": models}, ENV) as made:
        assert [ask(made, "ours"), ask(made, "envoys"), ask(made, "ours")] == ["Ciao"] * 3
    assert ["x-amz-content-sha256" in headers for _, headers in bedrock.asked] == [False, True, False]


def test_envoy_signs_each_attempt_of_a_chain(bedrock: Bedrock) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    models = [entry("claude", nobody, order=1, aws_signer="envoy"), entry("claude", bedrock.base, PROFILE, order=2, aws_signer="envoy")]
    with Dragoman({"model_list": models}, ENV) as made:
        assert ask(made, "claude") == "Ciao"
    # The second attempt goes to another host and path, which its signature covers.
    assert [path.rpartition("/")[2] for path, _ in bedrock.asked] == ["converse"]


@pytest.mark.parametrize("signer", ["filter", "envoy"])
def test_a_signature_by_another_key_is_refused(bedrock: Bedrock, signer: str) -> None:
    models = [entry("claude", bedrock.base, aws_signer=signer)]
    with Dragoman({"model_list": models, "litellm_settings": {"num_retries": 0}}, {**ENV, "AWS_SECRET_ACCESS_KEY": "another"}) as made:
        with pytest.raises(openai.PermissionDeniedError):
            ask(made, "claude")
