//! Responses that a provider speaks itself: what must change in them on their way, and what they say for the meter.
//!
//! Every other byte passes: fields, tools and events that are not known here are the provider's and the client's business.
//! Source: <https://platform.openai.com/docs/api-reference/responses>.

use crate::client::responses::MARK;
use crate::config::Target;
use crate::dialect::{Asked, Native, StreamDecoder, truncated};
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::params::GATEWAY_ONLY;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};
use crate::wire::{Frame, FrameKind};

/// The language.
pub(super) static RESPONSES: Responses = Responses;

/// OpenAI's Responses.
#[derive(Debug)]
pub(super) struct Responses;

impl Native for Responses {
    fn encode(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        _headers: &mut Vec<(&'static str, String)>,
    ) -> Result<(), Error> {
        request(asked, to, body);
        Ok(())
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        let response = Response::read(text(body)?)?;
        if let Some(error) = response.failure() {
            return Err(error);
        }
        sink.start(Start { id: response.id, model: response.model, created: None });
        let spoken = response.output.map_or(0, |output| output.text().len());
        tell(&response, spoken, sink);
        Ok(())
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<Events>::default()
    }

    fn prelude(&self, data: &str) -> bool {
        let kind = Json::trusted(data).read::<Event<'_>>().and_then(|event| event.kind);
        let quiet = ["response.created", "response.queued", "response.in_progress"];
        kind.is_some_and(|kind| quiet.iter().any(|known| kind.is(known)))
    }

    fn amend_event(&self, data: &str, sealed: &dyn Fn(&str) -> String) -> Option<String> {
        // Most events are pieces of the output and name no response.
        memchr::memmem::find(data.as_bytes(), b"\"response\"")?;
        let response: Response<'_> = Json::trusted(data).read::<Event<'_>>()?.response?.read()?;
        response.with_ids(data, sealed)
    }

    fn amend_whole(&self, text: &str, sealed: &dyn Fn(&str) -> String) -> Option<String> {
        Response::read(text).ok()?.with_ids(text, sealed)
    }
}

/// A stream's events, as far as they tell of the reply.
#[derive(Debug, Default)]
struct Events {
    started: bool,
    done: bool,
}

impl StreamDecoder for Events {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if frame.kind != FrameKind::Event {
            return Err(Said::read(frame.data.as_bytes()).into_error(200, "The provider"));
        }
        match hear(frame.data) {
            Heard::Nothing => {}
            Heard::Delta(text) => sink.piece(0, Piece::Text(text)),
            Heard::Error(error) => return Err(error),
            Heard::Station(response) => {
                if let Some(error) = response.failure() {
                    return Err(error);
                }
                if !std::mem::replace(&mut self.started, true) {
                    sink.start(Start { id: response.id, model: response.model, created: None });
                }
                self.done |= response.is_final();
                tell(&response, 0, sink);
            }
        }
        Ok(())
    }

    fn done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        if self.done { Ok(()) } else { Err(truncated()) }
    }
}

/// What the meter wants to know. `spoken` is how long an output is that came whole.
fn tell(response: &Response<'_>, spoken: usize, sink: &mut dyn Sink) {
    if spoken > 0 {
        let output = response.output.map_or("", Json::text);
        sink.piece(0, Piece::ToolInput { index: 0, input: Json::trusted(output) });
    }
    if let Some(reason) = response.finish() {
        sink.piece(0, Piece::Finish(Finish { reason, native: "" }));
    }
    if let Some(usage) = response.counted() {
        sink.usage(usage);
    }
}

fn text(body: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))
}

/// Parameters of the chat API, which is what configs speak, under their names here.
const RENAMED: &[(&str, &str)] =
    &[("max_tokens", "max_output_tokens"), ("max_completion_tokens", "max_output_tokens")];

/// Appends the native request: the client's, for the upstream model, with the provider's own id of the response that the
/// client goes on from.
fn request(asked: &Asked<'_>, to: &Target, out: &mut Vec<u8>) {
    let fields = asked.request.body.fields();
    let left_out = |name: &str| {
        GATEWAY_ONLY.contains(&name) || to.additional_drop_params.iter().any(|dropped| dropped == name)
    };
    out.open(b'{');
    for (key, value) in &fields {
        match &*key.plain() {
            "model" => out.field_token("model", asked.model),
            "previous_response_id" if asked.previous.is_some() => {
                out.field_text("previous_response_id", asked.previous.unwrap_or_default());
            }
            name if left_out(name) => {}
            "input" if value.text().contains(MARK) => input(*value, out),
            _ => {
                out.token(*key);
                out.push(b':');
                out.raw(value.text());
            }
        }
    }
    let given = |name: &str| fields.iter().any(|(key, value)| key.is(name) && !value.is_null());
    for (name, value) in &to.params {
        let renamed = RENAMED.iter().find(|(chat, _)| chat == name).map_or(name.as_str(), |(_, own)| *own);
        if given(renamed) || left_out(renamed) {
            continue;
        }
        if name == "reasoning_effort" {
            if !given("reasoning") {
                out.key("reasoning");
                out.open(b'{');
                out.field("effort", Json::trusted(value));
                out.close(b'}');
            }
            continue;
        }
        out.key(renamed);
        out.raw(value);
    }
    out.close(b'}');
}

/// Input without the reasoning that another target has sealed: only that one can make use of it.
fn input(input: Json<'_>, out: &mut Vec<u8>) {
    out.key("input");
    out.open(b'[');
    for item in input.items() {
        let sealed = item.field("encrypted_content").and_then(Json::as_str);
        if sealed.is_none_or(|sealed| !sealed.raw().starts_with(MARK)) {
            out.raw(item.text());
        }
    }
    out.close(b']');
}

json_view! {
    /// What a response says of itself.
    struct Response<'a> {
        "id" => id: Str<'a>,
        "model" => model: Str<'a>,
        "status" => status: Str<'a>,
        "previous_response_id" => previous: Str<'a>,
        "error" => error: Json<'a>,
        "incomplete_details" => incomplete: Json<'a>,
        "output" => output: Json<'a>,
        "usage" => usage: Json<'a>,
    }
}

json_view! {
    struct Event<'a> { "type" => kind: Str<'a>, "response" => response: Json<'a> }
}

impl<'a> Response<'a> {
    fn read(text: &'a str) -> Result<Self, Error> {
        let garbled = |_| Error::garbled("The provider's answer is not a response.");
        let mut cursor = Cursor::new(text);
        let read = Self::from_json(&mut cursor).map_err(garbled)?;
        cursor.finish().map_err(garbled)?;
        Ok(read)
    }

    fn counted(&self) -> Option<Usage> {
        self.usage.filter(|usage| usage.kind() == Kind::Object).map(counts)
    }

    fn is_final(&self) -> bool {
        let last = ["completed", "incomplete", "cancelled"];
        self.status.is_some_and(|status| last.iter().any(|word| status.is(word)))
    }

    /// Why it ended, in the hub's terms.
    fn finish(&self) -> Option<FinishReason> {
        let reason = self.incomplete.and_then(|details| details.field("reason")).and_then(Json::as_str);
        match self.status.map(Str::plain).as_deref() {
            Some("completed") => Some(FinishReason::Stop),
            Some("incomplete") if reason.is_some_and(|reason| reason.is("content_filter")) => {
                Some(FinishReason::ContentFilter)
            }
            Some("incomplete") => Some(FinishReason::Length),
            _ => None,
        }
    }

    /// Why it failed.
    fn failure(&self) -> Option<Error> {
        let failed = self.status.is_some_and(|status| status.is("failed"));
        failed.then(|| {
            let said = self.error.map(|error| Said::read(error.text().as_bytes())).unwrap_or_default();
            said.into_error(200, "The provider")
        })
    }

    /// `text`, which this was read from, with ids that `sealed` makes of the provider's own.
    fn with_ids(&self, text: &str, sealed: &dyn Fn(&str) -> String) -> Option<String> {
        let mut changes: Vec<(usize, Str<'_>)> = [self.id, self.previous]
            .into_iter()
            .flatten()
            .filter(|id| !id.is_empty())
            .filter_map(|id| Some((id.offset_in(text)?, id)))
            .collect();
        changes.sort_unstable_by_key(|(at, _)| *at);
        if changes.is_empty() {
            return None;
        }
        let mut changed = String::with_capacity(text.len() + 256);
        let mut from = 0;
        for (at, id) in changes {
            changed.push_str(text.get(from..at)?);
            changed.push_str(&sealed(&id.plain()));
            from = at + id.raw().len();
        }
        changed.push_str(text.get(from..)?);
        Some(changed)
    }
}

fn counts(usage: Json<'_>) -> Usage {
    let number = |value: Json<'_>, name: &str| value.field(name).and_then(Json::as_u64);
    let detail = |object: &str, name: &str| usage.field(object).and_then(|details| number(details, name));
    Usage {
        input: number(usage, "input_tokens").unwrap_or(0),
        output: number(usage, "output_tokens").unwrap_or(0),
        cached: detail("input_tokens_details", "cached_tokens"),
        cache_write: detail("input_tokens_details", "cache_write_tokens").filter(|written| *written > 0),
        reasoning: detail("output_tokens_details", "reasoning_tokens"),
        audio_input: detail("input_tokens_details", "audio_tokens"),
        audio_output: detail("output_tokens_details", "audio_tokens"),
        image_input: detail("input_tokens_details", "image_tokens"),
        image_output: detail("output_tokens_details", "image_tokens"),
        ..Usage::default()
    }
}

/// What an event of a stream tells the gateway.
#[derive(Debug)]
enum Heard<'a> {
    Nothing,
    /// One of the many: a piece of the output.
    Delta(Str<'a>),
    /// A response, at one of its stations.
    Station(Box<Response<'a>>),
    /// The stream has failed.
    Error(Error),
}

/// Reads an event's data: closely only where it says more than a piece of the output.
fn hear(data: &str) -> Heard<'_> {
    let has = |word: &str| memchr::memmem::find(data.as_bytes(), word.as_bytes()).is_some();
    let failed = has("\"error\"");
    if (failed || has("\"response\""))
        && let Some(event) = Json::trusted(data).read::<Event<'_>>()
    {
        let error = || Said::read(data.as_bytes()).into_error(200, "The provider");
        match (event.kind, event.response.and_then(Json::read)) {
            (Some(kind), _) if kind.is("error") => return Heard::Error(error()),
            (Some(_), Some(response)) => return Heard::Station(Box::new(response)),
            (None, _) if failed => return Heard::Error(error()),
            _ => {}
        }
    }
    delta(data).map_or(Heard::Nothing, Heard::Delta)
}

/// The text that an event adds.
fn delta(data: &str) -> Option<Str<'_>> {
    const KEY: &str = "\"delta\":";
    let at = memchr::memmem::find(data.as_bytes(), KEY.as_bytes())?;
    Cursor::new(data.get(at + KEY.len()..)?.trim_ascii_start()).str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Endpoint, Request};
    use crate::openai::Body;

    fn target(more: &str) -> Target {
        Target::from_json(&format!(r#"{{"id":"t","provider":"openai","model":"gpt-5"{more}}}"#)).unwrap()
    }

    #[test]
    fn a_request_passes_but_for_what_is_ours() {
        let body = br#"{"model":"mine", "input":[{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"dragoman.AA"},
            {"role":"user","content":"dragoman. "}],"previous_response_id":"resp_dgmX","tags":["a"],"new":{"x":[1]},"temperature":1}"#;
        let posted = Request::new(Endpoint::Responses, Body::read(body.to_vec()).unwrap());
        let to = target(
            r#","params":{"max_tokens":9,"temperature":0,"reasoning_effort":"low"},"additional_drop_params":["new"]"#,
        );
        let mut out = Vec::new();
        let asked =
            Asked { request: &posted, model: Str::literal("gpt-5"), headers: &[], previous: Some("resp_1") };
        RESPONSES.encode(&asked, &to, &mut out, &mut Vec::new()).unwrap();
        let wanted = r#"{"model":"gpt-5","input":[{"role":"user","content":"dragoman. "}],"previous_response_id":"resp_1","temperature":1,"max_output_tokens":9,"reasoning":{"effort":"low"}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn ids_are_sealed_where_they_stand() {
        let text = r#"{ "id": "resp_1","object":"response","output":[{"id":"msg_1"}],"previous_response_id":"resp_0","status":"completed",
            "usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1}} }"#;
        let response = Response::read(text).unwrap();
        let changed = response.with_ids(text, &|id| format!("<{id}>")).unwrap();
        let wanted = text.replace("resp_1", "<resp_1>").replace("resp_0", "<resp_0>");
        assert_eq!(changed, wanted);
        let usage = Usage { input: 3, output: 2, cached: Some(1), reasoning: Some(1), ..Usage::default() };
        assert_eq!(response.counted(), Some(usage));
        assert_eq!(response.finish(), Some(FinishReason::Stop));
        assert!(Response::read("[]").is_err() && Response::read("{} x").is_err());
    }

    #[test]
    fn events_are_read_as_far_as_they_matter() {
        let delta =
            r#"{"type":"response.output_text.delta","delta":"a \"response\": b","sequence_number":4}"#;
        assert!(matches!(hear(delta), Heard::Delta(text) if text.raw().len() == 17), "{:?}", hear(delta));
        assert_eq!(RESPONSES.amend_event(delta, &|id| format!("<{id}>")), None);
        let station = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed"}}"#;
        assert!(matches!(hear(station), Heard::Station(response) if response.is_final()));
        assert!(!RESPONSES.prelude(station) && !RESPONSES.prelude(delta));
        assert!(RESPONSES.prelude(r#"{"sequence_number":0,"type":"response.created","response":{}}"#));
        let amended = RESPONSES.amend_event(station, &|id| format!("<{id}>")).unwrap();
        assert_eq!(amended, station.replace("resp_1", "<resp_1>"));
        let failed = r#"{"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}}"#;
        let Heard::Station(response) = hear(failed) else { panic!("{failed}") };
        assert_eq!(response.failure().unwrap().kind, crate::error::Kind::RateLimit);
        for error in [
            r#"{"type":"error","code":"server_error","message":"no","param":null,"sequence_number":1}"#,
            r#"{"error":{"message":"no"}}"#,
        ] {
            assert!(matches!(hear(error), Heard::Error(error) if error.message == "no"), "{error}");
        }
    }

    #[test]
    fn what_a_deleted_response_says_is_sealed_too() {
        let deleted = r#"{"id":"resp_1","object":"response.deleted","deleted":true}"#;
        assert_eq!(
            RESPONSES.amend_whole(deleted, &|id| format!("<{id}>")),
            Some(deleted.replace("resp_1", "<resp_1>"))
        );
    }
}
