"""`dragoman top`: the table of a real Envoy, once for scripts, and live on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import openai
import pyte
import pytest
from checks import HELLO
from conftest import entry, litellm_config, start
from gateway import COMMAND
from standins.scripted import json_reply


@pytest.fixture(scope="module")
def counted(providers, script_room):
    """A gateway that has served two requests and failed one."""
    with start("roles", litellm_config(providers, script_room)) as gateway:
        ask(gateway)
        ask(gateway)
        with pytest.raises(openai.InternalServerError):
            gateway.client().chat.completions.create(model="openai/down", messages=HELLO)
        # Envoy merges histograms every five seconds.
        gateway.wait_for_total("dragoman_duration_milliseconds_count", 3)
        yield gateway


def ask(gateway) -> None:
    list(gateway.client().chat.completions.create(model="anthropic", messages=HELLO, stream=True))


def words(gateway, *more: str) -> list[str]:
    return [str(COMMAND), "top", "--admin", f"127.0.0.1:{gateway.admin_port}", *more]


def rows(text: str) -> dict[str, list[str]]:
    """A table's rows by their routes, without the times' units."""
    return {line.split()[0]: line.replace(" ms", "").split() for line in text.splitlines() if line.strip()}


def test_once(counted):
    text = subprocess.run(words(counted, "--once"), check=True, capture_output=True, text=True).stdout
    found = rows(text)
    assert text.split()[:4] == ["ROUTE", "TARGET", "REQ", "REQ/S"]
    # Two requests of one token in, three out each, at three and fifteen dollars a million.
    assert found["anthropic"][1:10] == ["anthropic/claude-sonnet-4-5", "2", "-", "0", "0", "0", "2", "6", "0.000096"]
    assert all(float(time) >= 0 for time in found["anthropic"][10:12])
    assert found["openai/*"][1:6] == ["openai/*", "1", "-", "1", "1"]


def test_a_target_that_is_left_alone_is_marked(providers, script):
    script.then(json_reply({"error": {"message": "slow down", "type": "rate_limit_error"}}, 429))
    limited = {**entry("m", "openai/limited", script.base + "/v1", order=1), "model_info": {"id": "limited"}}
    calm = {**entry("m", "openai/calm", providers["openai"].api_base, order=2), "model_info": {"id": "calm"}}
    config = {"model_list": [limited, calm], "router_settings": {"cooldown_time": 600}}
    with start("roles", config) as gateway:
        gateway.client().chat.completions.create(model="m", messages=HELLO)
        gateway.wait_for_total("dragoman_cooldown", 1, dragoman_target="limited")
        gateway.wait_for_total("dragoman_requests", 1, dragoman_route="m")
        text = subprocess.run(words(gateway, "--once"), check=True, capture_output=True, text=True).stdout
    marked = {line.split()[1]: "(left alone)" in line for line in text.splitlines()[1:]}
    assert marked == {"openai/calm": False, "openai/limited": True}, text


def test_nobody_at_the_port():
    done = subprocess.run([str(COMMAND), "top", "--admin", "127.0.0.1:1", "--once"], capture_output=True, text=True)
    assert done.returncode == 1 and "doesn't answer" in done.stderr


def test_live_on_a_terminal(counted):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 160, 0, 0))
    screen = pyte.Screen(160, 30)
    stream = pyte.ByteStream(screen)
    raw = b""
    process = subprocess.Popen(words(counted, "--every", "0.2"), stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)

    def see(what, seconds: float = 20) -> None:
        nonlocal raw
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "\n".join(screen.display)
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    piece = os.read(leader, 65536)
                except OSError:
                    return
                raw += piece
                stream.feed(piece)

    def shown() -> list[str]:
        return rows("\n".join(screen.display)).get("anthropic", [""] * 12)

    try:
        see(lambda: shown()[2] == "2")
        assert "Ctrl-C leaves" in screen.display[0]
        ask(counted)
        see(lambda: shown()[2] == "3")
        see(lambda: float(shown()[3] if shown()[3] != "-" else 0) == 0)
        process.send_signal(signal.SIGINT)
        see(lambda: process.poll() is not None)
        assert process.wait(10) == 0
        # The terminal is as it was: the first screen, with its cursor.
        see(lambda: b"\x1b[?1049l" in raw and b"\x1b[?25h" in raw, 5)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
