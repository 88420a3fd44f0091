"""A thousand models with five targets each: rendered, taken by Envoy, and each answers by its own targets."""

from __future__ import annotations

from checks import COMPLETION, HELLO
from gateway import HTTP, Dragoman
from standins.scripted import Scripted, json_reply

ROUTES, TARGETS = 1000, 5


def test_a_thousand_routes_of_five_targets_each():
    """How long it takes to be ready, and what a request costs then, is measured by `make bench`."""
    with Scripted() as provider:
        models = [
            {"model_name": f"route-{route}", "litellm_params": {"model": f"openai/model-{route}-{target}", "api_base": provider.base + "/v1", "api_key": "sk", "order": target}}
            for route in range(ROUTES)
            for target in range(TARGETS)
        ]
        with Dragoman({"model_list": models, "router_settings": {"num_retries": 0}}) as running:
            listed = HTTP.get(running.base_url + "/v1/models").json()["data"]
            assert len(listed) == ROUTES
            failure = json_reply({"error": {"message": "no"}}, 500)
            for route in (0, 417, ROUTES - 1):
                provider.clear()
                # The first target fails, and so do all others but the last.
                provider.then(*[failure] * (TARGETS - 1), json_reply(COMPLETION))
                reply = HTTP.post(running.base_url + "/v1/chat/completions", json={"model": f"route-{route}", "messages": HELLO, "num_retries": TARGETS - 1}, timeout=60)
                assert reply.status_code == 200, reply.text
                assert [request.json["model"] for request in provider.requests] == [f"model-{route}-{target}" for target in range(TARGETS)]
