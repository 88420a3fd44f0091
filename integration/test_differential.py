"""The same requests through LiteLLM's own SDK and through Dragoman: what goes to the providers is the same, or is meant not to be."""

from __future__ import annotations

import fnmatch
import functools

import pytest
from differential.chats import REQUESTS
from differential.comparison import differences
from differential.intended import INTENDED, Intended
from differential.recorded import Native, by_dragoman, by_litellm
from differential.vendors import VENDORS

# The first test waits for all requests of both.
pytestmark = pytest.mark.timeout(600)


@functools.cache
def found(vendor: str, request: str) -> dict[str, str]:
    """Every difference, signed, and what it is."""
    signed = {}
    for place, (litellm, dragoman) in differences(by_litellm()[f"{vendor}/{request}"], by_dragoman()[f"{vendor}/{request}"]).items():
        sign = "+" if litellm is ... else "-" if dragoman is ... else "~"
        signed[sign + place] = f"LiteLLM: {'nothing' if litellm is ... else repr(litellm)}\nDragoman: {'nothing' if dragoman is ... else repr(dragoman)}"
    return signed


def covers(intended: Intended, vendor: str, request: str) -> list[str]:
    """The patterns of the places in which this request to this vendor may differ."""
    named = intended.requests.split()
    return intended.places.split() if vendor in intended.vendors.split() and (named == ["*"] or request in named) else []


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_provider_is_asked_the_same(vendor: str, request_: str) -> None:
    allowed = [pattern for intended in INTENDED for pattern in covers(intended, vendor, request_)]
    new = {place: what for place, what in found(vendor, request_).items() if not any(fnmatch.fnmatchcase(place, pattern) for pattern in allowed)}
    assert not new, "\n".join(f"{place}\n{what}" for place, what in new.items())


@pytest.mark.parametrize("intended", INTENDED, ids=lambda each: f"{each.vendors}: {each.requests}: {each.places}")
def test_an_intended_difference_is_still_there(intended: Intended) -> None:
    vendors, named = intended.vendors.split(), intended.requests.split()
    assert set(vendors) <= VENDORS.keys()
    assert set(named) <= {"*", *REQUESTS}
    seen: dict[str, set[str]] = {}
    for vendor in vendors:
        for request in REQUESTS:
            patterns = covers(intended, vendor, request)
            hit = {pattern for place in found(vendor, request) for pattern in patterns if fnmatch.fnmatchcase(place, pattern)}
            if "*" not in named and patterns:
                assert hit, f"{vendor} is asked {request} in the same way by both"
            seen.setdefault(vendor, set()).update(hit)
    for vendor in vendors:
        assert seen[vendor], f"{vendor} is asked in the same way by both"
    missed = set(intended.places.split()) - set.union(*seen.values())
    assert not missed, f"both do the same at {', '.join(missed)}"


def test_a_difference_is_seen() -> None:
    one = Native("/a?v=1", "authorization: Bearer", {"a": [{"b": 1}], "c": 1, "d": [1], "e": True})
    other = Native("/a", "x-api-key:", {"a": [{"b": 2}], "d": [1, 2], "e": 1, "f": None})
    assert set(differences(one, other)) == {"path", "credential", "a.0.b", "c", "d", "e", "f"}
    assert differences(Native(refused="no"), Native(refused="never")) == {}
    assert differences(Native(refused="no"), one) == {"refused": ("no", ...)}
    assert differences(one, one) == {}


def test_the_credential_is_sent_as_the_vendor_wants_it() -> None:
    bearer = "authorization: Bearer"
    expected = {"anthropic": "x-api-key:", "gemini": "x-goog-api-key:", "azure": "api-key:"}
    assert {vendor: by_dragoman()[f"{vendor}/text"].credential for vendor in VENDORS} == {vendor: expected.get(vendor, bearer) for vendor in VENDORS}
