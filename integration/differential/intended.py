"""Where Dragoman asks something else than LiteLLM, on purpose, each with its reason. Everything else must be the same.

A place is what `comparison.differences` calls it, `*` for any number or name in it, after a sign:
`+` only Dragoman has it, `-` only LiteLLM has it, `~` both have something else.
So `-refused` is a request that LiteLLM refuses and Dragoman makes, and `+refused` the other way round.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Intended:
    vendors: str
    requests: str
    """Names, each of which shows the difference; or `*`: some do."""
    places: str
    reason: str


CALLS = "loop loop-text loop-two loop-then-user loop-parts loop-no-arguments loop-without-tools"
SILENT_CALLS = "loop loop-two loop-then-user loop-parts loop-no-arguments loop-without-tools"
OPENAI_LIKE = "openai azure groq deepseek xai"

INTENDED = [
    # --- Whoever speaks OpenAI's language gets what the client said, byte for byte. ---
    Intended(OPENAI_LIKE, SILENT_CALLS, "+messages.1.content", "The client's null stays null: vendors' own documentation shows it with tool calls. LiteLLM removes it."),
    Intended(OPENAI_LIKE, "stream stream-tool", "+stream_options", "Usage is asked for, and kept from clients that did not ask: without it nobody knows the tokens (LiteLLM counts with a tokenizer of its own)."),
    Intended("openai", "developer", "~messages.0.role", "OpenAI takes `developer` for every model and turns it into what the model knows."),
    Intended("openai azure", "effort-low effort-high thinking", "-refused", "LiteLLM's list of models says which of them reason. A list is late for every new model and each deployment's own name: the vendor says it itself."),
    Intended("openai azure", "thought-before", "-messages.1.reasoning_content -messages.1.thinking_blocks", "OpenAI refuses unknown keys in messages."),
    Intended("openai azure", "cache-system cache-user", "-messages.0.content.0.cache_control", "Anthropic's mark: OpenAI caches by itself and refuses the key."),
    Intended("groq deepseek xai", "thinking", "-refused +thinking.budget_tokens", "As for reasoning_effort: the vendor says what its model can. For DeepSeek LiteLLM keeps the switch and loses the rest."),
    Intended("groq", "thought-before", "+messages.1.reasoning", "Groq's name for the reasoning of an earlier turn."),
    Intended("groq", "logit-bias logprobs top-logprobs", "+refused", "Groq refuses these: https://console.groq.com/docs/openai"),
    Intended("groq", "user", "+user", "Groq's API has `user`. LiteLLM loses it."),
    Intended("deepseek", "parts system-parts cache-system cache-user", "~messages.0.content", "Texts in parts stay parts, which DeepSeek takes. LiteLLM runs them together without a blank."),
    Intended("deepseek", "loop-parts", "~messages.2.content", "As above, in a tool's result."),
    Intended("deepseek", "image image-detail image-away pdf audio", "~messages.0.content", "LiteLLM removes the picture, the file and the sound without a word, and the model answers about nothing. DeepSeek says that it can't."),
    Intended("deepseek xai", "thought-before", "-messages.1.thinking_blocks", "Anthropic's form of what reasoning_content says already."),
    Intended("deepseek", "max-completion-tokens", "-max_completion_tokens +max_tokens", "DeepSeek documents max_tokens only."),
    Intended("xai", "effort-low effort-high stop stops frequency", "-refused", "Depends on the model, which xAI says itself."),
    # --- Anthropic's language. ---
    Intended("anthropic bedrock-claude bedrock-nova", "system-later", "~messages.2.content", "The same place, in other words."),
    Intended("anthropic", "*", "-tools.0.type", "`custom` is what a tool is without a type."),
    Intended("anthropic", "tool-strict", "+tools.0.strict", "Claude has strict tools. LiteLLM loses it for this model."),
    Intended("anthropic", "loop loop-text loop-two loop-then-user loop-no-arguments loop-without-tools", "~messages.2.content.*.content", "A text is short for a list of one text block."),
    Intended(
        "anthropic", "loop-without-tools", "+tool_choice -tools.0.description -tools.0.input_schema.properties ~tools.0.name",
        "Anthropic wants tools where calls are. LiteLLM invents a dummy that the model may call; here it is the tool of the conversation, and may not be called.",
    ),
    Intended("anthropic", "pdf", "+messages.0.content.1.title", "The file's name is what Anthropic calls a title."),
    Intended("anthropic", "audio", "+refused", "LiteLLM removes the sound without a word."),
    Intended("anthropic", "json", "+tool_choice +tools", "LiteLLM removes json_object without a word. Claude gives JSON as a tool's arguments."),
    Intended("bedrock-claude bedrock-nova", "json", "+toolConfig", "As for Anthropic."),
    Intended("anthropic", "schema schema-refs", "+output_config -output_format", "output_format was the name in beta: https://docs.claude.com/en/docs/build-with-claude/structured-outputs"),
    # --- Gemini's language. ---
    Intended("gemini", "system-parts", "~systemInstruction.parts", "LiteLLM runs the texts together without a blank."),
    Intended(
        "gemini", "*", "-tools.0.functionDeclarations.0.parameters +tools.0.functionDeclarations.0.parametersJsonSchema",
        "Gemini takes JSON Schema itself, so nothing is lost on the way to its subset (in LiteLLM: additionalProperties, and enum or const without a type).",
    ),
    Intended(
        "gemini", CALLS, "-contents.2.parts.*.functionResponse.response.content +contents.2.parts.*.functionResponse.response.output",
        "Google's name for a function's output is `output`: https://ai.google.dev/api/caching#FunctionResponse",
    ),
    Intended("gemini", "loop-no-arguments", "-contents.1.parts.0.functionCall.args.type", 'LiteLLM makes {"type": "object"} of no arguments (a bug).'),
    Intended("gemini", "image-away", "-refused", "Gemini fetches pictures itself. LiteLLM downloads them first."),
    Intended(
        "gemini", "schema-refs", "-generationConfig.responseJsonSchema.$defs -generationConfig.responseJsonSchema.properties.home.$ref +generationConfig.responseJsonSchema.properties.home.*",
        "References are resolved, as in tools.",
    ),
    Intended("gemini", "top-logprobs", "-refused", "Gemini has `logprobs`, the number, beside `responseLogprobs`."),
    # --- Bedrock's language. ---
    Intended("bedrock-claude bedrock-nova", "*", "-inferenceConfig", "Nothing to say."),
    Intended("bedrock-claude bedrock-nova", "user", "+requestMetadata", "Who asked is told to whoever reads the invocation logs. LiteLLM loses it."),
    Intended(
        "bedrock-claude bedrock-nova", "tool-bare", "-toolConfig.tools.0.toolSpec.description -toolConfig.tools.0.toolSpec.inputSchema.json.required",
        "A description and a list that the client did not give: Converse needs neither.",
    ),
    Intended(
        "bedrock-claude", "tool-refs", "+toolConfig.tools.0.toolSpec.inputSchema.json.$defs +toolConfig.tools.0.toolSpec.inputSchema.json.properties.home.$ref -toolConfig.tools.0.toolSpec.inputSchema.json.properties.home.*",
        "References are JSON Schema, which Converse takes. LiteLLM resolves them.",
    ),
    Intended(
        "bedrock-nova", "tool-refs schema-refs", "+toolConfig.tools.0.toolSpec.inputSchema.json.$defs +toolConfig.tools.0.toolSpec.inputSchema.json.properties.home.$ref -toolConfig.tools.0.toolSpec.inputSchema.json.properties.home.*",
        "As above.",
    ),
    Intended("bedrock-nova", "tool-strict tool-refs schema schema-refs", "+toolConfig.tools.0.toolSpec.inputSchema.json.additionalProperties", "The client's schema stays whole."),
    Intended("bedrock-nova", "schema schema-refs", "~toolConfig.tools.0.toolSpec.description", "Tells the model what the tool is for."),
    Intended("bedrock-claude bedrock-nova", "choice-auto", "-toolConfig.toolChoice", "`auto` is what it is without."),
    Intended("bedrock-claude bedrock-nova", "choice-none", "-refused", "Converse has no `none`: without its tools the model can't call one."),
    Intended("bedrock-nova", "parallel-off", "+refused", "Nova has no such switch. LiteLLM loses it without a word."),
    Intended("bedrock-nova", "thinking", "-refused", "As with all vendors: a key that OpenAI does not have is the provider's to judge."),
    Intended("bedrock-claude bedrock-nova", "loop-without-tools", "~messages.1.content.0.text ~messages.2.content.0.text", "Calls without tools are told in words, in other words."),
    Intended("bedrock-claude bedrock-nova", "pdf", "~messages.0.content.1.document.name", "The file's own name, as far as Converse allows."),
    Intended("bedrock-claude bedrock-nova", "audio", "~messages.0.content", "Converse has audio blocks. LiteLLM removes the sound without a word."),
    # --- Cohere's language. ---
    Intended("cohere", "name", "-messages.0.name", "Cohere's messages have no name."),
    Intended("cohere mistral ollama", "tool-bare", "+tools.0.function.parameters", "Where the vendor requires parameters, a tool without any takes an empty object."),
    Intended("cohere", "tool-strict", "-tools.0.function.strict +strict_tools", "Cohere's switch is for all tools."),
    Intended("cohere", "choice-none choice-required choice-named", "+tool_choice", "LiteLLM removes tool_choice without a word. A named tool is required where it is the only one."),
    Intended("cohere", "loop-no-arguments", "~messages.1.tool_calls.0.function.arguments", "An empty text is no JSON."),
    Intended("cohere", "pdf audio", "+refused", "Cohere has neither, and LiteLLM sends them all the same."),
    Intended("cohere", "json schema schema-refs effort-low effort-high thinking logprobs", "-refused", "Cohere has all of these."),
    Intended("cohere", "thought-before", "~messages.1.content -messages.1.reasoning_content -messages.1.thinking_blocks", "Cohere's form of earlier thinking is a part of the content."),
    Intended("cohere", "n", "+refused", "Cohere's v2 has no num_generations, which LiteLLM sends."),
    Intended("cohere", "unknown", "-top_k +k", "Cohere's name of top_k is k."),
    # --- Mistral's. ---
    Intended("mistral", "parts system-parts cache-system cache-user", "~messages.0.content", "Mistral takes parts. LiteLLM runs the texts together without a blank."),
    Intended("mistral", "loop-parts", "~messages.2.content", "As above, in a tool's result."),
    Intended("mistral", "system-later", "~messages.2.role", "Mistral refuses a system message after an assistant's."),
    Intended("mistral", "choice-named", "+tool_choice", "LiteLLM removes a named tool's choice without a word."),
    Intended("mistral", "loop loop-two loop-parts loop-no-arguments loop-without-tools", "+messages.1.content", "Mistral wants a content, an empty one too."),
    Intended(
        "mistral", "loop loop-text loop-two loop-parts loop-no-arguments loop-without-tools", "~messages.1.tool_calls.*.id ~messages.*.tool_call_id",
        "Mistral refuses ids that are not nine letters or digits: theirs are kept, others' are made so.",
    ),
    Intended("mistral", "loop-then-user", "~messages", "After a tool's result Mistral wants an assistant before a user."),
    Intended("mistral", "loop-no-arguments", "~messages.1.tool_calls.0.function.arguments", "An empty text is no JSON."),
    Intended("mistral", "pdf", "~messages.0.content.1.type -messages.0.content.1.file +messages.0.content.1.document_*", "Mistral's form of a file; it refuses OpenAI's."),
    Intended("mistral", "audio", "~messages.0.content", "Mistral has input_audio. LiteLLM removes the sound without a word."),
    Intended("mistral", "thought-before", "~messages.1.content", "Mistral's form of earlier thinking is a part of the content."),
    Intended("mistral", "effort-low effort-high thinking presence frequency logprobs top-logprobs n", "-refused", "Mistral's API has these, or its model says that it can't."),
    # --- Ollama's language. ---
    Intended("ollama", "*", "-messages.*.images -options", "Nothing to say."),
    Intended("ollama", "tool-strict", "-tools.0.function.strict", "Ollama's tools have no strict."),
    Intended("ollama", "choice-none", "-tools", "Ollama has no tool_choice: without its tools the model can't call one. LiteLLM lets it call."),
    Intended("ollama", "choice-required choice-named", "+refused", "LiteLLM removes tool_choice without a word."),
    Intended("ollama", "loop loop-text loop-two loop-then-user loop-parts loop-without-tools", "+messages.1.tool_calls.*.function.index +messages.*.tool_name", "Ollama's templates know a result by its tool's name."),
    Intended("ollama", "loop-no-arguments", "-refused", "LiteLLM's own 500: an empty text is no JSON."),
    Intended("ollama", "image-away", "+refused", "LiteLLM sends the address as if it were the picture's bytes."),
    Intended("ollama", "audio", "~messages.0.images", "Ollama takes sound among the images: https://github.com/ollama/ollama/blob/main/openai/openai.go"),
    Intended("ollama", "effort-low effort-high", "~think", "Ollama knows how much to think."),
    Intended("ollama", "thinking presence logprobs top-logprobs", "-refused", "Ollama has these."),
    Intended("ollama", "stop", "~options.stop", "Ollama's stop is a list."),
    Intended("ollama", "frequency", "+options.frequency_penalty -options.repeat_penalty", "Ollama has frequency_penalty. A repeat_penalty of 0.5 is a reward."),
]  # fmt: skip
