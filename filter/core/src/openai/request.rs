//! A chat request as a borrowed view: the top level read once, everything below it still raw text.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>.

use super::body::{Body, Reading, WORDS, Word};
use super::custom::PARAMETERS;
use super::message::Message;
use super::params::{Param, ParamSet};
use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Cursor, FromJson, Invalid, Json, Kind, Notes, Str};
use crate::json_view;

/// The top level of a request body, in the order it was written.
#[derive(Clone, Debug)]
pub struct ChatRequest<'a> {
    /// Every field, in order, `model` and `messages` included.
    pub fields: Vec<(Str<'a>, Json<'a>)>,
    /// The model that the client asked for.
    pub model: Str<'a>,
    /// The messages, not yet read.
    pub raw_messages: Json<'a>,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether the client wants the usage chunk at a stream's end.
    pub include_usage: bool,
    params: [Option<Json<'a>>; Param::COUNT],
    reading: Reading<'a>,
    edited: bool,
}

/// A 400 for a body that is not JSON of the right shape.
#[must_use]
pub fn invalid_json(invalid: Invalid) -> Error {
    Error::invalid(format!("The request body is not valid JSON: {invalid}.")).code("invalid_json")
}

impl<'a> ChatRequest<'a> {
    /// Reads a request from its body.
    ///
    /// # Errors
    /// A client error when `model`, `messages` or `stream` is missing or of the wrong type.
    pub fn of(body: &'a Body) -> Result<Self, Error> {
        let fields = body.fields();
        let mut params = [None; Param::COUNT];
        let (mut model, mut messages) = (None, None);
        for (key, value) in &fields {
            match &*key.plain() {
                "model" => model = Some(*value),
                "messages" => messages = Some(*value),
                name => {
                    if let Some(slot) = Param::named(name).and_then(|param| params.get_mut(param as usize)) {
                        *slot = Some(*value);
                    }
                }
            }
        }
        let model = required_model(model)?;
        let raw_messages = messages.ok_or_else(|| missing("messages"))?;
        if raw_messages.kind() != Kind::Array {
            return Err(wrong("messages", "an array of messages"));
        }
        if raw_messages.text().trim_matches(['[', ']', ' ', '\n', '\r', '\t']).is_empty() {
            return Err(Error::invalid("'messages' is empty: send at least one message.").param("messages"));
        }
        let reading = body.reading();
        let (stream, include_usage, edited) = (false, false, false);
        let mut request =
            Self { fields, model, raw_messages, stream, include_usage, params, reading, edited };
        request.stream = request.flag(Param::Stream)?.unwrap_or(false);
        if let Some(options) = request.param(Param::StreamOptions) {
            if options.kind() != Kind::Object {
                return Err(wrong("stream_options", "an object"));
            }
            request.include_usage = options.field("include_usage").and_then(Json::as_bool).unwrap_or(false);
        }
        Ok(request)
    }

    /// Whether `word` stands in the body, as a key or a whole string at any depth. What the client spelled with escapes is
    /// not found.
    #[must_use]
    pub const fn says(&self, word: Word) -> bool {
        self.reading.found >> word as u8 & 1 == 1
    }

    /// A parameter, unless it is absent or `null`.
    #[must_use]
    pub fn param(&self, param: Param) -> Option<Json<'a>> {
        self.params.get(param as usize).copied().flatten().filter(|value| !value.is_null())
    }

    /// Whether a parameter is there at all, be it as `null`.
    #[must_use]
    pub fn has(&self, param: Param) -> bool {
        self.params.get(param as usize).is_some_and(Option::is_some)
    }

    /// Sets a parameter that the client left open. `fields` learns of it too.
    pub fn default_param(&mut self, name: &'a str, value: Json<'a>) {
        match Param::named(name) {
            Some(param) => {
                let token_limits = [Param::MaxTokens, Param::MaxCompletionTokens];
                // The two names of one limit: a default for one doesn't compete with the client's other.
                if self.param(param).is_some()
                    || (token_limits.contains(&param)
                        && token_limits.iter().any(|limit| self.param(*limit).is_some()))
                {
                    return;
                }
                if let Some(slot) = self.params.get_mut(param as usize) {
                    *slot = Some(value);
                }
            }
            None if self.fields.iter().any(|(key, _)| key.is(name)) => return,
            None => {}
        }
        self.edited = true;
        self.fields.retain(|(key, _)| !key.is(name));
        self.fields.push((Str::literal(name), value));
    }

    /// Sets the model that is asked of the provider.
    pub fn set_model(&mut self, model: Str<'a>) {
        self.model = model;
    }

    /// Takes a parameter or unknown field out of the request.
    pub fn remove(&mut self, name: &str) {
        if let Some(slot) = Param::named(name).and_then(|param| self.params.get_mut(param as usize)) {
            *slot = None;
        }
        self.edited = true;
        self.fields.retain(|(key, _)| !key.is(name));
    }

    /// Whether fields have been added or taken out: `fields` are no longer the client's.
    #[must_use]
    pub const fn is_edited(&self) -> bool {
        self.edited
    }

    /// The parameters that ask for something.
    #[must_use]
    pub fn asked(&self) -> ParamSet {
        let asked =
            Param::ALL.iter().filter(|param| self.param(**param).is_some_and(|value| !param.neutral(value)));
        asked.fold(ParamSet::NONE, |set, param| set.and(ParamSet::of(&[*param])))
    }

    /// The fields that OpenAI's API does not define and that are not the gateway's own: they pass to the provider.
    pub fn unknown(&self) -> impl Iterator<Item = (Str<'a>, Json<'a>)> + '_ {
        self.fields.iter().copied().filter(|(key, _)| {
            let name = key.plain();
            !matches!(&*name, "model" | "messages")
                && Param::named(&name).is_none()
                && !super::params::GATEWAY_ONLY.contains(&&*name)
        })
    }

    /// What passes as it is to a provider whose language expresses `supported`: fields that OpenAI's API does not
    /// define, and parameters beyond `supported` that the target's `allowed_openai_params` have let through.
    pub fn beyond(&self, supported: ParamSet) -> impl Iterator<Item = (Str<'a>, Json<'a>)> + '_ {
        let allowed = self.fields.iter().copied().filter(move |(key, value)| {
            !value.is_null() && Param::named(&key.plain()).is_some_and(|param| !supported.has(param))
        });
        self.unknown().chain(allowed)
    }

    /// A field that OpenAI's API does not define.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Json<'a>> {
        self.fields
            .iter()
            .find(|(key, _)| key.is(name))
            .map(|(_, value)| *value)
            .filter(|value| !value.is_null())
    }

    /// Reads the messages.
    ///
    /// # Errors
    /// A client error that names the message which is malformed.
    pub fn messages(&self) -> Result<Vec<Message<'a>>, Error> {
        let (mut messages, mut wrong) = (Vec::new(), None);
        let Reading { text, long, .. } = self.reading;
        let raw = self.raw_messages.text();
        // Messages of another's making are read as if for the first time.
        let mut cursor = match Str::spelled(raw).offset_in(text) {
            Some(base) => Cursor::again(raw, base, long),
            None => Cursor::new(raw),
        };
        let read = cursor.array(|cursor| {
            match Message::read(cursor, messages.len()) {
                Ok(message) => messages.push(message),
                Err(error) => {
                    wrong = Some(error);
                    return Err(Invalid { at: cursor.offset(), what: "a malformed message" });
                }
            }
            Ok(())
        });
        if let Err(invalid) = read {
            return Err(wrong.unwrap_or_else(|| invalid_json(invalid)));
        }
        Ok(messages)
    }

    /// The limit on output tokens, by either of its names, as its own text.
    #[must_use]
    pub fn max_output(&self) -> Option<Json<'a>> {
        self.param(Param::MaxCompletionTokens).or_else(|| self.param(Param::MaxTokens))
    }

    /// A parameter that must be a number.
    ///
    /// # Errors
    /// A client error when it is something else.
    pub fn number(&self, param: Param) -> Result<Option<f64>, Error> {
        self.param(param)
            .map(|value| value.as_f64().ok_or_else(|| wrong(param.name(), "a number")))
            .transpose()
    }

    /// A parameter that must be a boolean.
    ///
    /// # Errors
    /// A client error when it is something else.
    pub fn flag(&self, param: Param) -> Result<Option<bool>, Error> {
        self.param(param)
            .map(|value| value.as_bool().ok_or_else(|| wrong(param.name(), "true or false")))
            .transpose()
    }

    /// A parameter that must be a string.
    ///
    /// # Errors
    /// A client error when it is something else.
    pub fn string(&self, param: Param) -> Result<Option<Str<'a>>, Error> {
        self.param(param)
            .map(|value| value.as_str().ok_or_else(|| wrong(param.name(), "a string")))
            .transpose()
    }

    /// The stop sequences, given as one string or a list.
    ///
    /// # Errors
    /// A client error when it is something else.
    pub fn stop(&self) -> Result<Vec<Str<'a>>, Error> {
        match self.param(Param::Stop) {
            None => Ok(Vec::new()),
            Some(value) => value
                .as_str()
                .map(|one| vec![one])
                .or_else(|| value.read())
                .ok_or_else(|| wrong("stop", "a string or an array of strings")),
        }
    }

    /// The tools.
    ///
    /// # Errors
    /// A client error when one is malformed.
    pub fn tools(&self) -> Result<Vec<Tool<'a>>, Error> {
        let Some(raw) = self.param(Param::Tools) else { return Ok(Vec::new()) };
        if raw.kind() != Kind::Array {
            return Err(wrong("tools", "an array of tools"));
        }
        raw.items().into_iter().enumerate().map(|(index, tool)| Tool::read(tool, index)).collect()
    }

    /// What the model may do with the tools.
    ///
    /// # Errors
    /// A client error when it is none of OpenAI's forms.
    pub fn tool_choice(&self) -> Result<Option<ToolChoice<'a>>, Error> {
        let Some(raw) = self.param(Param::ToolChoice) else { return Ok(None) };
        let choice = match raw.as_str() {
            Some(word) if word.is("auto") => Some(ToolChoice::Auto),
            Some(word) if word.is("none") => Some(ToolChoice::None),
            Some(word) if word.is("required") || word.is("any") => Some(ToolChoice::Required),
            Some(_) => None,
            None => raw
                .field("function")
                .or_else(|| raw.field("custom"))
                .unwrap_or(raw)
                .field("name")
                .and_then(Json::as_str)
                .map(ToolChoice::Named),
        };
        let expected =
            "\"none\", \"auto\", \"required\" or {\"type\":\"function\",\"function\":{\"name\":...}}";
        choice.map(Some).ok_or_else(|| wrong("tool_choice", expected))
    }

    /// The form that the answer must have.
    ///
    /// # Errors
    /// A client error when it is none of OpenAI's forms.
    pub fn response_format(&self) -> Result<Option<ResponseFormat<'a>>, Error> {
        let Some(raw) = self.param(Param::ResponseFormat) else { return Ok(None) };
        let kind = raw.field("type").and_then(Json::as_str).map(Str::plain);
        match kind.as_deref() {
            Some("text") => Ok(None),
            Some("json_object") => Ok(Some(ResponseFormat::JsonObject)),
            Some("json_schema") => {
                let spec: SchemaView<'_> = raw.field("json_schema").and_then(Json::read).unwrap_or_default();
                let schema = spec.schema.filter(|schema| schema.kind() == Kind::Object).ok_or_else(|| {
                    Error::invalid("'response_format.json_schema.schema' must be an object.")
                        .param("response_format")
                })?;
                let name = spec.name.unwrap_or(Str::literal("response"));
                Ok(Some(ResponseFormat::JsonSchema {
                    name,
                    schema,
                    description: spec.description,
                    strict: spec.strict,
                }))
            }
            _ => Err(wrong("response_format", "of type \"text\", \"json_object\" or \"json_schema\"")),
        }
    }
}

json_view! {
    struct SchemaView<'a> {
        "name" => name: Str<'a>,
        "schema" => schema: Json<'a>,
        "description" => description: Str<'a>,
        "strict" => strict: bool,
    }
}

/// The form that an answer must have.
#[derive(Clone, Copy, Debug)]
pub enum ResponseFormat<'a> {
    /// Any JSON object.
    JsonObject,
    /// An object of this JSON Schema.
    JsonSchema {
        /// The schema's name.
        name: Str<'a>,
        /// The schema.
        schema: Json<'a>,
        /// What it is for.
        description: Option<Str<'a>>,
        /// Whether it must be followed to the letter.
        strict: Option<bool>,
    },
}

/// What the model may do with the tools.
#[derive(Clone, Copy, Debug)]
pub enum ToolChoice<'a> {
    /// Call or not.
    Auto,
    /// Don't call.
    None,
    /// Call at least one.
    Required,
    /// Call this one.
    Named(Str<'a>),
}

/// A tool that the model may call.
#[derive(Clone, Debug)]
pub enum Tool<'a> {
    /// A function of the client's.
    Function(FunctionTool<'a>),
    /// A tool in some provider's own form (its `type` first); passed on to the provider that knows it.
    Native(Str<'a>, Json<'a>),
}

/// A function of the client's.
#[derive(Clone, Copy, Debug)]
pub struct FunctionTool<'a> {
    /// The name.
    pub name: Str<'a>,
    /// What it does.
    pub description: Option<Str<'a>>,
    /// The JSON Schema of its arguments.
    pub parameters: Option<Json<'a>>,
    /// Whether the schema must be followed to the letter.
    pub strict: Option<bool>,
    /// Anthropic's cache breakpoint, carried for providers that have one.
    pub cache_control: Option<Json<'a>>,
}

json_view! {
    struct ToolView<'a> {
        "type" => kind: Str<'a>,
        "function" => function: FunctionView<'a>,
        "custom" => custom: Json<'a>,
        "cache_control" => cache_control: Json<'a>,
    }
}

json_view! {
    struct FunctionView<'a> {
        "name" => name: Str<'a>,
        "description" => description: Str<'a>,
        "parameters" => parameters: Json<'a>,
        "strict" => strict: bool,
        "cache_control" => cache_control: Json<'a>,
    }
}

impl<'a> Tool<'a> {
    fn read(raw: Json<'a>, index: usize) -> Result<Self, Error> {
        let at =
            |what: &str| Error::invalid(format!("'tools[{index}]' {what}.")).param(format!("tools[{index}]"));
        let view: ToolView<'a> =
            raw.parse().map_err(|invalid| at(&format!("is malformed: {}", invalid.what)))?;
        let kind = view.kind.unwrap_or(Str::literal("function"));
        let custom = view.custom.is_some() && kind.is("custom");
        match view.custom.filter(|_| custom).map_or(view.function, Json::read) {
            Some(function) if custom || kind.is("function") => {
                let name = function
                    .name
                    .filter(|name| !name.is_empty())
                    .ok_or_else(|| at("has no function name"))?;
                if function.parameters.is_some_and(|schema| schema.kind() != Kind::Object) {
                    return Err(at("has 'parameters' that are not an object"));
                }
                Ok(Self::Function(FunctionTool {
                    name,
                    description: function.description,
                    parameters: if custom { Some(Json::trusted(PARAMETERS)) } else { function.parameters },
                    strict: function.strict,
                    cache_control: view.cache_control.or(function.cache_control),
                }))
            }
            None if kind.is("function") => match raw.fields().as_slice() {
                // Google's own tools have a name for a key and no type.
                [(own, value)] if view.kind.is_none() && value.kind() == Kind::Object => {
                    Ok(Self::Native(*own, raw))
                }
                _ => Err(at("has no 'function'")),
            },
            _ => Ok(Self::Native(kind, raw)),
        }
    }
}

/// A 400 for a body that is not UTF-8.
#[must_use]
pub fn not_utf8(error: std::str::Utf8Error) -> Error {
    let at = error.valid_up_to();
    Error::invalid(format!("The request body is not valid UTF-8 at byte {at}.")).code("invalid_json")
}

/// The fields of a body's top level, in order, and what was noted of all below.
///
/// # Errors
/// A client error when the body is not one JSON object or repeats a key: two readers of such a body could
/// understand two different things.
pub fn top_level(text: &str) -> Result<(Vec<(Str<'_>, Json<'_>)>, Notes), Error> {
    let mut cursor = Cursor::noting(text, WORDS);
    if cursor.kind() == Kind::End {
        return Err(Error::invalid("The request body is empty: send a JSON object.").code("invalid_json"));
    }
    if cursor.kind() != Kind::Object {
        // Malformed first: the clearer message of the two.
        cursor.skip().map_err(invalid_json)?;
        return Err(Error::invalid("The request body must be a JSON object.").code("invalid_json"));
    }
    let mut fields: Vec<(Str<'_>, Json<'_>)> = Vec::with_capacity(16);
    cursor
        .object(|key, value| {
            fields.push((key, Json::from_json(value)?));
            Ok(())
        })
        .map_err(invalid_json)?;
    cursor.finish().map_err(invalid_json)?;
    if let Some(twice) = repeated(&fields) {
        return Err(Error::invalid(format!("The request body has the key '{twice}' twice.")).param(twice));
    }
    Ok((fields, cursor.noted()))
}

fn repeated(fields: &[(Str<'_>, Json<'_>)]) -> Option<String> {
    let mut names: Vec<_> = fields.iter().map(|(key, _)| key.plain()).collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [first, second] if first == second => Some(first.clone().into_owned()),
        _ => None,
    })
}

/// The `model` field of a request.
///
/// # Errors
/// A client error when it is absent, empty, or no string.
pub fn required_model(model: Option<Json<'_>>) -> Result<Str<'_>, Error> {
    let model = model.ok_or_else(|| missing("model"))?;
    model.as_str().filter(|name| !name.is_empty()).ok_or_else(|| wrong("model", "a model's name"))
}

/// A 400 for a field that must be there.
#[must_use]
pub fn missing(name: &str) -> Error {
    Error::client(ErrorKind::InvalidRequest, format!("The request has no '{name}'."))
        .param(name)
        .code("missing_required_parameter")
}

/// A 400 for a parameter of the wrong type or value.
#[must_use]
pub fn wrong(name: &str, expected: &str) -> Error {
    Error::invalid(format!("'{name}' must be {expected}.")).param(name).code("invalid_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Error {
        Body::read(body.as_bytes().to_vec()).and_then(|body| ChatRequest::of(&body).map(|_| ())).unwrap_err()
    }

    #[test]
    fn what_is_needed_is_asked_for() {
        assert_eq!(refused(r#"{"messages":[{}]}"#).param.as_deref(), Some("model"));
        assert_eq!(refused(r#"{"model":1,"messages":[{}]}"#).param.as_deref(), Some("model"));
        assert_eq!(refused(r#"{"model":"m"}"#).param.as_deref(), Some("messages"));
        assert_eq!(refused(r#"{"model":"m","messages":[ ]}"#).param.as_deref(), Some("messages"));
        assert_eq!(
            refused(r#"{"model":"m","messages":[{}],"stream":"yes"}"#).param.as_deref(),
            Some("stream")
        );
        assert_eq!(
            refused(r#"{"model":"m","mod\u0065l":"n","messages":[{}]}"#).param.as_deref(),
            Some("model")
        );
        for body in ["", "[]", "{", "nul", "{\"model\":\"\u{0}\"}", "\"model\""] {
            assert_eq!(refused(body).code.as_deref(), Some("invalid_json"), "{body:?}");
        }
    }

    #[test]
    fn defaults_fill_and_never_override() {
        let body = br#"{"model":"m","messages":[{}],"max_completion_tokens":5,"top_k":1}"#;
        let body = Body::read(body.to_vec()).unwrap();
        let mut request = ChatRequest::of(&body).unwrap();
        request.default_param("max_tokens", Json::trusted("9"));
        request.default_param("top_k", Json::trusted("2"));
        request.default_param("temperature", Json::trusted("0.5"));
        assert_eq!(request.max_output().unwrap().text(), "5");
        assert_eq!(request.field("top_k").unwrap().text(), "1");
        assert_eq!(request.number(Param::Temperature).unwrap(), Some(0.5));
        assert!(request.asked().has(Param::Temperature) && !request.asked().has(Param::Stream));
    }
}
