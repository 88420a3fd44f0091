//! AWS: Bedrock and SageMaker. Bedrock's OpenAI-compatible endpoint stands among the compatible vendors.

use super::anthropic::CLAUDE;
use super::{COMPATIBLE, HINTS};
use crate::dialect;
use crate::openai::{Param, ParamSet};
use crate::provider::{Auth, Provider, Quirks};
use crate::wire::Framing;

/// Where the region and the credential come from; an `aws_signer: envoy` leaves the signing to Envoy.
const SETTINGS: &[(&str, &str)] = &[
    ("aws_region_name", ""),
    ("aws_access_key_id", ""),
    ("aws_secret_access_key", ""),
    ("aws_session_token", ""),
    ("aws_signer", ""),
    ("base_model", ""),
];

/// What AWS's services have in common.
const AWS: Provider = Provider {
    base: "https://bedrock-runtime.{aws_region_name}.amazonaws.com",
    auth: Auth::SigV4 { service: "bedrock" },
    framing: Framing::EventStream,
    settings: SETTINGS,
    error_name: "x-amzn-errortype",
    quirks: Quirks { ignored: HINTS, ..Quirks::NONE },
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "bedrock",
        aliases: &["bedrock_converse", "bedrock/converse"],
        label: "Amazon Bedrock",
        dialect: &dialect::converse::CONVERSE,
        chat: "/model/{model}/converse",
        stream: "/model/{model}/converse-stream",
        embeddings: "/model/{model}/invoke",
        key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
        base_env: &["AWS_BEDROCK_RUNTIME_ENDPOINT"],
        quirks: Quirks { ignored: HINTS.without(ParamSet::of(&[Param::Metadata])), ..Quirks::NONE },
        docs: "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
        ..AWS
    },
    Provider {
        // Claude in Anthropic's own language; all that `invoke` serves else is better asked by Converse.
        name: "bedrock_invoke",
        aliases: &["bedrock/invoke"],
        label: "Claude on Amazon Bedrock",
        dialect: &dialect::anthropic::IN_BEDROCK,
        chat: "/model/{model}/invoke",
        stream: "/model/{model}/invoke-with-response-stream",
        embeddings: "",
        key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
        base_env: &["AWS_BEDROCK_RUNTIME_ENDPOINT"],
        quirks: CLAUDE,
        docs: "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html",
        ..AWS
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
        docs: "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html",
        ..AWS
    },
];
