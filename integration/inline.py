"""Dragoman's inline role: one listener filter in an Envoy whose clusters know nothing of it, as in an Istio mesh."""

from __future__ import annotations

import subprocess
from typing import Any

from gateway import COMMAND, PROMPTLY, Dragoman, Envoy, envoy_binary, envoy_version


class Inline(Dragoman):
    """What `dragoman render envoy --role inline` makes of a LiteLLM config, in an Envoy that is started without Dragoman."""

    def __init__(self, config: dict[str, Any], env: dict[str, str] | None = None):
        super().__init__(config, env)

    def command(self) -> list[str]:
        where = ["--config", self.write_config(), "--out", self.home / "rendered", "--listen", f"{self.host}:{self.port}", "--admin", f"{self.host}:{self.admin_port}"]
        version = ".".join(str(part) for part in envoy_version()[:2])
        subprocess.run([COMMAND, "render", "envoy", "--role", "inline", "--envoy-version", version, *where], env=self.env, check=True, capture_output=True)
        return [str(envoy_binary()), "-c", str(self.home / "rendered" / "envoy.yaml"), "--concurrency", "1", *PROMPTLY, "-l", "warning"]

    def ready(self) -> bool:
        return Envoy.ready(self)
