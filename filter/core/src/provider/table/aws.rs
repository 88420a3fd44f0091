//! AWS: Bedrock and SageMaker. Bedrock's OpenAI-compatible endpoint stands among the compatible vendors.

use super::anthropic::CLAUDE;
use super::{COMPATIBLE, HINTS};
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{Auth, EmbeddingQuirks, Provider, Quirks, When};
use crate::wire::Framing;

/// Where the region and the credential come from; an `aws_signer: envoy` leaves the signing to Envoy.
const SETTINGS: &[(&str, &str)] = &[
    ("aws_region_name", ""),
    ("aws_access_key_id", ""),
    ("aws_secret_access_key", ""),
    ("aws_session_token", ""),
    ("aws_signer", ""),
];

/// What AWS's services have in common.
const AWS: Provider = Provider {
    base: "https://bedrock-runtime.{aws_region_name}.amazonaws.com",
    auth: Auth::SigV4 { service: "bedrock" },
    framing: Framing::EventStream,
    settings: SETTINGS,
    rate_limits: &[("x-amzn-requestid", "x-request-id")],
    error_name: "x-amzn-errortype",
    quirks: &Quirks { ignored: HINTS, ..Quirks::NONE },
    ..COMPATIBLE
};

/// Bedrock, in its own language.
const BEDROCK: Provider = Provider {
    name: "bedrock",
    aliases: &["bedrock_converse", "bedrock/converse"],
    label: "Amazon Bedrock",
    dialect: &dialect::converse::CONVERSE,
    chat: "/model/{model}/converse",
    stream: "/model/{model}/converse-stream",
    embeddings: "",
    count_tokens: "/model/{model}/count-tokens",
    key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
    base_env: &["AWS_BEDROCK_RUNTIME_ENDPOINT"],
    // Both are told to whoever reads the invocation logs.
    quirks: &Quirks { ignored: HINTS.without(ParamSet::of(&[Param::Metadata, Param::User])), ..Quirks::NONE },
    docs: for_people("https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"),
    ..AWS
};

/// Its models that embed are asked in their own languages.
const EMBEDDING: Provider = Provider {
    chat: "",
    stream: "",
    embeddings: "/model/{model}/invoke",
    count_tokens: "",
    input_tokens: "x-amzn-bedrock-input-token-count",
    quirks: &Quirks {
        embeddings: EmbeddingQuirks { ignored: &["user", "encoding_format"], ..EmbeddingQuirks::NONE },
        ..Quirks::NONE
    },
    docs: for_people("https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html"),
    ..BEDROCK
};

static TITAN: Provider = Provider { dialect: &dialect::titan::TITAN, ..EMBEDDING };

/// The first generation has one size of vector.
static TITAN_1: Provider = Provider {
    dialect: &dialect::titan::TITAN,
    quirks: &Quirks {
        embeddings: EmbeddingQuirks { unsupported: &["dimensions"], ..EMBEDDING.quirks.embeddings },
        ..*EMBEDDING.quirks
    },
    ..EMBEDDING
};

static COHERE: Provider = Provider { dialect: &dialect::cohere::IN_BEDROCK, ..EMBEDDING };

pub(super) static ROWS: &[Provider] = &[
    Provider {
        instead: &[
            (When::Model(&["amazon.titan-embed-text-v1", "amazon.titan-embed-g1"]), &TITAN_1),
            (When::Model(&["amazon.titan-embed"]), &TITAN),
            (
                When::Model(&["cohere.embed", "us.cohere.embed", "eu.cohere.embed", "global.cohere.embed"]),
                &COHERE,
            ),
        ],
        ..BEDROCK
    },
    Provider {
        // Claude in Anthropic's own language; all that `invoke` serves else is better asked by Converse.
        name: "bedrock_invoke",
        aliases: &["bedrock/invoke"],
        label: "Claude on Amazon Bedrock",
        dialect: &dialect::anthropic::IN_BEDROCK,
        chat: "/model/{model}/invoke",
        stream: "/model/{model}/invoke-with-response-stream",
        quirks: &Quirks {
            // The tools and tiers of Anthropic's own service.
            unsupported: ParamSet::of(&[Param::WebSearchOptions, Param::ServiceTier]),
            ..CLAUDE
        },
        docs: for_people(
            "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html",
        ),
        ..BEDROCK
    },
    Provider {
        name: "sagemaker_chat",
        label: "Amazon SageMaker",
        base: "https://runtime.sagemaker.{aws_region_name}.amazonaws.com",
        auth: Auth::SigV4 { service: "sagemaker" },
        chat: "/endpoints/{model}/invocations",
        stream: "/endpoints/{model}/invocations-response-stream",
        embeddings: "",
        framing: Framing::EventStreamOfSse,
        docs: for_people(
            "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html",
        ),
        ..AWS
    },
];
