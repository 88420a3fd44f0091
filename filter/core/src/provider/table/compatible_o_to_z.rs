//! Vendors that speak OpenAI's language, O to Z.

use super::{
    COMPATIBLE, HINTS, HINTS_BUT_USER, LOGPROBS, OLDER, PENALTIES, PLAIN, STORED, TOOLS, UNASKED, ZHIPU,
};
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{Auth, Provider, Quirks};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "oobabooga",
        label: "text-generation-webui",
        base_suffix: "/v1",
        key_env: &["OOBABOOGA_API_KEY"],
        base_env: &["OOBABOOGA_API_BASE"],
        quirks: &Quirks { key_optional: true, ..PLAIN },
        docs: for_people("https://github.com/oobabooga/text-generation-webui/wiki/12-%E2%80%90-OpenAI-API"),
        ..COMPATIBLE
    },
    Provider {
        name: "openai_like",
        aliases: &["custom_openai"],
        label: "Any OpenAI-compatible server",
        key_env: &["OPENAI_LIKE_API_KEY"],
        base_env: &["OPENAI_LIKE_API_BASE"],
        quirks: &Quirks { ignored: HINTS_BUT_USER, key_optional: true, ..OLDER },
        docs: for_people("https://platform.openai.com/docs/api-reference/chat"),
        ..COMPATIBLE
    },
    Provider {
        name: "openinfer",
        label: "OpenInfer",
        base: "https://api.openinfer.ai/v1",
        embeddings: "",
        key_env: &["OPENINFER_API_KEY"],
        base_env: &["OPENINFER_API_BASE"],
        docs: for_people("https://openinfer.ai"),
        ..COMPATIBLE
    },
    Provider {
        name: "openrouter",
        label: "OpenRouter",
        base: "https://openrouter.ai/api/v1",
        key_env: &["OPENROUTER_API_KEY", "OR_API_KEY"],
        base_env: &["OPENROUTER_API_BASE"],
        headers: &[("x-title", "Dragoman")],
        quirks: &Quirks {
            ignored: ParamSet::of(&[Param::Metadata]),
            reasoning: "reasoning",
            developer: true,
            cache_control: true,
            ..Quirks::NONE
        },
        responses: "/responses",
        docs: for_people("https://openrouter.ai/docs/api-reference/chat-completion"),
        ..COMPATIBLE
    },
    Provider {
        name: "ovhcloud",
        label: "OVHcloud AI Endpoints",
        base: "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        key_env: &["OVHCLOUD_API_KEY"],
        base_env: &["OVHCLOUD_API_BASE"],
        docs: for_people("https://help.ovhcloud.com/csm/en-public-cloud-ai-endpoints-getting-started"),
        ..COMPATIBLE
    },
    Provider {
        name: "parasail",
        label: "Parasail",
        base: "https://api.parasail.io/v1",
        key_env: &["PARASAIL_API_KEY"],
        base_env: &["PARASAIL_API_BASE"],
        quirks: &Quirks { fixed: &[("store", "false")], ..PLAIN },
        docs: for_people("https://docs.parasail.io"),
        ..COMPATIBLE
    },
    Provider {
        name: "perplexity",
        label: "Perplexity",
        base: "https://api.perplexity.ai",
        // Its vectors are bytes or bits in base64, which no client of OpenAI's reads:
        // https://docs.perplexity.ai/api-reference/embeddings-post
        embeddings: "",
        key_env: &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"],
        base_env: &["PERPLEXITY_API_BASE"],
        headers: &[("x-pplx-integration", "dragoman")],
        quirks: &Quirks {
            // Counts in every chunk unasked.
            unsupported: LOGPROBS.and(TOOLS).and(STORED).and(ParamSet::of(&[Param::N, Param::Seed])),
            ignored: HINTS.and(UNASKED),
            reasoning: "",
            ..OLDER
        },
        docs: for_people("https://docs.perplexity.ai/api-reference/chat-completions-post"),
        ..COMPATIBLE
    },
    Provider {
        name: "pinstripes",
        label: "Pinstripes",
        base: "https://pinstripes.io/v1",
        key_env: &["PINSTRIPES_API_KEY"],
        base_env: &["PINSTRIPES_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://pinstripes.io"),
        ..COMPATIBLE
    },
    Provider {
        name: "poe",
        label: "Poe",
        base: "https://api.poe.com/v1",
        // Its reference has chat and responses.
        embeddings: "",
        responses: "/responses",
        key_env: &["POE_API_KEY"],
        base_env: &["POE_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://creator.poe.com/docs/external-applications/openai-compatible-api"),
        ..COMPATIBLE
    },
    Provider {
        name: "prism",
        label: "Prism",
        base: "https://api.prisminference.com/v1",
        embeddings: "",
        key_env: &["PRISM_API_KEY"],
        base_env: &["PRISM_API_BASE"],
        docs: for_people("https://prisminference.com"),
        ..COMPATIBLE
    },
    Provider {
        name: "publicai",
        label: "Public AI",
        base: "https://api.publicai.co/v1",
        embeddings: "",
        key_env: &["PUBLICAI_API_KEY"],
        base_env: &["PUBLICAI_API_BASE"],
        quirks: &Quirks { flat_content: true, ..OLDER },
        docs: for_people("https://platform.publicai.co/docs"),
        ..COMPATIBLE
    },
    Provider {
        name: "qwencloud",
        label: "Alibaba Cloud Model Studio (international)",
        base: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env: &["QWENCLOUD_API_KEY", "DASHSCOPE_API_KEY"],
        base_env: &["QWENCLOUD_API_BASE"],
        quirks: &Quirks { cache_control: true, ..PLAIN },
        docs: for_people(
            "https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
        ),
        ..COMPATIBLE
    },
    Provider {
        name: "refuseless",
        label: "Refuseless",
        base: "https://api.refuseless.com/v1",
        embeddings: "",
        key_env: &["REFUSELESS_API_KEY"],
        base_env: &["REFUSELESS_API_BASE"],
        docs: for_people("https://refuseless.com"),
        ..COMPATIBLE
    },
    Provider {
        name: "reka",
        label: "Reka",
        base: "https://api.reka.ai/v1",
        embeddings: "",
        key_env: &["REKA_API_KEY"],
        base_env: &["REKA_API_BASE"],
        docs: for_people("https://docs.reka.ai"),
        ..COMPATIBLE
    },
    Provider {
        name: "sail",
        label: "Sail Research",
        base: "https://api.sailresearch.com/v1",
        // Its reference has chat and responses, neither of them as a stream.
        embeddings: "",
        key_env: &["SAIL_API_KEY"],
        base_env: &["SAIL_API_BASE"],
        quirks: &Quirks {
            unsupported: LOGPROBS.and(PENALTIES).and(ParamSet::of(&[Param::Stop, Param::Seed])),
            ignored: HINTS_BUT_USER.and(ParamSet::of(&[Param::ServiceTier])),
            ..PLAIN
        },
        docs: for_people(
            "https://docs.sailresearch.com/api-reference/chat-completions-api/create-a-chat-completion",
        ),
        ..COMPATIBLE
    },
    Provider {
        name: "sambanova",
        label: "SambaNova",
        base: "https://api.sambanova.ai/v1",
        key_env: &["SAMBANOVA_API_KEY"],
        base_env: &["SAMBANOVA_API_BASE"],
        quirks: &Quirks {
            unsupported: LOGPROBS.and(PENALTIES).and(STORED).and(ParamSet::of(&[Param::N, Param::Seed])),
            ..OLDER
        },
        docs: for_people("https://docs.sambanova.ai/cloud/api-reference/endpoints/chat"),
        ..COMPATIBLE
    },
    Provider {
        name: "sarvam",
        label: "Sarvam AI",
        base: "https://api.sarvam.ai/v1",
        embeddings: "",
        auth: Auth::Header("api-subscription-key"),
        key_env: &["SARVAM_API_KEY"],
        base_env: &["SARVAM_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.sarvam.ai/api-reference-docs/chat/chat-completions"),
        ..COMPATIBLE
    },
    Provider {
        name: "scaleway",
        label: "Scaleway",
        base: "https://api.scaleway.ai/v1",
        key_env: &["SCW_SECRET_KEY"],
        base_env: &["SCALEWAY_API_BASE"],
        docs: for_people("https://www.scaleway.com/en/developers/api/generative-apis"),
        ..COMPATIBLE
    },
    Provider {
        name: "scx-ai",
        label: "SCX.ai",
        base: "https://api.scx.ai/v1",
        embeddings: "",
        key_env: &["SCX_API_KEY"],
        base_env: &["SCX_API_BASE"],
        quirks: &Quirks { max_temperature: "1.99", ..OLDER },
        docs: for_people("https://platform.scx.ai/docs/guides/openai-compatibility"),
        ..COMPATIBLE
    },
    Provider {
        name: "streamlake",
        label: "StreamLake",
        base: "https://vanchin.streamlake.ai/api/gateway/v1/endpoints",
        embeddings: "",
        key_env: &["STREAMLAKE_API_KEY"],
        base_env: &["STREAMLAKE_API_BASE"],
        quirks: &Quirks { rename: &[("max_tokens", "max_completion_tokens")], ..PLAIN },
        docs: for_people("https://www.streamlake.ai/document"),
        ..COMPATIBLE
    },
    Provider {
        name: "synthetic",
        label: "Synthetic",
        base: "https://api.synthetic.new/openai/v1",
        key_env: &["SYNTHETIC_API_KEY"],
        base_env: &["SYNTHETIC_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://dev.synthetic.new/docs/api/overview"),
        ..COMPATIBLE
    },
    Provider {
        name: "tencent",
        label: "Tencent TokenHub",
        base: "https://tokenhub-intl.tencentcloudmaas.com/v1",
        // Its reference has chat, responses and messages.
        embeddings: "",
        key_env: &["TENCENT_API_KEY"],
        base_env: &["TENCENT_API_BASE"],
        quirks: &Quirks { thinking_switch: true, effort_levels: false, ..PLAIN },
        docs: for_people("https://www.tencentcloud.com/document/product/1300/80637"),
        ..COMPATIBLE
    },
    Provider {
        name: "tensormesh",
        label: "Tensormesh",
        base: "https://serverless.tensormesh.ai/v1",
        // Its reference has chat, completions and responses.
        embeddings: "",
        completions: "/completions",
        key_env: &["TENSORMESH_INFERENCE_API_KEY"],
        base_env: &["TENSORMESH_SERVERLESS_BASE_URL"],
        quirks: &OLDER,
        docs: for_people("https://docs.tensormesh.ai/api-reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "together_ai",
        rate_limits: &[
            ("x-ratelimit-limit", "x-ratelimit-limit-requests"),
            ("x-ratelimit-remaining", "x-ratelimit-remaining-requests"),
            ("x-ratelimit-reset", "x-ratelimit-reset-requests"),
            ("x-tokenlimit-limit", "x-ratelimit-limit-tokens"),
            ("x-tokenlimit-remaining", "x-ratelimit-remaining-tokens"),
        ],
        aliases: &["together"],
        label: "Together AI",
        base: "https://api.together.ai/v1",
        key_env: &["TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_TOKEN"],
        base_env: &["TOGETHER_AI_API_BASE"],
        quirks: &Quirks { reasoning: "reasoning", ..PLAIN },
        completions: "/completions",
        docs: for_people("https://docs.together.ai/reference/chat-completions-1"),
        ..COMPATIBLE
    },
    Provider {
        name: "v0",
        label: "Vercel v0",
        base: "https://api.v0.dev/v1",
        embeddings: "",
        key_env: &["V0_API_KEY"],
        base_env: &["V0_API_BASE"],
        quirks: &Quirks { ignored: HINTS.and(UNASKED), ..PLAIN },
        docs: for_people("https://v0.app/docs/api/model"),
        ..COMPATIBLE
    },
    Provider {
        name: "veniceai",
        label: "Venice AI",
        base: "https://api.venice.ai/api/v1",
        key_env: &["VENICE_AI_API_KEY"],
        base_env: &["VENICE_AI_API_BASE"],
        docs: for_people("https://docs.venice.ai/api-reference/endpoint/chat/completions"),
        ..COMPATIBLE
    },
    Provider {
        name: "vercel_ai_gateway",
        label: "Vercel AI Gateway",
        base: "https://ai-gateway.vercel.sh/v1",
        key_env: &["VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"],
        base_env: &["VERCEL_AI_GATEWAY_API_BASE"],
        quirks: &Quirks { ignored: HINTS_BUT_USER, reasoning: "reasoning", cache_control: true, ..PLAIN },
        responses: "/responses",
        docs: for_people("https://vercel.com/docs/ai-gateway/openai-compat"),
        ..COMPATIBLE
    },
    Provider {
        name: "volcengine",
        label: "Volcano Engine Ark",
        base: "https://ark.cn-beijing.volces.com/api/v3",
        key_env: &["VOLCENGINE_API_KEY", "ARK_API_KEY"],
        base_env: &["VOLCENGINE_API_BASE"],
        quirks: &Quirks { unsupported: ParamSet::of(&[Param::Store]), ..OLDER },
        responses: "/responses",
        docs: for_people("https://www.volcengine.com/docs/82379/1494384"),
        ..COMPATIBLE
    },
    Provider {
        name: "wandb",
        label: "Weights & Biases Inference",
        base: "https://api.inference.wandb.ai/v1",
        embeddings: "",
        key_env: &["WANDB_API_KEY"],
        base_env: &["WANDB_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.wandb.ai/inference/api-reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "xai",
        label: "xAI",
        base: "https://api.x.ai/v1",
        // Its completions are for models that don't reason, of which there are none left:
        // https://docs.x.ai/developers/rest-api-reference/inference/legacy
        embeddings: "",
        key_env: &["XAI_API_KEY"],
        base_env: &["XAI_API_BASE"],
        quirks: &Quirks { unsupported: STORED, ignored: HINTS_BUT_USER, strict_tools: false, ..OLDER },
        responses: "/responses",
        docs: for_people("https://docs.x.ai/docs/api-reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "xiaomi_mimo",
        label: "Xiaomi MiMo",
        base: "https://api.xiaomimimo.com/v1",
        embeddings: "",
        key_env: &["XIAOMI_MIMO_API_KEY"],
        base_env: &["XIAOMI_MIMO_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://platform.xiaomimimo.com/#/docs"),
        ..COMPATIBLE
    },
    Provider {
        name: "xinference",
        label: "Xinference",
        key_env: &["XINFERENCE_API_KEY"],
        base_env: &["XINFERENCE_API_BASE"],
        quirks: &Quirks { key_optional: true, ..PLAIN },
        docs: for_people("https://inference.readthedocs.io/en/latest/getting_started/using_xinference.html"),
        ..COMPATIBLE
    },
    Provider {
        name: "zai",
        label: "Z.ai",
        base: "https://api.z.ai/api/paas/v4",
        key_env: &["ZAI_API_KEY"],
        base_env: &["ZAI_API_BASE"],
        quirks: &Quirks { unsupported: ZHIPU, thinking_switch: true, effort_levels: false, ..OLDER },
        docs: for_people("https://docs.z.ai/api-reference/llm/chat-completion"),
        ..COMPATIBLE
    },
    Provider {
        name: "zerogpu",
        label: "ZeroGPU",
        base: "https://api.zerogpu.ai/v1",
        // Its reference has chat and responses, and wants an `x-project-id`, which `extra_headers` gives.
        embeddings: "",
        key_env: &["ZEROGPU_API_KEY"],
        base_env: &["ZEROGPU_API_BASE"],
        docs: for_people("https://docs.zerogpu.ai/api-reference/endpoint/chat-completions"),
        ..COMPATIBLE
    },
];
