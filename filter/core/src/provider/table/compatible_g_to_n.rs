//! Vendors that speak OpenAI's language, G to N.

use super::{COMPATIBLE, HINTS, HINTS_BUT_USER, LOGPROBS, OLDER, PLAIN, STORED, UNASKED};
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{EmbeddingQuirks, Naming, Provider, Quirks};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "galadriel",
        label: "Galadriel",
        base: "https://api.galadriel.com/v1",
        embeddings: "",
        key_env: &["GALADRIEL_API_KEY"],
        base_env: &["GALADRIEL_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.galadriel.com"),
        ..COMPATIBLE
    },
    Provider {
        name: "github",
        label: "GitHub Models",
        base: "https://models.github.ai/inference",
        key_env: &["GITHUB_API_KEY", "GITHUB_TOKEN"],
        base_env: &["GITHUB_API_BASE"],
        quirks: &Quirks {
            // The address that LiteLLM still calls, models.inference.ai.azure.com, is retired.
            embeddings: EmbeddingQuirks::BASE64,
            ..OLDER
        },
        docs: for_people("https://docs.github.com/en/rest/models/inference"),
        ..COMPATIBLE
    },
    Provider {
        name: "gmi",
        label: "GMI Cloud",
        base: "https://api.gmi-serving.com/v1",
        // Its reference has chat.
        embeddings: "",
        key_env: &["GMI_API_KEY"],
        base_env: &["GMI_API_BASE"],
        docs: for_people("https://docs.gmicloud.ai/inference-engine/api-reference/llm-api-reference"),
        ..COMPATIBLE
    },
    Provider {
        name: "gradient_ai",
        label: "DigitalOcean Gradient AI",
        base: "https://inference.do-ai.run/v1",
        key_env: &["GRADIENT_AI_API_KEY"],
        base_env: &["GRADIENT_AI_API_BASE"],
        docs: for_people("https://docs.digitalocean.com/products/inference/reference/api/"),
        ..COMPATIBLE
    },
    Provider {
        name: "groq",
        label: "Groq",
        base: "https://api.groq.com/openai/v1",
        // Neither embeddings nor completions, says its page.
        embeddings: "",
        key_env: &["GROQ_API_KEY"],
        base_env: &["GROQ_API_BASE"],
        quirks: &Quirks {
            // Refuses these, and `reasoning_content` in messages.
            unsupported: LOGPROBS,
            ignored: HINTS_BUT_USER,
            reasoning: "reasoning",
            ..OLDER
        },
        responses: "/responses",
        docs: for_people("https://console.groq.com/docs/openai"),
        ..COMPATIBLE
    },
    Provider {
        name: "helicone",
        label: "Helicone AI Gateway",
        base: "https://ai-gateway.helicone.ai",
        key_env: &["HELICONE_API_KEY"],
        base_env: &["HELICONE_API_BASE"],
        docs: for_people("https://docs.helicone.ai/gateway/overview"),
        ..COMPATIBLE
    },
    Provider {
        name: "heroku",
        label: "Heroku Managed Inference",
        base_suffix: "/v1",
        key_env: &["HEROKU_API_KEY", "INFERENCE_KEY"],
        base_env: &["HEROKU_API_BASE", "INFERENCE_URL"],
        quirks: &Quirks { flat_content: true, ..PLAIN },
        docs: for_people("https://devcenter.heroku.com/articles/heroku-inference-api-v1-chat-completions"),
        ..COMPATIBLE
    },
    Provider {
        name: "hosted_vllm",
        aliases: &["vllm"],
        label: "vLLM",
        key_env: &["HOSTED_VLLM_API_KEY"],
        base_env: &["HOSTED_VLLM_API_BASE"],
        quirks: &Quirks {
            ignored: HINTS_BUT_USER,
            reasoning: "reasoning",
            key_optional: true,
            embeddings: EmbeddingQuirks::BASE64,
            ..PLAIN
        },
        responses: "/responses",
        completions: "/completions",
        docs: for_people("https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"),
        ..COMPATIBLE
    },
    Provider {
        name: "hostinger_router",
        label: "Hostinger Router",
        base: "https://router.hostinger.com/v1",
        embeddings: "",
        key_env: &["HOSTINGER_ROUTER_API_KEY"],
        base_env: &["HOSTINGER_ROUTER_API_BASE"],
        quirks: &Quirks { ignored: HINTS_BUT_USER, ..PLAIN },
        docs: for_people("https://www.hostinger.com/support"),
        ..COMPATIBLE
    },
    Provider {
        name: "huggingface",
        label: "Hugging Face Inference Providers",
        base: "https://router.huggingface.co/v1",
        embeddings: "",
        key_env: &["HUGGINGFACE_API_KEY", "HF_TOKEN"],
        base_env: &["HF_API_BASE", "HUGGINGFACE_API_BASE"],
        naming: Naming::VendorLast,
        responses: "/responses",
        docs: for_people("https://huggingface.co/docs/inference-providers/tasks/chat-completion"),
        ..COMPATIBLE
    },
    Provider {
        name: "hyperbolic",
        label: "Hyperbolic",
        base: "https://api.hyperbolic.xyz/v1",
        embeddings: "",
        key_env: &["HYPERBOLIC_API_KEY"],
        base_env: &["HYPERBOLIC_API_BASE"],
        quirks: &Quirks { unsupported: STORED, ignored: HINTS_BUT_USER, ..OLDER },
        docs: for_people("https://docs.hyperbolic.xyz/docs/rest-api"),
        ..COMPATIBLE
    },
    Provider {
        name: "inception",
        label: "Inception Labs",
        base: "https://api.inceptionlabs.ai/v1",
        embeddings: "",
        key_env: &["INCEPTION_API_KEY"],
        base_env: &["INCEPTION_API_BASE"],
        quirks: &Quirks { unsupported: LOGPROBS.and(STORED).and(ParamSet::of(&[Param::N])), ..OLDER },
        docs: for_people("https://docs.inceptionlabs.ai/api-reference/chat/create-a-chat-completion"),
        ..COMPATIBLE
    },
    Provider {
        name: "inferenceapis",
        label: "InferenceAPIs",
        base: "https://api.inferenceapis.com/v1",
        embeddings: "",
        key_env: &["INFERENCEAPIS_API_KEY"],
        base_env: &["INFERENCEAPIS_API_BASE"],
        docs: for_people("https://inferenceapis.com"),
        ..COMPATIBLE
    },
    Provider {
        name: "infinity",
        label: "Infinity",
        chat: "",
        key_env: &["INFINITY_API_KEY"],
        base_env: &["INFINITY_API_BASE"],
        quirks: &Quirks { key_optional: true, ..PLAIN },
        docs: for_people("https://michaelfeil.eu/infinity"),
        ..COMPATIBLE
    },
    Provider {
        name: "kyma",
        label: "Kyma",
        base: "https://kymaapi.com/v1",
        embeddings: "",
        key_env: &["KYMA_API_KEY"],
        base_env: &["KYMA_API_BASE"],
        docs: for_people("https://docs.kymaapi.com/api-reference/chat-completions"),
        ..COMPATIBLE
    },
    Provider {
        name: "lambda_ai",
        label: "Lambda",
        base: "https://api.lambda.ai/v1",
        embeddings: "",
        key_env: &["LAMBDA_API_KEY"],
        base_env: &["LAMBDA_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.lambda.ai/public-cloud/lambda-inference-api"),
        ..COMPATIBLE
    },
    Provider {
        name: "lemonade",
        label: "Lemonade Server",
        base: "http://localhost:8000/api/v1",
        key_env: &["LEMONADE_API_KEY"],
        base_env: &["LEMONADE_API_BASE"],
        quirks: &Quirks { key_optional: true, ..OLDER },
        docs: for_people("https://lemonade-server.ai/docs/server/server_spec"),
        ..COMPATIBLE
    },
    Provider {
        name: "libertai",
        label: "LibertAI",
        base: "https://api.libertai.io/v1",
        key_env: &["LIBERTAI_API_KEY"],
        base_env: &["LIBERTAI_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.libertai.io"),
        ..COMPATIBLE
    },
    Provider {
        name: "litellm_proxy",
        label: "LiteLLM Proxy",
        key_env: &["LITELLM_PROXY_API_KEY"],
        base_env: &["LITELLM_PROXY_API_BASE"],
        quirks: &Quirks {
            developer: true,
            cache_control: true,
            key_optional: true,
            embeddings: EmbeddingQuirks::BASE64,
            ..Quirks::NONE
        },
        responses: "/responses",
        completions: "/completions",
        docs: for_people("https://docs.litellm.ai/docs/providers/litellm_proxy"),
        ..COMPATIBLE
    },
    Provider {
        name: "llamafile",
        label: "llamafile",
        base: "http://127.0.0.1:8080/v1",
        key_env: &["LLAMAFILE_API_KEY"],
        base_env: &["LLAMAFILE_API_BASE"],
        quirks: &Quirks { key_optional: true, ..PLAIN },
        completions: "/completions",
        docs: for_people("https://github.com/mozilla-ai/llamafile"),
        ..COMPATIBLE
    },
    Provider {
        name: "llamagate",
        label: "LlamaGate",
        base: "https://api.llamagate.dev/v1",
        key_env: &["LLAMAGATE_API_KEY"],
        base_env: &["LLAMAGATE_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://llamagate.dev/docs"),
        ..COMPATIBLE
    },
    Provider {
        name: "lm_studio",
        label: "LM Studio",
        base: "http://localhost:1234/v1",
        key_env: &["LM_STUDIO_API_KEY"],
        base_env: &["LM_STUDIO_API_BASE"],
        quirks: &Quirks { reasoning: "reasoning", key_optional: true, ..PLAIN },
        responses: "/responses",
        completions: "/completions",
        docs: for_people("https://lmstudio.ai/docs/developer/openai-compat"),
        ..COMPATIBLE
    },
    Provider {
        name: "maritalk",
        label: "Maritaca AI",
        base: "https://chat.maritaca.ai/api",
        embeddings: "",
        key_env: &["MARITALK_API_KEY", "MARITACA_API_KEY"],
        base_env: &["MARITALK_API_BASE"],
        docs: for_people("https://docs.maritaca.ai/en/openai-compatibility"),
        ..COMPATIBLE
    },
    Provider {
        name: "meta",
        label: "Meta",
        base: "https://api.meta.ai/v1",
        embeddings: "",
        key_env: &["META_API_KEY"],
        base_env: &["META_API_BASE"],
        docs: for_people("https://api.meta.ai/docs"),
        ..COMPATIBLE
    },
    Provider {
        name: "meta_llama",
        label: "Meta Llama API",
        base: "https://api.llama.com/compat/v1",
        embeddings: "",
        key_env: &["LLAMA_API_KEY"],
        base_env: &["LLAMA_API_BASE"],
        docs: for_people("https://llama.developer.meta.com/docs/features/compatibility"),
        ..COMPATIBLE
    },
    Provider {
        name: "minimax",
        label: "MiniMax",
        base: "https://api.minimax.io/v1",
        embeddings: "",
        key_env: &["MINIMAX_API_KEY"],
        base_env: &["MINIMAX_API_BASE"],
        docs: for_people("https://platform.minimax.io/docs/api-reference/text-openai-api"),
        ..COMPATIBLE
    },
    Provider {
        name: "modelscope",
        label: "ModelScope",
        base: "https://api-inference.modelscope.cn/v1",
        key_env: &["MODELSCOPE_API_KEY"],
        base_env: &["MODELSCOPE_API_BASE"],
        docs: for_people("https://modelscope.cn/docs/model-service/API-Inference/intro"),
        ..COMPATIBLE
    },
    Provider {
        name: "moonshot",
        label: "Moonshot AI",
        base: "https://api.moonshot.ai/v1",
        embeddings: "",
        key_env: &["MOONSHOT_API_KEY"],
        base_env: &["MOONSHOT_API_BASE"],
        quirks: &Quirks {
            // Its thinking models take no temperature but their own.
            ignored: HINTS.without(ParamSet::of(&[Param::PromptCacheKey])),
            fixed_temperature: &["kimi-k2.5", "kimi-k2.6", "kimi-k2-thinking", "kimi-thinking"],
            thinking_switch: true,
            effort_levels: false,
            ..OLDER
        },
        docs: for_people("https://platform.moonshot.ai/docs/api/chat"),
        ..COMPATIBLE
    },
    Provider {
        name: "morph",
        label: "Morph",
        base: "https://api.morphllm.com/v1",
        key_env: &["MORPH_API_KEY"],
        base_env: &["MORPH_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.morphllm.com"),
        ..COMPATIBLE
    },
    Provider {
        name: "nadir",
        label: "Nadir",
        base: "https://api.getnadir.com/v1",
        embeddings: "",
        key_env: &["NADIR_API_KEY"],
        base_env: &["NADIR_API_BASE"],
        quirks: &Quirks { ignored: HINTS.and(UNASKED), ..PLAIN },
        docs: for_people("https://getnadir.com/docs"),
        ..COMPATIBLE
    },
    Provider {
        name: "nano-gpt",
        label: "NanoGPT",
        base: "https://nano-gpt.com/api/v1",
        key_env: &["NANOGPT_API_KEY"],
        base_env: &["NANOGPT_API_BASE"],
        quirks: &Quirks { reasoning: "reasoning", ..OLDER },
        docs: for_people("https://docs.nano-gpt.com/api-reference/endpoint/chat-completion"),
        ..COMPATIBLE
    },
    Provider {
        name: "nebius",
        label: "Nebius",
        base: "https://api.studio.nebius.ai/v1",
        key_env: &["NEBIUS_API_KEY"],
        base_env: &["NEBIUS_API_BASE"],
        quirks: &Quirks { ignored: HINTS_BUT_USER, ..OLDER },
        docs: for_people("https://docs.tokenfactory.nebius.com/api-reference/introduction"),
        ..COMPATIBLE
    },
    Provider {
        name: "neosantara",
        label: "Neosantara",
        base: "https://api.neosantara.xyz/v1",
        key_env: &["NEOSANTARA_API_KEY"],
        base_env: &["NEOSANTARA_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.neosantara.xyz"),
        ..COMPATIBLE
    },
    Provider {
        name: "novita",
        label: "Novita AI",
        base: "https://api.novita.ai/v3/openai",
        key_env: &["NOVITA_API_KEY"],
        base_env: &["NOVITA_API_BASE"],
        headers: &[("x-novita-source", "dragoman")],
        docs: for_people("https://novita.ai/docs/guides/llm-api"),
        ..COMPATIBLE
    },
    Provider {
        name: "nscale",
        label: "Nscale",
        base: "https://inference.api.nscale.com/v1",
        key_env: &["NSCALE_API_KEY"],
        base_env: &["NSCALE_API_BASE"],
        quirks: &OLDER,
        docs: for_people("https://docs.nscale.com/docs/inference/chat"),
        ..COMPATIBLE
    },
    Provider {
        name: "nvidia_nim",
        label: "NVIDIA NIM",
        base: "https://integrate.api.nvidia.com/v1",
        key_env: &["NVIDIA_NIM_API_KEY", "NVIDIA_API_KEY"],
        base_env: &["NVIDIA_NIM_API_BASE"],
        quirks: &Quirks { unsupported: STORED, ..OLDER },
        docs: for_people("https://docs.api.nvidia.com/nim/reference/llm-apis"),
        ..COMPATIBLE
    },
];
