//! What a response repeats of its request. OpenAI's SDKs demand most of it of every response.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/object>.

use crate::json::{Json, Out};
use crate::openai::Body;

/// What is repeated as it was given, and what stands there when it wasn't.
const GIVEN: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("user", "null"),
];

/// What is so on every target that keeps nothing, whatever was asked.
const ALWAYS: &[(&str, &str)] = &[
    ("background", "false"),
    ("previous_response_id", "null"),
    ("service_tier", "\"default\""),
    ("store", "false"),
    ("truncation", "\"disabled\""),
];

/// The fields of a response that its request decides, as the inside of an object.
pub(super) fn echo(body: &Body) -> String {
    let mut out = Vec::with_capacity(512);
    let fields = body.fields();
    let field = |name: &str| {
        fields.iter().find(|(key, value)| key.is(name) && !value.is_null()).map(|(_, value)| *value)
    };
    for (name, otherwise) in GIVEN {
        out.field(name, field(name).unwrap_or(Json::trusted(otherwise)));
    }
    for (name, value) in ALWAYS {
        out.field(name, Json::trusted(value));
    }
    let inner = |object: &str, name: &str| {
        field(object).and_then(|value| value.field(name)).unwrap_or(Json::trusted("null"))
    };
    out.key("reasoning");
    out.open(b'{');
    out.field("effort", inner("reasoning", "effort"));
    out.field("summary", inner("reasoning", "summary"));
    out.close(b'}');
    out.key("text");
    out.open(b'{');
    let format = inner("text", "format");
    out.field("format", if format.is_null() { Json::trusted(r#"{"type":"text"}"#) } else { format });
    let verbosity = inner("text", "verbosity");
    out.field("verbosity", if verbosity.is_null() { Json::trusted("\"medium\"") } else { verbosity });
    out.close(b'}');
    String::from_utf8(out).unwrap_or_default()
}
