//! Features in beta: which flags go where. Anthropic itself takes any; other clouds refuse a whole request for one that
//! they don't know, and clients send new ones with each of their releases, so there only known flags go on.
//!
//! Sources: <https://platform.claude.com/docs/en/api/beta-headers>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html>;
//! the flags of each cloud are those that LiteLLM has found to work (`anthropic_beta_headers_config.json`).

use crate::json::{Json, Str};

/// The flags that a cloud takes: the client's name of each, and the cloud's.
pub(super) type Allowed = &'static [(&'static str, &'static str)];

/// Bedrock's, in the body.
pub(super) const BEDROCK: Allowed = &[
    ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"),
    ("compact-2026-01-12", "compact-2026-01-12"),
    ("computer-use-2025-01-24", "computer-use-2025-01-24"),
    ("computer-use-2025-11-24", "computer-use-2025-11-24"),
    ("context-1m-2025-08-07", "context-1m-2025-08-07"),
    ("context-management-2025-06-27", "context-management-2025-06-27"),
    ("effort-2025-11-24", "effort-2025-11-24"),
    ("fine-grained-tool-streaming-2025-05-14", "fine-grained-tool-streaming-2025-05-14"),
    ("mid-conversation-output-config-2026-07-01", "mid-conversation-output-config-2026-07-01"),
    ("mid-conversation-tool-changes-2026-07-01", "mid-conversation-tool-changes-2026-07-01"),
    ("thinking-binding-controls-2026-08-01", "thinking-binding-controls-2026-08-01"),
    ("thinking-display-updates-2026-08-18", "thinking-display-updates-2026-08-18"),
    ("tool-search-tool-2025-10-19", "tool-search-tool-2025-10-19"),
];

/// Vertex's.
pub(super) const VERTEX: Allowed = &[
    ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"),
    ("compact-2026-01-12", "compact-2026-01-12"),
    ("computer-use-2025-01-24", "computer-use-2025-01-24"),
    ("computer-use-2025-11-24", "computer-use-2025-11-24"),
    ("context-1m-2025-08-07", "context-1m-2025-08-07"),
    ("context-management-2025-06-27", "context-management-2025-06-27"),
    ("inline-tools-2026-09-15", "inline-tools-2026-09-15"),
    ("interleaved-thinking-2025-05-14", "interleaved-thinking-2025-05-14"),
    ("mid-conversation-tool-changes-2026-07-01", "mid-conversation-tool-changes-2026-07-01"),
    ("thinking-binding-controls-2026-08-01", "thinking-binding-controls-2026-08-01"),
    ("thinking-display-updates-2026-08-18", "thinking-display-updates-2026-08-18"),
    ("tool-search-tool-2025-10-19", "tool-search-tool-2025-10-19"),
    ("web-search-2025-03-05", "web-search-2025-03-05"),
];

/// Foundry's.
pub(super) const FOUNDRY: Allowed = &[
    ("advanced-tool-use-2025-11-20", "advanced-tool-use-2025-11-20"),
    ("code-execution-2025-08-25", "code-execution-2025-08-25"),
    ("compact-2026-09-04", "compact-2026-09-04"),
    ("computer-use-2025-01-24", "computer-use-2025-01-24"),
    ("computer-use-2025-11-24", "computer-use-2025-11-24"),
    ("context-1m-2025-08-07", "context-1m-2025-08-07"),
    ("context-management-2025-06-27", "context-management-2025-06-27"),
    ("effort-2025-11-24", "effort-2025-11-24"),
    ("files-api-2025-04-14", "files-api-2025-04-14"),
    ("interleaved-thinking-2025-05-14", "interleaved-thinking-2025-05-14"),
    ("mcp-client-2025-04-04", "mcp-client-2025-04-04"),
    ("mcp-client-2025-11-20", "mcp-client-2025-11-20"),
    ("mid-conversation-tool-changes-2026-07-01", "mid-conversation-tool-changes-2026-07-01"),
    ("per-turn-control-2026-07-01", "per-turn-control-2026-07-01"),
    ("prompt-caching-scope-2026-01-05", "prompt-caching-scope-2026-01-05"),
    ("skills-2025-10-02", "skills-2025-10-02"),
    ("structured-outputs-2025-11-13", "structured-outputs-2025-11-13"),
    ("thinking-binding-controls-2026-08-01", "thinking-binding-controls-2026-08-01"),
    ("thinking-display-updates-2026-08-18", "thinking-display-updates-2026-08-18"),
    ("web-fetch-2025-09-10", "web-fetch-2025-09-10"),
    ("web-search-2025-03-05", "web-search-2025-03-05"),
];

/// The flags that a client sends, in headers or in its body, as far as a cloud takes them; `None` takes all.
pub(super) fn asked(
    headers: &[(String, String)],
    field: Option<Json<'_>>,
    allowed: Option<Allowed>,
) -> Vec<String> {
    let in_headers = headers.iter().filter(|(name, _)| name == "anthropic-beta");
    let in_headers = in_headers.flat_map(|(_, value)| value.split(',')).map(|flag| flag.trim().to_owned());
    let in_body = field.map(Json::items).unwrap_or_default().into_iter().filter_map(Json::as_str);
    let mut flags: Vec<String> = Vec::new();
    for flag in in_headers.chain(in_body.map(Str::plain).map(std::borrow::Cow::into_owned)) {
        let known = match allowed {
            // A header's value: no line ends, and no list in a list.
            None => flag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',').then_some(flag),
            Some(list) => list.iter().find(|(name, _)| *name == flag).map(|(_, own)| (*own).to_owned()),
        };
        flags.extend(known.filter(|flag| !flag.is_empty() && !flags.contains(flag)));
    }
    flags
}
