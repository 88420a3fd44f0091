"""Embeddings through a real Envoy, where more than a row's golden case is at stake."""

from __future__ import annotations

import openai
import pytest
from conftest import PROVIDER_KEY
from gateway import Dragoman
from standins.scripted import Scripted, json_reply


@pytest.fixture(scope="module")
def bedrock():
    """Any model of Bedrock's, before a script."""
    with Scripted() as standin:
        params = {"model": "bedrock/*", "api_base": standin.base, "api_key": "os.environ/PROVIDER_KEY", "aws_region_name": "eu-west-1"}
        config = {"model_list": [{"model_name": "bedrock/*", "litellm_params": params}], "litellm_settings": {"num_retries": 0}}
        with Dragoman(config, {"PROVIDER_KEY": PROVIDER_KEY}) as gateway:
            yield gateway.client(), standin


@pytest.mark.parametrize(
    ("model", "reply", "asked"),
    [
        ("amazon.titan-embed-text-v2:0", {"embedding": [0.5, -1], "inputTextTokenCount": 3}, {"inputText": "Hi"}),
        ("cohere.embed-v4:0", {"embeddings": {"float": [[0.5, -1]]}}, {"texts": ["Hi"], "input_type": "search_document", "embedding_types": ["float"]}),
    ],
)
def test_a_star_for_all_of_bedrock_embeds_too(bedrock, model, reply, asked):
    client, standin = bedrock
    standin.clear()
    standin.then(json_reply(reply, headers=[("x-amzn-bedrock-input-token-count", "3")]))
    answer = client.embeddings.create(model=f"bedrock/{model}", input="Hi")
    assert (answer.data[0].embedding, answer.usage.prompt_tokens) == ([0.5, -1], 3)
    assert standin.last.target == f"/model/{model.replace(':', '%3A')}/invoke"
    assert standin.last.json == asked


def test_titan_refuses_a_list_before_anything_is_sent(bedrock):
    client, standin = bedrock
    standin.clear()
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="bedrock/amazon.titan-embed-text-v2:0", input=["Hi", "you"])
    assert refused.value.param == "input"
    assert "embeds one text a request: 'input' has 2" in refused.value.message
    assert standin.requests == []
