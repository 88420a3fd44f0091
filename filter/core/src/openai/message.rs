//! Messages and their parts, read from a request.

use std::borrow::Cow;

use super::custom;
use super::request::wrong;
use crate::error::Error;
use crate::json::{Cursor, FromJson, Invalid, Json, Kind, Str, escaped};
use crate::json_view;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, by their newer name.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Who speaks. OpenAI's old `function` role reads as a tool's.
    pub role: Role,
    /// What is said.
    pub content: Content<'a>,
    /// The calls that the model made.
    pub tool_calls: Vec<ToolCall<'a>>,
    /// The call that a tool's result answers.
    pub tool_call_id: Option<Str<'a>>,
    /// The speaker's name.
    pub name: Option<Str<'a>>,
    /// The model's reasoning, as text without signatures.
    pub reasoning: Option<Str<'a>>,
    /// The model's reasoning as signed blocks, in the form in which replies gave them.
    pub thinking_blocks: Vec<Thinking<'a>>,
    /// The model's refusal.
    pub refusal: Option<Str<'a>>,
    /// A cache breakpoint on the whole message.
    pub cache_control: Option<Json<'a>>,
    /// Whether a tool's result reports a failure.
    pub is_error: bool,
    /// The message's whole text, for dialects that pass what they don't know.
    pub raw: Json<'a>,
}

/// What a message says.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Nothing.
    Absent,
    /// A string.
    Text(Str<'a>),
    /// A list of parts.
    Parts(Vec<Part<'a>>),
}

/// A part of a message.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Text.
    Text {
        /// The text.
        text: Str<'a>,
        /// A cache breakpoint behind it.
        cache: Option<Json<'a>>,
    },
    /// An image.
    Image {
        /// An address or data-URL.
        url: Str<'a>,
        /// The media type, where the client gives it beside the address.
        format: Option<Str<'a>>,
        /// How closely to look.
        detail: Option<Str<'a>>,
        /// A cache breakpoint behind it.
        cache: Option<Json<'a>>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Str<'a>,
        /// `wav`, `mp3`...
        format: Str<'a>,
    },
    /// A file.
    File {
        /// A data-URL (or bare base64).
        data: Option<Str<'a>>,
        /// An uploaded file's id, or an address.
        id: Option<Str<'a>>,
        /// The file's name.
        filename: Option<Str<'a>>,
        /// The media type, where the client gives it.
        format: Option<Str<'a>>,
        /// A cache breakpoint behind it.
        cache: Option<Json<'a>>,
    },
    /// A refusal of the model's.
    Refusal(Str<'a>),
    /// A reasoning block.
    Thinking(Thinking<'a>),
    /// A part of a type that OpenAI's API does not define.
    Other {
        /// Its type.
        kind: Str<'a>,
        /// Its text.
        raw: Json<'a>,
    },
}

/// A reasoning block of the model's, to be sent back unchanged.
#[derive(Clone, Copy, Debug)]
pub enum Thinking<'a> {
    /// Readable reasoning with the provider's signature.
    Signed {
        /// The text.
        text: Str<'a>,
        /// The signature.
        signature: Option<Str<'a>>,
    },
    /// Reasoning that only the provider can read.
    Redacted(Str<'a>),
}

/// A call that the model made.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'a> {
    /// Its id.
    pub id: Str<'a>,
    /// The function's or custom tool's name.
    pub name: Str<'a>,
    /// A function's arguments, JSON inside a string, or a custom tool's input.
    given: Str<'a>,
    custom: bool,
    /// The call's whole text.
    pub raw: Json<'a>,
}

json_view! {
    struct MessageView<'a> {
        "role" => role: Str<'a>,
        "content" => content: RawContent<'a>,
        "name" => name: Str<'a>,
        "tool_calls" => tool_calls: Vec<Json<'a>>,
        "function_call" => function_call: Json<'a>,
        "tool_call_id" => tool_call_id: Str<'a>,
        "reasoning_content" => reasoning_content: Str<'a>,
        "reasoning" => reasoning: Json<'a>,
        "thinking_blocks" => thinking_blocks: Vec<Json<'a>>,
        "refusal" => refusal: Str<'a>,
        "cache_control" => cache_control: Json<'a>,
        "is_error" => is_error: bool,
    }
}

json_view! {
    struct CallView<'a> {
        "id" => id: Str<'a>,
        "function" => function: CalledView<'a>,
        "custom" => custom: Json<'a>,
    }
}

json_view! {
    struct CalledView<'a> {
        "name" => name: Str<'a>,
        "arguments" => arguments: Json<'a>,
        "input" => input: Json<'a>,
    }
}

json_view! {
    struct PartView<'a> {
        "type" => kind: Str<'a>,
        "text" => text: Str<'a>,
        "image_url" => image_url: ImageField<'a>,
        "input_audio" => input_audio: AudioView<'a>,
        "file" => file: FileView<'a>,
        "refusal" => refusal: Str<'a>,
        "thinking" => thinking: Str<'a>,
        "signature" => signature: Str<'a>,
        "data" => data: Str<'a>,
        "cache_control" => cache_control: Json<'a>,
    }
}

json_view! {
    struct ImageView<'a> { "url" => url: Str<'a>, "detail" => detail: Str<'a>, "format" => format: Str<'a> }
}

json_view! {
    struct AudioView<'a> { "data" => data: Str<'a>, "format" => format: Str<'a> }
}

json_view! {
    struct FileView<'a> {
        "file_data" => data: Str<'a>,
        "file_id" => id: Str<'a>,
        "filename" => filename: Str<'a>,
        "format" => format: Str<'a>,
    }
}

impl<'a> Message<'a> {
    /// Reads the message at `index` of its request in one pass.
    pub(super) fn read(cursor: &mut Cursor<'a>, index: usize) -> Result<Self, Error> {
        let at = |what: &str| {
            Error::invalid(format!("'messages[{index}]' {what}.")).param(format!("messages[{index}]"))
        };
        let (view, raw) = cursor
            .spanned(MessageView::from_json)
            .map_err(|invalid| at(&format!("is malformed: {}", invalid.what)))?;
        let role = view.role.ok_or_else(|| at("has no 'role'"))?;
        let role = match &*role.plain() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" | "model" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => return Err(at("has a 'role' that is not system, developer, user, assistant or tool")),
        };
        let content = Content::read(view.content, &at)?;
        let mut tool_calls = Vec::new();
        for call in view.tool_calls.unwrap_or_default() {
            tool_calls
                .push(ToolCall::read(call).ok_or_else(|| at("has a tool call without a function name"))?);
        }
        if let Some(call) = view.function_call {
            let called: CalledView<'a> = call.read().unwrap_or_default();
            let name = called.name.ok_or_else(|| at("has a 'function_call' without a name"))?;
            // The old form has no ids; the function's name ties call and result together.
            let given = given(called.arguments);
            tool_calls.push(ToolCall { id: name, name, given, custom: false, raw: call });
        }
        let tool_call_id = view.tool_call_id.or(if role == Role::Tool { view.name } else { None });
        if role == Role::Tool && tool_call_id.is_none() {
            return Err(at("is a tool's result without 'tool_call_id'"));
        }
        Ok(Self {
            role,
            content,
            tool_calls,
            tool_call_id,
            name: view.name,
            reasoning: view.reasoning_content.or_else(|| view.reasoning.and_then(Json::as_str)),
            thinking_blocks: view
                .thinking_blocks
                .unwrap_or_default()
                .into_iter()
                .filter_map(Thinking::read)
                .collect(),
            refusal: view.refusal,
            cache_control: view.cache_control,
            is_error: view.is_error.unwrap_or(false),
            raw,
        })
    }
}

/// Arguments as a string token; an object (which some clients send) is none and reads as no arguments.
fn given(arguments: Option<Json<'_>>) -> Str<'_> {
    arguments.and_then(Json::as_str).unwrap_or(Str::literal(""))
}

impl<'a> ToolCall<'a> {
    fn read(raw: Json<'a>) -> Option<Self> {
        let view: CallView<'a> = raw.read()?;
        let custom = view.function.is_none();
        let called = view.function.or_else(|| view.custom?.read())?;
        let name = called.name?;
        let given = given(if custom { called.input } else { called.arguments });
        Some(Self { id: view.id.unwrap_or(name), name, given, custom, raw })
    }

    /// The arguments as the spelling of a string, whatever they are: `{}` for none.
    #[must_use]
    pub fn arguments(&self) -> Cow<'a, str> {
        match self.given.raw() {
            _ if self.custom => Cow::Owned(escaped(&custom::arguments(self.given))),
            "" => Cow::Borrowed("{}"),
            given => Cow::Borrowed(given),
        }
    }

    /// The arguments as JSON text: `{}` for none, `None` when they are not a JSON object.
    #[must_use]
    pub fn input(&self) -> Option<Cow<'a, str>> {
        if self.custom {
            return Some(Cow::Owned(custom::arguments(self.given)));
        }
        let text = self.given.plain();
        if text.trim().is_empty() {
            return Some(Cow::Borrowed("{}"));
        }
        let mut cursor = crate::json::Cursor::new(&text);
        let whole = cursor.kind() == Kind::Object && cursor.skip().is_ok() && cursor.finish().is_ok();
        whole.then_some(text)
    }
}

impl<'a> Content<'a> {
    fn read(raw: Option<RawContent<'a>>, at: &dyn Fn(&str) -> Error) -> Result<Self, Error> {
        match raw {
            None => Ok(Self::Absent),
            Some(RawContent::Text(text)) => Ok(Self::Text(text)),
            Some(RawContent::Parts(parts)) => {
                let named = parts.into_iter().enumerate().map(|(index, part)| {
                    part.map_err(|what| at(&format!("has a 'content[{index}]' {what}")))
                });
                Ok(Self::Parts(named.collect::<Result<_, _>>()?))
            }
            Some(RawContent::Wrong) => {
                Err(at("has a 'content' that is neither a string nor an array of parts"))
            }
        }
    }

    /// The parts; a string is one text part, nothing is none.
    #[must_use]
    pub fn parts(&self) -> Cow<'_, [Part<'a>]> {
        match self {
            Self::Absent => Cow::Borrowed(&[]),
            Self::Text(text) => Cow::Owned(vec![Part::Text { text: *text, cache: None }]),
            Self::Parts(parts) => Cow::Borrowed(parts),
        }
    }

    /// The text parts joined, as a spelling for inside a string; other parts are left out.
    #[must_use]
    pub fn joined_text(&self) -> Cow<'a, str> {
        match self {
            Self::Absent => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text.raw()),
            Self::Parts(parts) => {
                let texts = parts.iter().filter_map(|part| match part {
                    Part::Text { text, .. } | Part::Refusal(text) => Some(text.raw()),
                    _ => None,
                });
                Cow::Owned(texts.collect())
            }
        }
    }

    /// Whether nothing is said: absent, an empty string, no parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

/// Content as it is read: what is wrong with a part is told by who knows the message's place.
#[derive(Clone, Debug)]
enum RawContent<'a> {
    Text(Str<'a>),
    Parts(Vec<Result<Part<'a>, &'static str>>),
    Wrong,
}

impl<'a> FromJson<'a> for RawContent<'a> {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        match cursor.kind() {
            Kind::String => cursor.str().map(Self::Text),
            Kind::Array => {
                let mut parts = Vec::new();
                cursor.array(|cursor| {
                    parts.push(if cursor.kind() == Kind::String {
                        Ok(Part::Text { text: cursor.str()?, cache: None })
                    } else {
                        let (view, raw) = cursor.spanned(PartView::from_json)?;
                        Part::of(view, raw)
                    });
                    Ok(())
                })?;
                Ok(Self::Parts(parts))
            }
            _ => cursor.skip().map(|()| Self::Wrong),
        }
    }
}

/// An image as OpenAI gives it, an object, or as many clients do, a bare address.
#[derive(Clone, Debug)]
struct ImageField<'a>(ImageView<'a>);

impl<'a> FromJson<'a> for ImageField<'a> {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        if cursor.kind() == Kind::String {
            return Ok(Self(ImageView { url: Some(cursor.str()?), ..ImageView::default() }));
        }
        ImageView::from_json(cursor).map(Self)
    }
}

impl<'a> Part<'a> {
    fn of(view: PartView<'a>, raw: Json<'a>) -> Result<Self, &'static str> {
        let cache = view.cache_control;
        let kind = view.kind.ok_or("without a 'type'")?;
        match &*kind.plain() {
            "text" | "input_text" | "output_text" => {
                Ok(Self::Text { text: view.text.ok_or("of type text without 'text'")?, cache })
            }
            "image_url" | "input_image" => {
                let ImageField(inner) = view.image_url.ok_or("of type image_url without 'image_url'")?;
                let url = inner.url.ok_or("whose 'image_url' has no 'url'")?;
                Ok(Self::Image { url, format: inner.format, detail: inner.detail, cache })
            }
            "input_audio" => {
                let audio = view.input_audio.ok_or("of type input_audio without 'input_audio'")?;
                let data = audio.data.ok_or("whose 'input_audio' has no 'data'")?;
                Ok(Self::Audio { data, format: audio.format.unwrap_or(Str::literal("wav")) })
            }
            "file" => {
                let file = view.file.ok_or("of type file without 'file'")?;
                if file.data.is_none() && file.id.is_none() {
                    return Err("whose 'file' has neither 'file_data' nor 'file_id'");
                }
                Ok(Self::File {
                    data: file.data,
                    id: file.id,
                    filename: file.filename,
                    format: file.format,
                    cache,
                })
            }
            "refusal" => Ok(Self::Refusal(view.refusal.ok_or("of type refusal without 'refusal'")?)),
            "thinking" | "redacted_thinking" => {
                Thinking::read(raw).map(Self::Thinking).ok_or("of a thinking type without its text or data")
            }
            _ => Ok(Self::Other { kind, raw }),
        }
    }
}

impl<'a> Thinking<'a> {
    fn read(raw: Json<'a>) -> Option<Self> {
        let view: PartView<'a> = raw.read()?;
        match (view.data, view.thinking) {
            (Some(data), None) => Some(Self::Redacted(data)),
            (_, Some(text)) => Some(Self::Signed { text, signature: view.signature }),
            _ => None,
        }
    }
}

/// A `data:` address taken apart.
#[derive(Clone, Debug)]
pub struct DataUrl<'a> {
    /// `image/png`, `application/pdf`...
    pub media_type: Cow<'a, str>,
    /// The base64 text, as a spelling for inside a string.
    pub base64: Cow<'a, str>,
}

impl<'a> DataUrl<'a> {
    /// Takes `data:<media type>[;...];base64,<data>` apart; `None` when it is an address of another kind.
    ///
    /// # Errors
    /// A client error when it is a data-URL that is not base64; `param` names where it stands.
    pub fn read(url: Str<'a>, param: &str) -> Result<Option<Self>, Error> {
        let text = url.plain();
        if !text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
            return Ok(None);
        }
        let broken =
            || wrong(param, "an https address or a data-URL of the form data:<media type>;base64,<data>");
        let (head, base64) = match text {
            Cow::Borrowed(text) => {
                let (head, data) = text.split_once(',').ok_or_else(broken)?;
                (Cow::Borrowed(head), Cow::Borrowed(data))
            }
            Cow::Owned(text) => {
                let (head, data) = text.split_once(',').ok_or_else(broken)?;
                (Cow::Owned(head.to_owned()), Cow::Owned(crate::json::escaped(data)))
            }
        };
        let head = head.get(5..).unwrap_or_default();
        let (media_type, last) = match (head.split_once(';'), head.rsplit_once(';')) {
            (Some((media_type, _)), Some((_, last))) => (media_type, last),
            _ => return Err(broken()),
        };
        if !last.trim().eq_ignore_ascii_case("base64") {
            return Err(broken());
        }
        let media_type = if media_type.is_empty() { "text/plain" } else { media_type };
        Ok(Some(Self { media_type: Cow::Owned(media_type.to_ascii_lowercase()), base64 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls() {
        let read = |url| DataUrl::read(Str::spelled(url), "p");
        let png = read(r"data:image\/PNG;base64,AA\/B").unwrap().unwrap();
        assert_eq!((&*png.media_type, &*png.base64), ("image/png", "AA/B"));
        let text = read("data:text/plain;charset=utf-8;base64,QQ==").unwrap().unwrap();
        assert_eq!((&*text.media_type, &*text.base64), ("text/plain", "QQ=="));
        assert!(read("https://x/y.png").unwrap().is_none());
        assert!(read("data:image/png,AA").is_err());
    }

    #[test]
    fn messages_say_where_they_are_wrong() {
        let refused = |text| Message::read(&mut Cursor::new(text), 3).unwrap_err().message;
        assert_eq!(refused(r#"{"content":"x"}"#), "'messages[3]' has no 'role'.");
        assert!(refused(r#"{"role":"boss","content":"x"}"#).contains("'role' that is not"));
        assert!(refused(r#"{"role":"user","content":[{"type":"text"}]}"#).contains("content[0]"));
        assert!(refused(r#"{"role":"tool","content":"x"}"#).contains("tool_call_id"));
        assert!(refused(r#"7"#).contains("malformed"));
    }
}
