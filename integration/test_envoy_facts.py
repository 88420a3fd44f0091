"""The facts about Envoy that Dragoman's design stands on, each on a real Envoy.

The filter is `probe/`, which shares no code with Dragoman: when one of these fails on a new Envoy, the design has to be
looked at, not the product's code.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
from envoys import access_log, aggregate, bootstrap, cluster, probe, redirects, retries, tail
from gateway import HTTP, Envoy, NotReady, envoy_version
from standins.scripted import RESET, STALL, Reply, Scripted, Until, json_reply, raw_reply, stream_reply

DOWN = json_reply({"error": "down"}, 503)
FINE = json_reply({"fine": True})


@pytest.fixture
def provider():
    with Scripted() as standin:
        yield standin


@pytest.fixture
def providers():
    with Scripted() as first, Scripted() as second, Scripted() as third:
        yield first, second, third


def post(envoy: Envoy, body: bytes = b"hello", **options) -> httpx.Response:
    return HTTP.post(envoy.base_url + "/", content=body, timeout=30, **options)


def drop_in_mid_stream(envoy: Envoy) -> None:
    """A client that reads the first bytes of a streamed reply's body and goes away."""
    with socket.create_connection((envoy.host, envoy.port), 30) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello")
        seen = b""
        while b"data: first" not in seen:
            piece = client.recv(4096)
            assert piece, seen
            seen += piece


def test_fact_1_pausing_at_the_headers_stops_headers_only_when_the_plugin_allows_it(provider):
    provider.then(FINE)
    with Envoy(bootstrap([probe("gate hold watch-body")], [cluster("one", provider.port)])) as envoy:
        assert post(envoy).status_code == 200
        # The header was decided when the body was known.
        assert provider.last.header("x-probe-body") == "5"
    stopped = bootstrap([probe("gate hold watch-body", stop_headers=False)], [cluster("one", provider.port)], request_timeout="1s")
    with Envoy(stopped) as envoy:
        assert post(envoy).status_code == 504
        assert "on_http_request_body" not in envoy.log()
    assert len(provider.requests) == 1


def test_fact_2_an_upstream_filter_runs_once_per_attempt(provider):
    provider.then(DOWN, DOWN, FINE)
    clusters = [cluster("one", provider.port, [probe("up mark append")])]
    with Envoy(bootstrap([], clusters, retries("5xx"))) as envoy:
        assert post(envoy).status_code == 200
    assert [request.body for request in provider.requests] == [b"hello+up"] * 3
    assert provider.last.header("x-probe-marks") == "up.up.up."


def test_fact_3_the_filters_of_an_aggregate_cluster_run_and_those_of_its_members_do_not(provider):
    provider.then(FINE)
    clusters = [aggregate("all", ["one"], [probe("aggregate mark")]), cluster("one", provider.port, [probe("member mark")])]
    with Envoy(bootstrap([], clusters)) as envoy:
        assert post(envoy).status_code == 200
    assert provider.last.header("x-probe-marks") == "aggregate."


def test_fact_4_an_attempt_sees_its_own_endpoint_and_its_number(providers):
    first, second, _ = providers
    first.then(DOWN)
    second.then(FINE)
    clusters = [
        aggregate("all", ["one", "two"], [probe("up target attempt")]),
        cluster("one", first.port, target='{"id":"first"}'),
        cluster("two", second.port, target='{"id":"second"}'),
    ]
    with Envoy(bootstrap([], clusters, retries("5xx", walk=True))) as envoy:
        assert post(envoy).status_code == 200
    assert (first.last.header("x-probe-target"), first.last.header("x-probe-attempt")) == ('{"id":"first"}', "Ok(1)")
    assert (second.last.header("x-probe-target"), second.last.header("x-probe-attempt")) == ('{"id":"second"}', "Ok(2)")


def test_fact_5_headers_of_an_attempt_stay_for_the_next_and_the_body_does_not(provider):
    provider.then(DOWN, FINE)
    with Envoy(bootstrap([], [cluster("one", provider.port, [probe("up mark append")])], retries("5xx"))) as envoy:
        assert post(envoy).status_code == 200
    first, second = provider.requests
    assert (first.header("x-probe-marks"), first.body) == ("up.", b"hello+up")
    assert (second.header("x-probe-marks"), second.body) == ("up.up.", b"hello+up")


@pytest.mark.parametrize(
    ("failure", "on"),
    [
        (json_reply({"error": "context length exceeded"}, 400), {"retry_on": "retriable-headers"}),
        (stream_reply({"type": "error", "error": {"type": "overloaded_error"}}), {"retry_on": "5xx"}),
    ],
    ids=["a header is set", "the status is set"],
)
def test_fact_6_a_held_head_may_be_changed_before_the_router_decides_on_a_retry(providers, failure, on):
    first, second, _ = providers
    first.then(failure)
    second.then(FINE)
    policy = retries(on["retry_on"], walk=True, retriable_headers=[{"name": "x-probe-retry", "present_match": True}])
    clusters = [aggregate("all", ["one", "two"], [probe("up judge")]), cluster("one", first.port), cluster("two", second.port)]
    with Envoy(bootstrap([], clusters, {**policy, "timeout": "3s"})) as envoy:
        if envoy_version() >= (1, 37):
            answer = post(envoy)
            assert (answer.status_code, answer.json()) == (200, {"fine": True})
            assert len(first.requests) == len(second.requests) == 1
        else:
            # Up to 1.36 such a request hangs until the route's timeout, and what then comes has lost its head.
            with pytest.raises(httpx.RemoteProtocolError):
                post(envoy)


def test_fact_6_a_held_head_that_is_left_alone_arrives_whole(provider):
    provider.then(stream_reply("data: fine\n\n", "data: end\n\n"))
    clusters = [cluster("one", provider.port, [probe("up judge")])]
    with Envoy(bootstrap([], clusters, retries("5xx"))) as envoy:
        answer = post(envoy)
    assert (answer.status_code, answer.text) == (200, "data: fine\n\ndata: end\n\n")


def test_fact_7_a_local_reply_of_an_upstream_filter_is_final(provider):
    with Envoy(bootstrap([], [cluster("one", provider.port, [probe("up refuse")])], retries("5xx"))) as envoy:
        answer = post(envoy)
        assert (answer.status_code, answer.headers["x-probe-refused"]) == (503, "yes")
        assert envoy.stat("cluster.one.upstream_rq_retry") == 0
    assert provider.requests == []


def test_fact_8_retries_walk_the_members_of_an_aggregate_in_order(providers):
    first, second, third = providers
    first.then(json_reply({"error": "slow down"}, 429))
    second.then(Reply(0, (), ()))
    third.then(FINE)
    policy = retries("retriable-status-codes,5xx,reset,connect-failure", walk=True, retriable_status_codes=[429])
    clusters = [
        aggregate("all", ["one", "two", "three"]),
        cluster("one", first.port),
        cluster("two", second.port),
        cluster("three", third.port),
    ]
    with Envoy(bootstrap([], clusters, policy)) as envoy:
        assert post(envoy).json() == {"fine": True}
    assert [len(each.requests) for each in providers] == [1, 1, 1]


def test_fact_9_a_property_is_filter_state_for_the_other_role_and_for_the_access_log(provider):
    provider.then(FINE)
    log = access_log("said=%FILTER_STATE(wasm.said:PLAIN)%")
    clusters = [cluster("one", provider.port, [probe("up hear", vm="another")])]
    with Envoy(bootstrap([probe("gate say:dragoman")], clusters, access_log=log, access_log_options={"flush_access_log_on_new_request": False})) as envoy:
        assert post(envoy).status_code == 200
        envoy.stop()
        assert (envoy.home / "access.log").read_text() == "said=dragoman\n"
    assert provider.last.header("x-probe-state") == "dragoman"


@pytest.mark.parametrize(("operator", "accepted"), [("%FILTER_STATE(wasm.said:PLAIN)%", True), ("%NO_SUCH_OPERATOR%", False)])
def test_fact_9_the_rate_limit_filter_takes_filter_state_for_its_hits(provider, operator, accepted):
    limits = [{"actions": [{"generic_key": {"descriptor_value": "all"}}], "hits_addend": {"format": operator}, "apply_on_stream_done": True}]
    service = {"grpc_service": {"envoy_grpc": {"cluster_name": "one"}}, "transport_api_version": "V3"}
    kind = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"
    limiter = {"name": "limit", "typed_config": {"@type": kind, "domain": "probe", "rate_limit_service": service, "rate_limits": limits}}
    limited = bootstrap([limiter], [cluster("one", provider.port)])
    if accepted:
        with Envoy(limited) as envoy:
            assert envoy.ready()
    else:
        with pytest.raises(NotReady, match="NO_SUCH_OPERATOR"), Envoy(limited):
            pass


def test_fact_10_a_header_of_the_listener_filter_picks_the_cluster(providers):
    first, second, _ = providers
    second.then(FINE)
    clusters = [cluster("one", first.port), cluster("two", second.port)]
    with Envoy(bootstrap([probe("gate route")], clusters, {"cluster_header": "x-probe-cluster"})) as envoy:
        assert post(envoy, b"two").status_code == 200
        assert post(envoy, b"none").status_code == 503
    assert (len(first.requests), len(second.requests)) == (0, 1)


def test_fact_11_variables_of_the_process_reach_the_filter_when_they_are_named(provider):
    provider.then(FINE, FINE)
    secrets = {"PROBE_NAMED": "a-secret", "PROBE_UNNAMED": "another"}
    named = bootstrap([probe("gate env:PROBE_NAMED", env=["PROBE_NAMED"])], [cluster("one", provider.port)])
    with Envoy(named, env=secrets) as envoy:
        assert post(envoy).status_code == 200
        assert "a-secret" not in envoy.admin("/config_dump")
    unnamed = bootstrap([probe("gate env:PROBE_UNNAMED", env=["PROBE_NAMED"])], [cluster("one", provider.port)])
    with Envoy(unnamed, env=secrets) as envoy:
        assert post(envoy).status_code == 200
    assert [request.header("x-probe-env") for request in provider.requests] == ["a-secret", "(none)"]


def test_fact_12_metrics_are_custom_stats_and_parts_of_their_names_can_be_labels(provider):
    tags = [
        {"tag_name": "route", "regex": "^wasmcustom\\.probe_.*?(;route=([^;]*))"},
        {"tag_name": "provider", "regex": "^wasmcustom\\.probe_.*?(;provider=([^;]*))"},
    ]
    counting = bootstrap([probe("gate count")], [cluster("one", provider.port)], stats={"stats_tags": tags})
    with Envoy(counting) as envoy:
        found = {sample.name: sample for sample in envoy.samples() if "probe_" in sample.name}
        hits = next(found[name] for name in found if "probe_hits" in name)
        assert hits.labels.items() >= {"route": "fast", "provider": "one"}.items()
        assert hits.value >= 3
        assert next(found[name] for name in found if "probe_level" in name).value == 5
        assert any("probe_sizes" in name and name.endswith("_bucket") for name in found)


def test_fact_13_roles_of_one_vm_share_memory_and_those_of_another_do_not(provider):
    provider.then(FINE, FINE)
    for vm in ("shared", "another"):
        clusters = [cluster("one", provider.port, [probe("up hear", vm=vm)])]
        with Envoy(bootstrap([probe("gate say:dragoman", vm="shared")], clusters)) as envoy:
            assert post(envoy).status_code == 200
    assert [request.header("x-probe-memory") for request in provider.requests] == ["dragoman", ""]


def order_of_ends(envoy: Envoy) -> list[str]:
    said = envoy.wait_for_log("on_done", 2)
    return [line.split("probe: ")[1].split("\n")[0].strip() for line in said.splitlines() if "probe: " in line]


def test_fact_14_the_listener_ends_first_when_the_client_goes_and_last_when_the_stream_ends(provider):
    clusters = [cluster("one", provider.port, [probe("up watch-end")])]
    watching = bootstrap([probe("gate watch-end")], clusters)
    provider.then(FINE)
    with Envoy(watching) as envoy:
        assert post(envoy).status_code == 200
        ends = order_of_ends(envoy)
        assert ends.index("up on_done") < ends.index("gate on_log")
    provider.then(stream_reply("data: first\n\n", STALL))
    with Envoy(watching) as envoy:
        drop_in_mid_stream(envoy)
        ends = order_of_ends(envoy)
        assert ends.index("gate on_log") < ends.index("up on_done")
        assert ends.index("gate on_done") < ends.index("up on_done")


@pytest.mark.parametrize("leaves", [False, True], ids=["to the end", "the client leaves"])
def test_fact_15_filter_state_of_on_log_is_in_the_access_log(provider, leaves):
    settling = bootstrap(
        [probe("gate settle:paid watch-end")],
        [cluster("one", provider.port)],
        access_log=access_log("settled=%FILTER_STATE(wasm.settled:PLAIN)%"),
    )
    with Envoy(settling) as envoy:
        if leaves:
            provider.then(stream_reply("data: first\n\n", STALL))
            drop_in_mid_stream(envoy)
        else:
            provider.then(FINE)
            assert post(envoy).status_code == 200
        envoy.wait_for_log("gate on_done")
        envoy.stop()
        assert (envoy.home / "access.log").read_text() == "settled=paid\n"


def test_what_metering_asks_of_envoy_costs_less_than_five_microseconds(provider):
    """A streamed request is metered by five counts, three records of histograms, four looks at the clock and two headers."""
    provider.then(FINE)
    with Envoy(bootstrap([probe("gate price")], [cluster("one", provider.port)])) as envoy:
        assert post(envoy).status_code == 200
    costs = {name: int(provider.last.header(f"x-price-{name}")) / 1e6 for name in ("count", "record", "clock", "header")}
    assert all(costs.values()), costs
    assert 5 * costs["count"] + 3 * costs["record"] + 4 * costs["clock"] + 2 * costs["header"] < 5, costs


def test_a_piece_of_a_reply_leaves_before_the_next_has_come(provider):
    """What every stream of a model depends on: neither role's filter, held head or not, makes Envoy wait for the end."""
    seen = threading.Event()
    provider.then(stream_reply("data: first\n\n", Until(seen), "data: second\n\n"))
    clusters = [cluster("one", provider.port, [probe("up judge")])]
    with Envoy(bootstrap([probe("gate mark")], clusters)) as envoy, HTTP.stream("POST", envoy.base_url, content=b"x", timeout=30) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: first\n\n"
        seen.set()
        assert b"".join(pieces) == b"data: second\n\n"


OVERLOADED = stream_reply({"type": "error", "error": {"type": "overloaded_error"}})


def redirecting(first: int, second: int, action: str = "turn hold-reply", **policy) -> dict:
    """Requests go to `first` and, when it fails, by a redirect to `second`; the tail stands behind `first`."""
    clusters = [
        aggregate("first-and-tail", ["first", "tail"], [probe(f"up watch-end {action}")]),
        cluster("first", first),
        cluster("second", second, [probe("up watch-end")]),
    ]
    gate = probe("gate hold mark watch-end first:first-and-tail again:second")
    policy = retries("reset,connect-failure,refused-stream", times=1, walk=True, **policy)
    made = bootstrap([gate], clusters, {"cluster_header": "x-probe-cluster", **policy, **redirects()})
    listener = made["static_resources"]["listeners"][0]
    listener["per_connection_buffer_limit_bytes"] = BUFFER
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["request_body_buffer_limit"] = BUFFER
    return tail(made)


BUFFER = 8_000_000


@pytest.mark.parametrize(("failure", "action"), [(DOWN, "turn"), (OVERLOADED, "hold-reply")], ids=["at the head", "held"])
@pytest.mark.parametrize("size", [5, BUFFER // 2 - 1, BUFFER - 1])
def test_fact_19_a_reply_that_a_filter_turns_into_a_redirect_begins_the_request_anew_with_its_body(providers, failure, action, size):
    first, second, _ = providers
    if size > BUFFER // 2 and envoy_version() < (1, 38):
        pytest.skip("up to 1.37 a redirected request hangs whose body fills more than half of its buffer")
    first.then(failure)
    second.then(FINE)
    with Envoy(redirecting(first.port, second.port, action)) as envoy:
        if action == "hold-reply" and envoy_version() < (1, 37):
            # The same as of retries is true of redirects.
            with pytest.raises(httpx.HTTPError):
                HTTP.post(envoy.base_url + "/", content=b"x" * size, timeout=3)
            return
        answer = post(envoy, b"x" * size)
        ends = order_of_ends(envoy)
    assert (answer.status_code, answer.json()) == (200, {"fine": True})
    assert (len(first.requests), second.last.body) == (1, b"x" * size)
    # The listener's filter runs anew, after it has ended for the first time.
    assert second.last.header("x-probe-marks") == "gate.gate."
    starts = [place for place, said in enumerate(ends) if said == "gate on_http_request_headers"]
    assert starts[0] < ends.index("gate on_log") < ends.index("gate on_done") < starts[1]


@pytest.mark.parametrize(
    "failure",
    [raw_reply(STALL), raw_reply(RESET), stream_reply(STALL), stream_reply("data: x", STALL), stream_reply("data: x", RESET), None],
    ids=["silence", "a reset", "silence after the head", "silence in the first event", "a reset in the first event", "no connection"],
)
def test_fact_20_what_no_reply_announces_is_tried_again_on_a_tail_whose_reply_is_the_redirect(providers, failure):
    first, second, _ = providers
    second.then(FINE)
    if failure:
        first.then(failure)
    with Envoy(redirecting(first.port if failure else 1, second.port, per_try_timeout="1s")) as envoy:
        answer = post(envoy)
    assert (answer.status_code, answer.json()) == (200, {"fine": True})
    assert (len(first.requests), len(second.requests)) == (1 if failure else 0, 1)


WON = b"HTTP/1.1 200 Fine\r\ncontent-length: 4\r\n\r\nfine"


def hedging(providers: tuple[Scripted, ...], words: str = "up", on: str = "reset,connect-failure") -> Envoy:
    """Attempts walk three addresses."""
    names = ["one", "two", "three"]
    policy = retries(on, walk=True)
    members = [cluster(name, each.port, target=name) for name, each in zip(names, providers, strict=True)]
    return Envoy(bootstrap([probe("gate hedge")], [aggregate("all", names, [probe(words)]), *members], policy))


def hedged(envoy: Envoy) -> tuple[int, str]:
    answer = post(envoy)
    return answer.status_code, answer.text


def requests(providers: tuple[Scripted, ...]) -> list[int]:
    return [len(each.requests) for each in providers]


def test_fact_21_a_soft_timeout_starts_another_attempt_and_whose_head_comes_first_wins(providers):
    first, second, third = providers
    first.then(raw_reply(STALL))
    second.then(raw_reply(WON))
    with hedging(providers) as envoy:
        assert hedged(envoy) == (200, "fine")
        first.wait_for_departures(1)
        # The first wins where it is the first to answer, however late.
        begun = threading.Event()
        first.then(raw_reply(Until(begun), WON))
        second.then(raw_reply(STALL))
        waiter = threading.Thread(target=lambda: second.wait_for_requests(2) and begun.set())
        waiter.start()
        assert hedged(envoy) == (200, "fine")
        second.wait_for_departures(1)
        waiter.join()
        # Before the timeout there is only one.
        first.then(raw_reply(WON))
        assert hedged(envoy) == (200, "fine")
    assert requests(providers) == [3, 2, 0]


@contextlib.contextmanager
def meanwhile(task: Callable[[], object]) -> Iterator[None]:
    """Runs beside what is done here, and is through when this is."""
    thread = threading.Thread(target=task)
    thread.start()
    yield
    thread.join()


def once_asked(*steps: tuple[Scripted, threading.Event]) -> contextlib.AbstractContextManager[None]:
    """One after the other, each event is set when its provider is asked."""

    def follow() -> None:
        for provider, event in steps:
            provider.wait_for_requests(1)
            event.set()

    return meanwhile(follow)


def once_two_have_begun(envoy: Envoy, event: threading.Event) -> contextlib.AbstractContextManager[None]:
    """The event is set when two attempts have come to the probe."""
    return meanwhile(lambda: envoy.wait_for_log("up on_http_request_headers", 2) and event.set())


@pytest.mark.parametrize("loser", [0, 1], ids=["the first", "the second"])
def test_fact_22_a_reset_while_others_run_is_dropped(providers, loser):
    winner, last = providers[1 - loser], providers[2]
    begun, lost = threading.Event(), threading.Event()
    providers[loser].then(raw_reply(Until(begun), RESET))
    winner.then(raw_reply(Until(lost), WON))
    last.then(raw_reply(STALL))

    # The last comes instead of the second, or at the second's own timeout.
    with once_asked((providers[1], begun), (last, lost)), hedging(providers) as envoy:
        assert hedged(envoy) == (200, "fine")
        last.wait_for_departures(1)
    assert requests(providers) == [1, 1, 1]


def test_fact_23_an_attempt_that_a_filter_holds_back_can_be_woken_when_the_others_have_failed(providers):
    first, second, third = providers
    begun = threading.Event()
    first.then(raw_reply(Until(begun), RESET))
    second.then(raw_reply(WON))
    with hedging(providers, "up park:two wake watch-end") as envoy:
        with once_two_have_begun(envoy, begun):
            assert hedged(envoy) == (200, "fine")
    assert requests(providers) == [1, 1, 0]


def test_fact_24_of_a_held_reply_that_is_dropped_while_others_run_the_body_goes_on(providers):
    first, second, third = providers
    begun, lost = threading.Event(), threading.Event()
    body = b'{"error": "overloaded_error"}'
    first.then(raw_reply(Until(begun), b"HTTP/1.1 200 Fine\r\ncontent-length: %d\r\n\r\n" % len(body), body))
    second.then(raw_reply(Until(lost), WON))
    third.then(raw_reply(STALL))

    # The third comes at the second's own timeout: by then the first has failed.
    with once_asked((second, begun), (third, lost)), hedging(providers, "up judge", "reset,5xx") as envoy:
        # The client gets a body that no head announces.
        with pytest.raises(httpx.RemoteProtocolError, match="illegal status line"):
            hedged(envoy)
    assert requests(providers) == [1, 1, 1]


def test_fact_25_an_attempt_that_waits_may_not_answer_while_envoy_ends_another_one(providers):
    first, second, third = providers
    begun = threading.Event()
    first.then(raw_reply(Until(begun), RESET))
    third.then(raw_reply(STALL))
    with hedging(providers, "up park:two wake tell watch-end") as envoy:
        with once_two_have_begun(envoy, begun), pytest.raises(httpx.HTTPError):
            hedged(envoy)
        # It crashes. What is to be said to the client waits for the next tick.
        assert envoy.stop() == -signal.SIGSEGV
    assert second.requests == []
