//! Tools: which may be called, which must, and names that Converse takes.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html>.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::family::{Family, Model};
use super::fields::Form;
use super::messages::cache_point;
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str};
use crate::openai::{ChatRequest, FunctionTool, Param, Tool, ToolChoice};

/// The longest name and the longest id of a call.
const LONGEST: usize = 64;

/// The tool whose arguments are the answer, where a JSON Schema can't be kept otherwise. LiteLLM's name for it.
pub(super) const ANSWER: &str = "json_tool_call";

/// What begins a name that stands for one which Converse would not take.
const ESCAPED: &str = "esc_";

/// The schema of an answer that has none: any object.
const ANY_JSON: &str = r#"{"type":"object","additionalProperties":true}"#;

/// The schema of a tool without arguments.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// What a model that can't be forced is told instead.
pub(super) const ASKED: &str =
    "Give your answer by calling the tool json_tool_call once, and in no other way.";

/// The tools of a request.
#[derive(Debug)]
pub(super) struct Config<'a> {
    functions: Vec<FunctionTool<'a>>,
    /// Tools in the model vendor's own form.
    pub native: Vec<Json<'a>>,
    /// A tool that the service itself runs.
    system: Option<&'static str>,
    answer: Option<(Option<Json<'a>>, Option<Str<'a>>)>,
    choice: Option<ToolChoice<'a>>,
    /// Whether the model may make one call only.
    pub single: bool,
    strict: bool,
    caches: bool,
    lasting: bool,
}

impl<'a> Config<'a> {
    pub(super) fn of(
        request: &ChatRequest<'a>,
        offered: Vec<Tool<'a>>,
        choice: Option<ToolChoice<'a>>,
        form: &Form<'a>,
        model: &Model,
        thinking: bool,
        to: &Target,
    ) -> Result<Self, Error> {
        let (mut functions, mut native) = (Vec::new(), Vec::new());
        for tool in offered {
            match tool {
                Tool::Function(function) => functions.push(function),
                // Computer use, bash, the text editor: the model's own business, beside Converse's.
                Tool::Native(_, raw) if matches!(model.family, Family::Claude(..)) => native.push(raw),
                Tool::Native(..) if to.drop_params => {}
                Tool::Native(..) => return Err(unsupported(Param::Tools, to)),
            }
        }
        let mut config = Self {
            functions,
            native,
            system: system_tool(request, model, to)?,
            answer: None,
            choice: None,
            single: false,
            strict: model.keeps_schemas(),
            caches: model.caches_tools(),
            lasting: model.caches_for_long(),
        };
        config.single = config.one_call(request, model, to)?;
        config.choice = chosen(choice, model, to)?;
        if let Form::Answer { schema, description } = form {
            config.answer = Some((*schema, *description));
            // Thinking excludes force; beside other tools the model must be free to call those first.
            config.choice = match (thinking || !model.can_be_forced(), config.functions.is_empty()) {
                (true, _) => None,
                (false, true) => Some(ToolChoice::Named(Str::literal(ANSWER))),
                (false, false) => Some(ToolChoice::Required),
            };
        }
        Ok(config)
    }

    /// Whether the model may make one call only: `parallel_tool_calls: false`, which only Claude can be told.
    fn one_call(&self, request: &ChatRequest<'a>, model: &Model, to: &Target) -> Result<bool, Error> {
        let parallel = request.flag(Param::ParallelToolCalls)?.unwrap_or(true);
        if parallel || self.functions.is_empty() {
            return Ok(false);
        }
        match model.family {
            Family::Claude(..) => Ok(true),
            _ if to.drop_params => Ok(false),
            _ => Err(unsupported(Param::ParallelToolCalls, to)),
        }
    }

    /// Whether the model must be told in words how to answer.
    pub(super) const fn asks(&self) -> bool {
        self.answer.is_some() && self.choice.is_none()
    }

    /// Whether there is any tool of Converse's own kind. Without one, calls and results may not stand in the messages.
    pub(super) fn present(&self) -> bool {
        !self.functions.is_empty() || self.answer.is_some() || self.system.is_some()
    }

    pub(super) fn write(&self, body: &mut Vec<u8>) -> Result<(), Error> {
        if !self.present() {
            return Ok(());
        }
        body.key("toolConfig");
        body.open(b'{');
        body.key("tools");
        body.open(b'[');
        for function in &self.functions {
            self.function(function, body)?;
        }
        if let Some((schema, description)) = &self.answer {
            body.open(b'{');
            body.key("toolSpec");
            body.open(b'{');
            body.field_text("name", ANSWER);
            let fallback = Str::literal("Give the whole answer as this tool's arguments.");
            body.field_token("description", description.unwrap_or(fallback));
            input_schema(Some(schema.unwrap_or(Json::trusted(ANY_JSON))), body);
            body.close(b'}');
            body.close(b'}');
        }
        if let Some(name) = self.system {
            body.raw(&format!("{{\"systemTool\":{{\"name\":\"{name}\"}}}}"));
        }
        body.close(b']');
        // A Claude that may make one call only is told so, choice included, in its own words.
        if !self.single {
            self.choice(body)?;
        }
        body.close(b'}');
        Ok(())
    }

    fn function(&self, function: &FunctionTool<'a>, body: &mut Vec<u8>) -> Result<(), Error> {
        body.open(b'{');
        body.key("toolSpec");
        body.open(b'{');
        body.field_text("name", &spell(function.name)?);
        if let Some(description) = function.description.filter(|text| !text.is_empty()) {
            body.field_token("description", description);
        }
        input_schema(function.parameters, body);
        if self.strict && function.strict == Some(true) {
            body.key("strict");
            body.raw("true");
        }
        body.close(b'}');
        body.close(b'}');
        if self.caches {
            cache_point(function.cache_control, self.lasting, body);
        }
        Ok(())
    }

    fn choice(&self, body: &mut Vec<u8>) -> Result<(), Error> {
        match &self.choice {
            Some(ToolChoice::Required) => {
                body.key("toolChoice");
                body.raw(r#"{"any":{}}"#);
            }
            Some(ToolChoice::Named(name)) => {
                body.key("toolChoice");
                body.open(b'{');
                body.key("tool");
                body.open(b'{');
                body.field_text("name", &if name.is(ANSWER) { Cow::Borrowed(ANSWER) } else { spell(*name)? });
                body.close(b'}');
                body.close(b'}');
            }
            // The model's own default.
            Some(ToolChoice::Auto | ToolChoice::None) | None => {}
        }
        Ok(())
    }

    /// Claude's own `tool_choice`, for what Converse's can't say: one call only.
    pub(super) fn claude_choice(&self) -> Result<Option<String>, Error> {
        if !self.single {
            return Ok(None);
        }
        let kind = match &self.choice {
            Some(ToolChoice::Required) => "\"any\"".to_owned(),
            Some(ToolChoice::Named(name)) => format!("\"tool\",\"name\":\"{}\"", spell(*name)?),
            _ => "\"auto\"".to_owned(),
        };
        Ok(Some(format!("{{\"type\":{kind},\"disable_parallel_tool_use\":true}}")))
    }
}

/// Nova searches the web itself; no other family can.
/// <https://docs.aws.amazon.com/nova/latest/nova2-userguide/web-grounding.html>
fn system_tool(request: &ChatRequest<'_>, model: &Model, to: &Target) -> Result<Option<&'static str>, Error> {
    match (request.param(Param::WebSearchOptions), model.family) {
        (None, _) => Ok(None),
        (Some(_), Family::Nova(_)) => Ok(Some("nova_grounding")),
        _ if to.drop_params => Ok(None),
        _ => Err(unsupported(Param::WebSearchOptions, to)),
    }
}

fn chosen<'a>(
    choice: Option<ToolChoice<'a>>,
    model: &Model,
    to: &Target,
) -> Result<Option<ToolChoice<'a>>, Error> {
    match choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !model.can_be_forced() => {
            if to.drop_params {
                Ok(None)
            } else {
                Err(unsupported(Param::ToolChoice, to))
            }
        }
        other => Ok(other),
    }
}

/// The schema, which must say that it is an object's.
fn input_schema(schema: Option<Json<'_>>, body: &mut Vec<u8>) {
    body.key("inputSchema");
    body.open(b'{');
    body.key("json");
    match schema.filter(|schema| schema.kind() == Kind::Object) {
        Some(schema) if schema.field("type").is_some() => body.raw(schema.text()),
        Some(schema) if !schema.fields().is_empty() => {
            body.open(b'{');
            body.field_text("type", "object");
            for (key, value) in schema.fields() {
                body.token(key);
                body.push(b':');
                body.raw(value.text());
            }
            body.close(b'}');
        }
        _ => body.raw(NO_ARGUMENTS),
    }
    body.close(b'}');
}

/// A tool's name as Converse takes it (`[a-zA-Z0-9_-]{1,64}`). A name with other characters is escaped in a way that
/// [`unspell`] undoes without knowing the request: a reply may be read by another worker than wrote the request.
///
/// # Errors
/// A client error when the name is too long, as it is or escaped.
pub(super) fn spell(name: Str<'_>) -> Result<Cow<'_, str>, Error> {
    let plain = name.plain();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let as_it_is = plain.bytes().all(legal) && !plain.starts_with(ESCAPED) && plain != ANSWER;
    let spelled = if as_it_is {
        plain
    } else {
        let mut escaped = ESCAPED.to_owned();
        for byte in plain.bytes() {
            match byte {
                b'_' => escaped.push_str("__"),
                byte if legal(byte) => escaped.push(char::from(byte)),
                byte => {
                    // Writing to a String can't fail.
                    let _ = write!(escaped, "_{byte:02x}");
                }
            }
        }
        Cow::Owned(escaped)
    };
    if spelled.len() <= LONGEST {
        return Ok(spelled);
    }
    Err(Error::invalid(format!(
        "The tool name '{}' is too long for Bedrock: at most {LONGEST} letters, digits, '_' and '-'; each other \
         character counts as three.",
        name.plain()
    ))
    .param("tools"))
}

/// The client's name for a tool that Converse knows as `name`.
pub(super) fn unspell(name: Str<'_>) -> Cow<'_, str> {
    let plain = name.plain();
    match plain.strip_prefix(ESCAPED).and_then(unescape).filter(|name| !name.is_empty()) {
        Some(original) => Cow::Owned(original),
        // A name that we did not make: the model's own invention.
        None => plain,
    }
}

fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'_', [b'_', tail @ ..]) => {
                bytes.push(b'_');
                tail
            }
            (b'_', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                tail
            }
            (b'_', _) => return None,
            (byte, tail) => {
                bytes.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// A call's id as Converse takes it (`[a-zA-Z0-9_.:-]{1,64}`). Another is replaced by a digest of it, the same for the
/// call and its result; it need not be undone, since ids of new calls are the service's own.
pub(super) fn call_id(id: Str<'_>) -> Cow<'_, str> {
    let plain = id.plain();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=LONGEST).contains(&plain.len()) && plain.bytes().all(legal) {
        return plain;
    }
    let digest = Sha256::digest(plain.as_bytes());
    let mut id = "call_".to_owned();
    for byte in digest.iter().take(16) {
        let _ = write!(id, "{byte:02x}");
    }
    Cow::Owned(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_the_round_trip() {
        for name in
            ["get_weather", "a-b", "server/tool.run", "esc_x", "json_tool_call", "über", "_", "a b", "esc__"]
        {
            let escaped = crate::json::escaped(name);
            let spelled = spell(Str::spelled(&escaped)).unwrap();
            assert!(
                spelled.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
                "{spelled}"
            );
            assert_eq!(unspell(Str::literal(&spelled)), name);
        }
        assert_eq!(spell(Str::literal("get_weather")).unwrap(), "get_weather");
        assert_eq!(spell(Str::literal("a.b_c")).unwrap(), "esc_a_2eb__c");
        let long = "x".repeat(65);
        assert!(spell(Str::literal(&long)).unwrap_err().message.contains("too long"));
        for odd in ["esc_", "esc_a_", "esc_a_z", "esc_a_ff"] {
            assert_eq!(unspell(Str::literal(odd)), odd);
        }
    }

    #[test]
    fn ids() {
        assert_eq!(call_id(Str::literal("tooluse_x-1.a:b")), "tooluse_x-1.a:b");
        let long = "x".repeat(100);
        let made = call_id(Str::literal(&long));
        assert_eq!((made.len(), &made), (37, &call_id(Str::literal(&long))));
        assert_ne!(call_id(Str::literal("a b")), call_id(Str::literal("a  b")));
    }
}
