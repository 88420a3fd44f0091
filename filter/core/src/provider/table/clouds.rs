//! Clouds whose model services speak OpenAI's language, or nearly.

use super::{COMPATIBLE, HINTS, OLDER, PENALTIES, PLAIN, STORED, UNASKED};
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{EmbeddingQuirks, Provider, Quirks, When};

/// Databricks' model serving: an endpoint of a workspace, by the endpoint's name.
const DATABRICKS: Provider = Provider {
    name: "databricks",
    label: "Databricks",
    key_env: &["DATABRICKS_API_KEY", "DATABRICKS_TOKEN"],
    base_env: &["DATABRICKS_API_BASE"],
    quirks: &Quirks {
        unsupported: PENALTIES.and(STORED).and(ParamSet::of(&[
            Param::Seed,
            Param::LogitBias,
            Param::ParallelToolCalls,
        ])),
        ignored: HINTS.and(UNASKED),
        ..OLDER
    },
    docs: for_people(
        "https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
    ),
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        base_suffix: "/serving-endpoints",
        // Its AI gateway has an address of its own.
        instead: &[(When::Base("/mlflow/v1"), &DATABRICKS)],
        ..DATABRICKS
    },
    Provider {
        name: "snowflake",
        label: "Snowflake Cortex",
        base: "https://{account_id}.snowflakecomputing.com/api/v2/cortex/v1",
        // `/api/v2/cortex/inference:embed` is another language.
        embeddings: "",
        key_env: &["SNOWFLAKE_JWT", "SNOWFLAKE_PAT"],
        base_env: &["SNOWFLAKE_API_BASE"],
        settings: &[("account_id", "")],
        quirks: &Quirks { rename: &[("max_tokens", "max_completion_tokens")], ..PLAIN },
        docs: for_people("https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api"),
        ..COMPATIBLE
    },
    Provider {
        // The key is an IAM token of an hour's life, exchanged for an API key at iam.cloud.ibm.com by a grant of IBM's
        // own: let Envoy's credential injector, or a sidecar that writes the variable's secret, keep one fresh.
        // `project_id` or `space_id` stands among the target's parameters.
        name: "watsonx",
        label: "IBM watsonx.ai",
        chat: "/ml/v1/text/chat?version={api_version}",
        stream: "/ml/v1/text/chat_stream?version={api_version}",
        // Of its own language but for a few names: https://cloud.ibm.com/apidocs/watsonx-ai#text-embeddings
        embeddings: "/ml/v1/text/embeddings?version={api_version}",
        key_env: &["WATSONX_TOKEN", "WATSONX_IAM_TOKEN"],
        base_env: &["WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"],
        settings: &[("api_version", "2024-10-08")],
        quirks: &Quirks {
            unsupported: STORED.and(ParamSet::of(&[
                Param::ParallelToolCalls,
                Param::Verbosity,
                Param::Modalities,
                Param::Audio,
                Param::Prediction,
                Param::WebSearchOptions,
                Param::Functions,
                Param::FunctionCall,
            ])),
            // A stream has a path of its own, and always counts.
            ignored: HINTS.and(UNASKED).and(ParamSet::of(&[Param::Stream])),
            rename: &[("model", "model_id")],
            tool_choice_word: "tool_choice_option",
            key_optional: true,
            embeddings: EmbeddingQuirks {
                unsupported: &["dimensions"],
                ignored: &["user", "encoding_format"],
                rename: &[("model", "model_id"), ("input", "inputs")],
                listed: true,
                ..EmbeddingQuirks::NONE
            },
            ..Quirks::NONE
        },
        docs: for_people("https://cloud.ibm.com/apidocs/watsonx-ai#text-chat"),
        ..COMPATIBLE
    },
];
