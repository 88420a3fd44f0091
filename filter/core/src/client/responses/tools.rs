//! Tools and the choice between them, in the hub's form.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools>.

use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Json, Kind, Out, Str};
use crate::openai::custom;
use crate::openai::request::wrong;

/// What a request says about tools.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    functions: Vec<Json<'a>>,
    /// The search of the provider's own that was asked for.
    search: Option<Json<'a>>,
    choice: Choice<'a>,
}

#[derive(Debug, Default)]
enum Choice<'a> {
    #[default]
    Open,
    Word(Str<'a>),
    Function(Str<'a>),
}

/// The names that OpenAI's search has had.
fn is_search(kind: &str) -> bool {
    kind == "web_search" || kind.starts_with("web_search_preview") || kind.starts_with("web_search_2")
}

impl<'a> Tools<'a> {
    /// Reads `tools` and `tool_choice`.
    pub fn read(tools: Option<Json<'a>>, choice: Option<Json<'a>>) -> Result<Self, Error> {
        let mut read = Self::default();
        if let Some(tools) = tools {
            if tools.kind() != Kind::Array {
                return Err(wrong("tools", "an array of tools"));
            }
            for (index, tool) in tools.items().into_iter().enumerate() {
                read.tool(tool, index)?;
            }
        }
        if let Some(choice) = choice {
            read.choose(choice)?;
        }
        Ok(read)
    }

    fn tool(&mut self, tool: Json<'a>, index: usize) -> Result<(), Error> {
        let kind = tool.field("type").and_then(Json::as_str).map(Str::plain).unwrap_or_default();
        match &*kind {
            "function" | "custom" => {
                if tool.field("name").and_then(Json::as_str).is_none_or(Str::is_empty) {
                    let message = format!("'tools[{index}]' is a {kind} tool without a 'name'.");
                    return Err(Error::invalid(message).param(format!("tools[{index}].name")));
                }
                self.functions.push(tool);
            }
            // Who can't search refuses the hub's field.
            kind if is_search(kind) => self.search = Some(tool),
            other => {
                let message = format!(
                    "'tools[{index}]' is the built-in tool '{other}', for which this model's provider has no equal: \
                     give functions, or ask a model whose provider has it."
                );
                return Err(Error::client(ErrorKind::UnsupportedParameter, message)
                    .param(format!("tools[{index}].type")));
            }
        }
        Ok(())
    }

    fn choose(&mut self, choice: Json<'a>) -> Result<(), Error> {
        let expected = "\"none\", \"auto\", \"required\", a tool by its name, or allowed tools";
        let wrong = || wrong("tool_choice", expected);
        if let Some(word) = choice.as_str() {
            let known = ["none", "auto", "required"].iter().any(|known| word.is(known));
            self.choice = if known { Choice::Word(word) } else { return Err(wrong()) };
            return Ok(());
        }
        let text = |name: &str| choice.field(name).and_then(Json::as_str);
        match text("type").map(Str::plain).as_deref() {
            Some("function" | "custom") => self.choice = Choice::Function(text("name").ok_or_else(wrong)?),
            // Fewer tools with the same freedom among them: what the model may call is the same.
            Some("allowed_tools") => {
                let tools = choice.field("tools").map(Json::items).ok_or_else(wrong)?;
                let of = |tool: &Json<'a>, name: &str| tool.field(name).and_then(Json::as_str);
                let allowed = |name: Str<'_>| {
                    tools.iter().filter_map(|tool| of(tool, "name")).any(|known| known.is(&name.plain()))
                };
                self.functions.retain(|tool| of(tool, "name").is_some_and(allowed));
                if !tools.iter().filter_map(|tool| of(tool, "type")).any(|kind| is_search(&kind.plain())) {
                    self.search = None;
                }
                self.choice = Choice::Word(text("mode").unwrap_or(Str::literal("auto")));
            }
            // The one built-in tool that may have got this far is called when the model wants to.
            Some(kind) if is_search(kind) && self.search.is_some() => self.choice = Choice::Open,
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Whether any function is there.
    pub fn any(&self) -> bool {
        !self.functions.is_empty()
    }

    /// Appends the hub's fields.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(search) = self.search {
            out.key("web_search_options");
            out.open(b'{');
            if let Some(size) = search.field("search_context_size").filter(|size| !size.is_null()) {
                out.field("search_context_size", size);
            }
            if let Some(place) = search.field("user_location").filter(|place| place.kind() == Kind::Object) {
                location(place, out);
            }
            out.close(b'}');
        }
        if !self.any() {
            return;
        }
        out.key("tools");
        out.open(b'[');
        self.functions.iter().for_each(|tool| function(*tool, out));
        out.close(b']');
        match self.choice {
            Choice::Open => {}
            Choice::Word(word) => out.field_token("tool_choice", word),
            Choice::Function(name) => {
                out.key("tool_choice");
                out.open(b'{');
                out.field_text("type", "function");
                out.key("function");
                out.open(b'{');
                out.field_token("name", name);
                out.close(b'}');
                out.close(b'}');
            }
        }
    }
}

/// The chat API has the place one level deeper.
fn location(place: Json<'_>, out: &mut Vec<u8>) {
    out.key("user_location");
    out.open(b'{');
    out.field_text("type", "approximate");
    out.key("approximate");
    out.open(b'{');
    for (key, value) in place.fields().into_iter().filter(|(key, value)| !key.is("type") && !value.is_null())
    {
        out.token(key);
        out.push(b':');
        out.raw(value.text());
    }
    out.close(b'}');
    out.close(b'}');
}

/// A custom tool is a function of one string here: only providers that speak this API know more.
fn function(tool: Json<'_>, out: &mut Vec<u8>) {
    let custom = tool.field("type").and_then(Json::as_str).is_some_and(|kind| kind.is("custom"));
    out.open(b'{');
    out.field_text("type", "function");
    out.key("function");
    out.open(b'{');
    let names: &[&str] = &["name", "description", "parameters", "strict"];
    for name in names.iter().take(if custom { 2 } else { 4 }) {
        if let Some(value) = tool.field(name).filter(|value| !value.is_null()) {
            out.field(name, value);
        }
    }
    if custom {
        out.field("parameters", Json::trusted(custom::PARAMETERS));
    }
    out.close(b'}');
    if let Some(mark) = tool.field("cache_control").filter(|mark| !mark.is_null()) {
        out.field("cache_control", mark);
    }
    out.close(b'}');
}
