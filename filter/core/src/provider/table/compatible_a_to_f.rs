//! Vendors that speak OpenAI's language, A to F.

use super::{COMPATIBLE, HINTS, HINTS_BUT_USER, LOGPROBS, OLDER, PENALTIES, PLAIN, STORED, UNASKED, ZHIPU};
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{Naming, Provider, Quirks, When};

/// Mantle answers `/responses` for these of its models.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-responses-api.html>.
static MANTLE_OF_OPENAI: Provider = Provider { responses: "/responses", ..MANTLE };

const MANTLE: Provider = Provider {
    name: "bedrock_mantle",
    label: "Amazon Bedrock (Mantle)",
    base: "https://bedrock-mantle.{aws_region_name}.api.aws/v1",
    // It has chat, responses and messages: https://docs.aws.amazon.com/bedrock/latest/userguide/apis.html
    embeddings: "",
    key_env: &["BEDROCK_MANTLE_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"],
    base_env: &["BEDROCK_MANTLE_API_BASE"],
    settings: &[("aws_region_name", "us-east-1")],
    quirks: &Quirks { unsupported: ParamSet::of(&[Param::N]), ..OLDER },
    docs: for_people("https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html"),
    ..COMPATIBLE
};

/// DeepSeek goes on with a prompt, and fills the middle, below `/beta` only and by `deepseek-chat`.
/// Source: <https://api-docs.deepseek.com/api/create-completion>.
static DEEPSEEK_BETA: Provider = Provider { completions: "/completions", ..DEEPSEEK };

/// DeepSeek at an address of the config's, of which nobody knows whether it has that.
static DEEPSEEK_ELSEWHERE: Provider = DEEPSEEK;

const DEEPSEEK: Provider = Provider {
    name: "deepseek",
    label: "DeepSeek",
    base: "https://api.deepseek.com/beta",
    embeddings: "",
    key_env: &["DEEPSEEK_API_KEY"],
    base_env: &["DEEPSEEK_API_BASE"],
    quirks: &Quirks {
        // Thinking is switched on by one field and measured by another.
        thinking_switch: true,
        ..OLDER
    },
    docs: for_people("https://api-docs.deepseek.com/api/create-chat-completion"),
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "abliteration",
        label: "Abliteration.ai",
        base: "https://api.abliteration.ai/v1",
        // Its reference has chat, responses and messages.
        embeddings: "",
        key_env: &["ABLITERATION_API_KEY"],
        docs: for_people(
            "https://docs.abliteration.ai/api-reference/chat-completions/create-a-chat-completion",
        ),
        ..COMPATIBLE
    },
    Provider {
        name: "ai21",
        aliases: &["ai21_chat"],
        label: "AI21 Labs",
        base: "https://api.ai21.com/studio/v1",
        embeddings: "",
        key_env: &["AI21_API_KEY"],
        base_env: &["AI21_API_BASE"],
        quirks: &Quirks {
            // Its last chunk counts unasked.
            unsupported: LOGPROBS.and(PENALTIES).and(STORED).and(ParamSet::of(&[Param::ParallelToolCalls])),
            ignored: HINTS.and(UNASKED),
            ..OLDER
        },
        docs: for_people("https://docs.ai21.com/reference/jamba-1-6-api-ref"),
        ..COMPATIBLE
    },
    Provider {
        name: "aiand",
        label: "ai&",
        base: "https://api.aiand.com/v1",
        embeddings: "",
        key_env: &["AIAND_API_KEY"],
        base_env: &["AIAND_API_BASE"],
        docs: for_people("https://docs.aiand.com/api/chat-completions/"),
        ..COMPATIBLE
    },
    Provider {
        name: "aihubmix",
        label: "AIHubMix",
        base: "https://aihubmix.com/v1",
        key_env: &["AIHUBMIX_API_KEY"],
        base_env: &["AIHUBMIX_API_BASE"],
        docs: for_people("https://docs.aihubmix.com/en"),
        ..COMPATIBLE
    },
    Provider {
        name: "aiml",
        label: "AI/ML API",
        base: "https://api.aimlapi.com/v1",
        key_env: &["AIML_API_KEY"],
        base_env: &["AIML_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.aimlapi.com"),
        ..COMPATIBLE
    },
    Provider {
        name: "amazon_nova",
        label: "Amazon Nova",
        base: "https://api.nova.amazon.com/v1",
        embeddings: "",
        key_env: &["AMAZON_NOVA_API_KEY"],
        quirks: &Quirks {
            unsupported: LOGPROBS.and(PENALTIES).and(STORED).and(ParamSet::of(&[
                Param::Seed,
                Param::N,
                Param::ParallelToolCalls,
                Param::ResponseFormat,
            ])),
            ..OLDER
        },
        docs: for_people("https://nova.amazon.com/dev/documentation"),
        ..COMPATIBLE
    },
    Provider {
        name: "apertis",
        label: "Apertis",
        base: "https://api.stima.tech/v1",
        key_env: &["STIMA_API_KEY"],
        quirks: &OLDER,
        docs: for_people("https://docs.apertis.ai"),
        ..COMPATIBLE
    },
    Provider {
        name: "assemblyai",
        label: "AssemblyAI LLM Gateway",
        base: "https://llm-gateway.assemblyai.com/v1",
        embeddings: "",
        key_env: &["ASSEMBLYAI_API_KEY"],
        docs: for_people("https://www.assemblyai.com/docs/llm-gateway/quickstart"),
        ..COMPATIBLE
    },
    Provider {
        name: "baseten",
        label: "Baseten",
        base: "https://inference.baseten.co/v1",
        key_env: &["BASETEN_API_KEY"],
        base_env: &["BASETEN_API_BASE"],
        quirks: &Quirks { unsupported: STORED, ignored: HINTS_BUT_USER, ..OLDER },
        docs: for_people("https://docs.baseten.co/inference/model-apis/overview"),
        ..COMPATIBLE
    },
    Provider { instead: &[(When::Model(&["openai.gpt-oss"]), &MANTLE_OF_OPENAI)], ..MANTLE },
    Provider {
        name: "bigmodel",
        label: "Zhipu BigModel",
        base: "https://open.bigmodel.cn/api/paas/v4",
        key_env: &["BIGMODEL_API_KEY", "ZHIPUAI_API_KEY"],
        base_env: &["BIGMODEL_API_BASE"],
        quirks: &Quirks { unsupported: ZHIPU, thinking_switch: true, effort_levels: false, ..OLDER },
        docs: for_people("https://docs.bigmodel.cn/api-reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "cerebras",
        rate_limits: &[
            ("x-ratelimit-limit-requests-day", "x-ratelimit-limit-requests"),
            ("x-ratelimit-remaining-requests-day", "x-ratelimit-remaining-requests"),
            ("x-ratelimit-reset-requests-day", "x-ratelimit-reset-requests"),
            ("x-ratelimit-limit-tokens-minute", "x-ratelimit-limit-tokens"),
            ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-remaining-tokens"),
            ("x-ratelimit-reset-tokens-minute", "x-ratelimit-reset-tokens"),
        ],
        label: "Cerebras",
        base: "https://api.cerebras.ai/v1",
        embeddings: "",
        key_env: &["CEREBRAS_API_KEY"],
        base_env: &["CEREBRAS_API_BASE"],
        quirks: &Quirks {
            // Answers 400 to these, and its last chunk counts unasked.
            unsupported: PENALTIES.and(ParamSet::of(&[Param::LogitBias, Param::N, Param::Store])),
            ignored: HINTS_BUT_USER.and(UNASKED),
            reasoning: "reasoning",
            ..OLDER
        },
        // https://inference-docs.cerebras.ai/api-reference/completions
        completions: "/completions",
        docs: for_people("https://inference-docs.cerebras.ai/resources/openai"),
        ..COMPATIBLE
    },
    Provider {
        name: "charity_engine",
        label: "Charity Engine",
        base: "https://api.charityengine.services/remotejobs/v2/inference",
        embeddings: "",
        key_env: &["CHARITY_ENGINE_API_KEY"],
        quirks: &OLDER,
        docs: for_people("https://www.charityengine.com/platform"),
        ..COMPATIBLE
    },
    Provider {
        name: "chutes",
        label: "Chutes",
        base: "https://llm.chutes.ai/v1",
        embeddings: "",
        key_env: &["CHUTES_API_KEY"],
        base_env: &["CHUTES_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://chutes.ai/docs"),
        ..COMPATIBLE
    },
    Provider {
        name: "clarifai",
        naming: Naming::UserAppModel,
        label: "Clarifai",
        base: "https://api.clarifai.com/v2/ext/openai/v1",
        key_env: &["CLARIFAI_API_KEY", "CLARIFAI_PAT"],
        base_env: &["CLARIFAI_API_BASE"],
        docs: for_people("https://docs.clarifai.com/compute/inference/open-ai"),
        ..COMPATIBLE
    },
    Provider {
        name: "clf_ai_gateway",
        label: "CLF AI Gateway",
        base: "https://api.clfaigateway.dev/v1",
        embeddings: "",
        key_env: &["CLF_AI_GATEWAY_API_KEY"],
        base_env: &["CLF_AI_GATEWAY_API_BASE"],
        quirks: &Quirks { ignored: HINTS_BUT_USER, ..PLAIN },
        docs: for_people("https://clfaigateway.dev"),
        ..COMPATIBLE
    },
    Provider {
        name: "cloudflare",
        label: "Cloudflare Workers AI",
        base: "https://api.cloudflare.com/client/v4/accounts/{cloudflare_account_id}/ai/v1",
        key_env: &["CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"],
        base_env: &["CLOUDFLARE_API_BASE"],
        settings: &[("cloudflare_account_id", "")],
        docs: for_people("https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility"),
        ..COMPATIBLE
    },
    Provider {
        name: "cognition",
        label: "Cognition",
        base: "https://api.cognition.ai/v1",
        embeddings: "",
        key_env: &["COGNITION_API_KEY"],
        base_env: &["COGNITION_API_BASE"],
        docs: for_people("https://docs.cognition.ai"),
        ..COMPATIBLE
    },
    Provider {
        name: "cometapi",
        label: "CometAPI",
        base: "https://api.cometapi.com/v1",
        key_env: &["COMETAPI_KEY", "COMETAPI_API_KEY"],
        base_env: &["COMETAPI_API_BASE", "COMETAPI_BASE_URL"],
        docs: for_people("https://api.cometapi.com/doc"),
        ..COMPATIBLE
    },
    Provider {
        name: "compactifai",
        label: "CompactifAI",
        base: "https://api.compactif.ai/v1",
        // Its reference has chat and completions.
        embeddings: "",
        completions: "/completions",
        key_env: &["COMPACTIFAI_API_KEY"],
        base_env: &["COMPACTIFAI_API_BASE"],
        docs: for_people("https://docs.compactif.ai/api_reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "coralbricks",
        label: "Coral Bricks",
        base: "https://inference.coralbricks.ai/v1",
        embeddings: "",
        key_env: &["CORALBRICKS_API_KEY"],
        base_env: &["CORALBRICKS_API_BASE"],
        docs: for_people("https://coralbricks.ai"),
        ..COMPATIBLE
    },
    Provider {
        name: "cortecs",
        label: "Cortecs",
        base: "https://api.cortecs.ai/v1",
        key_env: &["CORTECS_API_KEY"],
        base_env: &["CORTECS_API_BASE"],
        docs: for_people("https://docs.cortecs.ai/api-overview/chat-completions"),
        ..COMPATIBLE
    },
    Provider {
        name: "crusoe",
        label: "Crusoe",
        base: "https://api.inference.crusoecloud.com/v1",
        embeddings: "",
        key_env: &["CRUSOE_API_KEY"],
        base_env: &["CRUSOE_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.crusoecloud.com/quickstart/getting-started-with-serverless-inference"),
        ..COMPATIBLE
    },
    Provider {
        name: "darkbloom",
        label: "Darkbloom",
        base: "https://api.darkbloom.dev/v1",
        // Its reference has chat, completions, responses and messages.
        embeddings: "",
        completions: "/completions",
        key_env: &["DARKBLOOM_API_KEY"],
        base_env: &["DARKBLOOM_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.darkbloom.dev/reference/chat-completions"),
        ..COMPATIBLE
    },
    Provider {
        name: "dashscope",
        aliases: &["qwen_ai_platform"],
        label: "Alibaba Cloud Model Studio (China)",
        base: "https://dashscope.aliyuncs.com/compatible-mode/v1",
        key_env: &["DASHSCOPE_API_KEY", "QWEN_AI_PLATFORM_API_KEY"],
        base_env: &["DASHSCOPE_API_BASE", "QWEN_AI_PLATFORM_API_BASE"],
        quirks: &Quirks { cache_control: true, ..PLAIN },
        docs: for_people("https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope"),
        ..COMPATIBLE
    },
    Provider {
        name: "datarobot",
        label: "DataRobot",
        base: "https://app.datarobot.com/api/v2/genai/llmgw",
        chat: "/chat/completions/",
        embeddings: "",
        key_env: &["DATAROBOT_API_TOKEN"],
        base_env: &["DATAROBOT_ENDPOINT"],
        quirks: &OLDER,
        docs: for_people("https://docs.datarobot.com/en/docs/gen-ai/genai-code/dr-llm-gateway.html"),
        ..COMPATIBLE
    },
    Provider {
        name: "deepinfra",
        label: "DeepInfra",
        base: "https://api.deepinfra.com/v1/openai",
        key_env: &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
        base_env: &["DEEPINFRA_API_BASE"],
        quirks: &Quirks { unsupported: STORED, ignored: HINTS_BUT_USER, ..OLDER },
        completions: "/completions",
        docs: for_people("https://deepinfra.com/docs/openai_api"),
        ..COMPATIBLE
    },
    Provider {
        instead: &[(When::Addressed, &DEEPSEEK_ELSEWHERE), (When::Model(&["deepseek-chat"]), &DEEPSEEK_BETA)],
        ..DEEPSEEK
    },
    Provider {
        name: "docker_model_runner",
        label: "Docker Model Runner",
        base: "http://localhost:12434/engines/llama.cpp/v1",
        key_env: &["DOCKER_MODEL_RUNNER_API_KEY"],
        base_env: &["DOCKER_MODEL_RUNNER_API_BASE"],
        quirks: &Quirks { key_optional: true, ..OLDER },
        docs: for_people("https://docs.docker.com/ai/model-runner/api-reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "edenai",
        label: "Eden AI",
        base: "https://api.edenai.run/v3",
        key_env: &["EDENAI_API_KEY"],
        base_env: &["EDENAI_API_BASE"],
        docs: for_people("https://docs.edenai.co"),
        ..COMPATIBLE
    },
    Provider {
        name: "empiriolabs",
        label: "Empirio Labs",
        base: "https://api.empiriolabs.ai/v1",
        key_env: &["EMPIRIOLABS_API_KEY"],
        base_env: &["EMPIRIOLABS_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.empiriolabs.ai/api-reference-overview"),
        ..COMPATIBLE
    },
    Provider {
        name: "empower",
        label: "Empower",
        base: "https://app.empower.dev/api/v1",
        embeddings: "",
        key_env: &["EMPOWER_API_KEY"],
        base_env: &["EMPOWER_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.empower.dev"),
        ..COMPATIBLE
    },
    Provider {
        name: "featherless_ai",
        label: "Featherless",
        base: "https://api.featherless.ai/v1",
        key_env: &["FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"],
        base_env: &["FEATHERLESS_AI_API_BASE", "FEATHERLESS_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://featherless.ai/docs/api-overview-and-common-options"),
        ..COMPATIBLE
    },
    Provider {
        name: "fireworks_ai",
        naming: Naming::Below("accounts/", "accounts/fireworks/models/"),
        label: "Fireworks AI",
        base: "https://api.fireworks.ai/inference/v1",
        key_env: &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"],
        base_env: &["FIREWORKS_API_BASE", "FIREWORKS_AI_API_BASE"],
        quirks: &Quirks {
            unsupported: ParamSet::of(&[Param::Store]),
            ignored: HINTS_BUT_USER,
            strict_tools: false,
            ..OLDER
        },
        responses: "/responses",
        completions: "/completions",
        docs: for_people("https://docs.fireworks.ai/api-reference/post-chatcompletions"),
        ..COMPATIBLE
    },
    Provider {
        name: "friendliai",
        label: "FriendliAI",
        base: "https://api.friendli.ai/serverless/v1",
        // Its dedicated endpoints have them (`/dedicated/v1/embeddings`), this one has not.
        embeddings: "",
        key_env: &["FRIENDLI_TOKEN", "FRIENDLIAI_API_KEY"],
        base_env: &["FRIENDLI_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://friendli.ai/docs/openapi/model-apis/chat-completions"),
        ..COMPATIBLE
    },
];
