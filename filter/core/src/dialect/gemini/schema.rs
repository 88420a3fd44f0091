//! A JSON Schema as Gemini takes it, in either of its two forms. Knows nothing of requests.
//!
//! * [`Form::JsonSchema`]: the JSON Schema subset of `responseJsonSchema` and `parametersJsonSchema`.
//!   Source: <https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support>.
//! * [`Form::OpenApi`]: the `Schema` message of `responseSchema` and `parameters`, for models before 2.0.
//!   Source: <https://ai.google.dev/api/caching#Schema>.
//!
//! References are replaced by what they refer to, `allOf` is merged, `oneOf` becomes `anyOf`, `const` becomes `enum`, and
//! keywords that Gemini doesn't know are left out.

use crate::error::Error;
use crate::json::{Json, Kind, Out, Str, escaped};

/// Which of Gemini's two forms of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A subset of JSON Schema.
    JsonSchema,
    /// Google's own message, after OpenAPI 3.0.
    OpenApi,
}

/// How often one definition may stand inside itself before it is cut off, where the form knows no references.
const MAX_RECURSION: usize = 2;

/// How deep a schema may nest once its references are replaced.
const MAX_NESTING: usize = 64;

/// How long a schema may get when its references are replaced, in bytes.
const MAX_LENGTH: usize = 512 * 1024;

/// How much text is read to write one schema, in bytes: what is referred to is read each time.
const MAX_READ: usize = 16 * 1024 * 1024;

/// Appends `schema` in `form`; `at` names it in errors.
///
/// # Errors
/// A client error when a reference leads nowhere, or the form can't hold the schema.
pub(super) fn write(schema: Json<'_>, form: Form, at: &str, body: &mut Vec<u8>) -> Result<(), Error> {
    let start = body.len();
    let writer = |keep| Writer { root: schema, form, at, start, open: Vec::new(), keep, nesting: 0, read: 0 };
    match writer(false).schema(schema, None, body) {
        Ok(()) => Ok(()),
        Err(Stop::Endless) if form == Form::JsonSchema => {
            // JSON Schema can say a recursive definition: its references stay.
            body.truncate(start);
            writer(true).schema(schema, None, body).map_err(|stop| stop.into_error(at))
        }
        Err(stop) => Err(stop.into_error(at)),
    }
}

/// Why a schema could not be written.
enum Stop {
    /// Its references have no end, or one too far away.
    Endless,
    /// It is wrong.
    Wrong(Error),
}

impl Stop {
    fn into_error(self, at: &str) -> Error {
        match self {
            Self::Wrong(error) => error,
            Self::Endless => {
                Error::invalid(format!("'{at}' is too deep or too long a schema for this model.")).param(at)
            }
        }
    }
}

type Fields<'a> = Vec<(Str<'a>, Json<'a>)>;

struct Writer<'a, 'p> {
    root: Json<'a>,
    form: Form,
    at: &'p str,
    /// Where the schema begins in the body.
    start: usize,
    /// The references that are being replaced, outermost first.
    open: Vec<String>,
    /// Whether references stay.
    keep: bool,
    nesting: usize,
    /// How much text has been read, in bytes.
    read: usize,
}

fn first<'a>(fields: &Fields<'a>, name: &str) -> Option<Json<'a>> {
    fields.iter().find(|(key, _)| key.is(name)).map(|(_, value)| *value)
}

/// All items of the arrays that stand under `name`: merged schemas can each bring one.
fn all<'a>(fields: &Fields<'a>, name: &str) -> Vec<Json<'a>> {
    fields.iter().filter(|(key, _)| key.is(name)).flat_map(|(_, value)| value.items()).collect()
}

fn properties<'a>(fields: &Fields<'a>) -> Fields<'a> {
    let mut known: Fields<'a> = Vec::new();
    for (_, value) in fields.iter().filter(|(key, _)| key.is("properties")) {
        for (name, schema) in value.fields() {
            if !known.iter().any(|(other, _)| other.is(&name.plain())) {
                known.push((name, schema));
            }
        }
    }
    known
}

/// Whether `schema` allows `null` and nothing else.
fn is_null(schema: Json<'_>) -> bool {
    schema.field("type").and_then(Json::as_str).is_some_and(|kind| kind.is("null"))
        || schema.field("const").is_some_and(Json::is_null)
        || schema.field("enum").is_some_and(|values| {
            let values = values.items();
            !values.is_empty() && values.iter().all(|value| value.is_null())
        })
}

impl<'a> Writer<'a, '_> {
    /// The fields of `schema` with those of what it refers to and is composed of. `opened` gathers the references.
    fn gather(
        &mut self,
        schema: Json<'a>,
        fields: &mut Fields<'a>,
        opened: &mut Vec<String>,
    ) -> Result<(), Stop> {
        self.read += schema.text().len();
        if opened.len() > MAX_NESTING || self.read > MAX_READ {
            return Err(Stop::Endless);
        }
        let own = schema.fields();
        fields.extend(own.iter().filter(|(key, _)| !key.is("allOf") && (self.keep || !key.is("$ref"))));
        if !self.keep
            && let Some(pointer) = first(&own, "$ref").and_then(Json::as_str)
        {
            let pointer = pointer.plain().into_owned();
            let times = self.open.iter().chain(opened.iter()).filter(|open| **open == pointer).count();
            if times >= MAX_RECURSION || (times > 0 && self.form == Form::JsonSchema) {
                if self.form == Form::JsonSchema {
                    return Err(Stop::Endless);
                }
                fields.push((Str::literal("type"), Json::trusted("\"object\"")));
                return Ok(());
            }
            let target = self.resolve(&pointer)?;
            opened.push(pointer);
            self.gather(target, fields, opened)?;
        }
        for part in all(&own, "allOf") {
            opened.push(String::new());
            self.gather(part, fields, opened)?;
        }
        Ok(())
    }

    /// What a reference within the schema refers to.
    fn resolve(&mut self, pointer: &str) -> Result<Json<'a>, Stop> {
        self.read += self.root.text().len();
        let at = self.at;
        let wrong = || {
            Stop::Wrong(
                Error::invalid(format!("'{at}' refers to '{pointer}', which is not in the schema."))
                    .param(at),
            )
        };
        let path = pointer.strip_prefix('#').ok_or_else(wrong)?;
        let mut value = self.root;
        for step in path.split('/').skip(1) {
            let name = step.replace("~1", "/").replace("~0", "~");
            let inner = value
                .field(&name)
                .or_else(|| value.items().get(name.parse::<usize>().ok()?).copied())
                .ok_or_else(wrong)?;
            value = inner;
        }
        Ok(value)
    }

    /// Writes a schema. `description` is for one that has none.
    fn schema(
        &mut self,
        schema: Json<'a>,
        description: Option<Json<'a>>,
        body: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        if self.nesting > MAX_NESTING || body.len() - self.start > MAX_LENGTH {
            return Err(Stop::Endless);
        }
        let (mut fields, mut opened) = (Vec::new(), Vec::new());
        self.gather(schema, &mut fields, &mut opened)?;
        let depth = self.open.len();
        self.open.append(&mut opened);
        self.nesting += 1;
        match self.form {
            Form::JsonSchema => self.json_schema(&fields, body)?,
            Form::OpenApi => self.open_api(fields, description, false, body)?,
        }
        self.nesting -= 1;
        self.open.truncate(depth);
        Ok(())
    }

    fn map(&mut self, entries: &Fields<'a>, body: &mut Vec<u8>) -> Result<(), Stop> {
        body.open(b'{');
        for (name, schema) in entries {
            body.token(*name);
            body.push(b':');
            self.schema(*schema, None, body)?;
        }
        body.close(b'}');
        Ok(())
    }

    fn list(&mut self, schemas: &[Json<'a>], body: &mut Vec<u8>) -> Result<(), Stop> {
        body.open(b'[');
        for schema in schemas {
            self.schema(*schema, None, body)?;
        }
        body.close(b']');
        Ok(())
    }

    fn json_schema(&mut self, fields: &Fields<'a>, body: &mut Vec<u8>) -> Result<(), Stop> {
        body.open(b'{');
        // Beside a reference nothing else may stand.
        if let Some(reference) = first(fields, "$ref") {
            body.field("$ref", reference);
        } else {
            self.keywords(fields, body)?;
        }
        if self.keep {
            for name in ["$defs", "definitions"] {
                if let Some(definitions) = first(fields, name) {
                    body.key(name);
                    self.map(&definitions.fields(), body)?;
                }
            }
        }
        body.close(b'}');
        Ok(())
    }

    fn keywords(&mut self, fields: &Fields<'a>, body: &mut Vec<u8>) -> Result<(), Stop> {
        const PLAIN: &[&str] = &[
            "type",
            "format",
            "title",
            "description",
            "default",
            "enum",
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "pattern",
            "minProperties",
            "maxProperties",
            "propertyOrdering",
        ];
        for name in PLAIN {
            if let Some(value) = first(fields, name) {
                body.field(name, value);
            }
        }
        if first(fields, "enum").is_none()
            && let Some(value) = first(fields, "const")
        {
            body.key("enum");
            body.open(b'[');
            body.raw(value.text());
            body.close(b']');
        }
        if fields.iter().any(|(key, _)| key.is("properties")) {
            body.key("properties");
            self.map(&properties(fields), body)?;
        }
        required(fields, None, body);
        match first(fields, "additionalProperties") {
            Some(more) if more.kind() == Kind::Object => {
                body.key("additionalProperties");
                self.schema(more, None, body)?;
            }
            Some(more) if more.kind() == Kind::Bool => body.field("additionalProperties", more),
            _ => {}
        }
        match first(fields, "items") {
            // The older spelling of a tuple.
            Some(items) if items.kind() == Kind::Array => {
                body.key("prefixItems");
                self.list(&items.items(), body)?;
            }
            Some(items) if items.kind() == Kind::Object => {
                body.key("items");
                self.schema(items, None, body)?;
            }
            _ => {}
        }
        for (name, written) in [("prefixItems", "prefixItems"), ("anyOf", "anyOf"), ("oneOf", "anyOf")] {
            let schemas = all(fields, name);
            if schemas.is_empty() || (name == "oneOf" && first(fields, "anyOf").is_some()) {
                continue;
            }
            body.key(written);
            self.list(&schemas, body)?;
        }
        Ok(())
    }
}

/// Writes `required`, without names that are not in `known`: Google's message refuses those.
fn required(fields: &Fields<'_>, known: Option<&Fields<'_>>, body: &mut Vec<u8>) {
    let mut names: Vec<Str<'_>> = Vec::new();
    for name in all(fields, "required").into_iter().filter_map(Json::as_str) {
        let plain = name.plain();
        let is_known = known.is_none_or(|known| known.iter().any(|(other, _)| other.is(&plain)));
        if is_known && !names.iter().any(|other| other.is(&plain)) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return;
    }
    body.key("required");
    body.open(b'[');
    names.into_iter().for_each(|name| body.token(name));
    body.close(b']');
}

/// The type's name in Google's message.
fn type_name(kind: &str) -> Option<&'static str> {
    match kind.to_ascii_lowercase().as_str() {
        "string" => Some("STRING"),
        "integer" => Some("INTEGER"),
        "number" => Some("NUMBER"),
        "boolean" => Some("BOOLEAN"),
        "array" => Some("ARRAY"),
        "object" => Some("OBJECT"),
        _ => None,
    }
}

/// The type of a schema that doesn't say it.
fn implied_type(fields: &Fields<'_>, values: &[Json<'_>]) -> &'static str {
    if fields.iter().any(|(key, _)| key.is("items") || key.is("prefixItems")) {
        return "ARRAY";
    }
    match values.first().map(|value| value.kind()) {
        Some(Kind::String) => "STRING",
        Some(Kind::Bool) => "BOOLEAN",
        Some(Kind::Number) if values.iter().all(|value| value.text().parse::<i64>().is_ok()) => "INTEGER",
        Some(Kind::Number) => "NUMBER",
        _ => "OBJECT",
    }
}

impl<'a> Writer<'a, '_> {
    fn open_api(
        &mut self,
        mut fields: Fields<'a>,
        description: Option<Json<'a>>,
        mut nullable: bool,
        body: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let description = first(&fields, "description").or(description);
        nullable |= first(&fields, "nullable").is_some_and(|flag| flag.text() == "true");
        let mut variants = all(&fields, "anyOf");
        if variants.is_empty() {
            variants = all(&fields, "oneOf");
        }
        let count = variants.len();
        variants.retain(|variant| !is_null(*variant));
        nullable |= variants.len() < count;
        let mut opened = Vec::new();
        if let [only] = variants.as_slice() {
            fields.retain(|(key, _)| !key.is("anyOf") && !key.is("oneOf"));
            self.gather(*only, &mut fields, &mut opened)?;
            self.open.append(&mut opened);
            // What is gathered may be a choice again.
            return self.open_api(fields, description, nullable, body);
        }
        let mut kinds: Vec<&'static str> = Vec::new();
        if let Some(kind) = first(&fields, "type") {
            let names = kind.as_str().map_or_else(|| kind.read().unwrap_or_default(), |one| vec![one]);
            nullable |= names.iter().any(|name: &Str<'_>| name.is("null"));
            kinds.extend(names.iter().filter_map(|name| type_name(&name.plain())));
        }
        if variants.is_empty() && kinds.len() < 2 {
            return self.message(&fields, kinds.first().copied(), description, nullable, body);
        }
        // Beside `anyOf` no other field may be set, so what it says of all goes into each.
        body.open(b'{');
        body.key("anyOf");
        body.open(b'[');
        for kind in if variants.is_empty() { kinds.as_slice() } else { &[] } {
            self.message(&fields, Some(*kind), description, nullable, body)?;
        }
        for variant in variants {
            let (mut inner, mut opened) = (Vec::new(), Vec::new());
            self.gather(variant, &mut inner, &mut opened)?;
            let depth = self.open.len();
            self.open.append(&mut opened);
            self.nesting += 1;
            if self.nesting > MAX_NESTING || body.len() - self.start > MAX_LENGTH {
                return Err(Stop::Endless);
            }
            self.open_api(inner, description, nullable, body)?;
            self.nesting -= 1;
            self.open.truncate(depth);
        }
        body.close(b']');
        body.close(b'}');
        Ok(())
    }

    /// Writes a schema that is of one type.
    fn message(
        &mut self,
        fields: &Fields<'a>,
        kind: Option<&'static str>,
        description: Option<Json<'a>>,
        mut nullable: bool,
        body: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let mut values = all(fields, "enum");
        if values.is_empty() {
            values.extend(first(fields, "const"));
        }
        nullable |= values.iter().any(|value| value.is_null());
        values.retain(|value| !value.is_null());
        let kind = kind.unwrap_or_else(|| implied_type(fields, &values));
        body.open(b'{');
        body.field_text("type", kind);
        if let Some(format) = first(fields, "format").filter(|format| known_format(kind, *format)) {
            body.field("format", format);
        }
        if let Some(title) = first(fields, "title") {
            body.field("title", title);
        }
        let strings = values.iter().all(|value| value.kind() == Kind::String);
        describe(description, if strings { &[] } else { &values }, body);
        if nullable {
            body.field("nullable", Json::trusted("true"));
        }
        if strings && !values.is_empty() {
            body.key("enum");
            body.open(b'[');
            values.iter().for_each(|value| body.raw(value.text()));
            body.close(b']');
        }
        let limits: &[&str] = match kind {
            "STRING" => &["minLength", "maxLength", "pattern"],
            "INTEGER" | "NUMBER" => &["minimum", "maximum"],
            "ARRAY" => &["minItems", "maxItems"],
            "OBJECT" => &["minProperties", "maxProperties", "propertyOrdering"],
            _ => &[],
        };
        for name in limits {
            if let Some(value) = first(fields, name) {
                body.field(name, value);
            }
        }
        if kind == "OBJECT" {
            let properties = properties(fields);
            if !properties.is_empty() {
                body.key("properties");
                self.map(&properties, body)?;
                required(fields, Some(&properties), body);
            }
        }
        if kind == "ARRAY" {
            let items = first(fields, "items").filter(|items| items.kind() == Kind::Object);
            body.key("items");
            // The message needs to be told what the items are.
            self.schema(items.unwrap_or(Json::trusted("{}")), None, body)?;
        }
        body.close(b'}');
        Ok(())
    }
}

/// Formats that Google's message knows.
fn known_format(kind: &str, format: Json<'_>) -> bool {
    let known: &[&str] = match kind {
        "STRING" => &["enum", "date-time"],
        "NUMBER" => &["float", "double"],
        "INTEGER" => &["int32", "int64"],
        _ => &[],
    };
    format.as_str().is_some_and(|format| known.iter().any(|known| format.is(known)))
}

/// Writes a description. `values` are allowed values that the message's own `enum`, for strings only, can't hold.
fn describe(description: Option<Json<'_>>, values: &[Json<'_>], body: &mut Vec<u8>) {
    let text = description.and_then(Json::as_str).unwrap_or(Str::literal(""));
    if values.is_empty() {
        if !text.is_empty() {
            body.field_token("description", text);
        }
        return;
    }
    let values: Vec<&str> = values.iter().map(|value| value.text()).collect();
    let values = escaped(&format!("One of: {}.", values.join(", ")));
    let gap = if text.is_empty() { "" } else { " " };
    body.field_token("description", Str::spelled(&format!("{}{gap}{values}", text.raw())));
}
