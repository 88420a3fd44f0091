//! From reply bytes to client bytes: whole bodies, streams that pass, streams that are translated.

use std::cell::RefCell;

use super::marks::Marks;
use super::native::NativeStream;
use super::{Attempt, Edit, HeadPlan, Step, header};
use crate::capture::Captured;
use crate::client::responses::Seal;
use crate::client::{Endpoint, StreamWriter, messages};
use crate::config::Target;
use crate::dialect::{self, Native, StreamDecoder, truncated};
use crate::error::{Error, Said};
use crate::json::{Cursor, Json, Kind as JsonKind};
use crate::meter::{Price, Seen, Usage, Witness, dollars};
use crate::openai::{EmbeddingWriter, Sink};
use crate::pass::PRIVATE;
use crate::wire::events::{self, Events, Fate};
use crate::wire::{Frame, FrameKind, Framer, Framing};

/// The largest reply that is gathered whole, in bytes.
const MAX_WHOLE: usize = 64 * 1024 * 1024;

/// How much of a stream is kept back until its first token, in bytes: beyond, something is said that has no name here.
const MAX_KEPT: usize = 1024;

/// How far a reply has come.
pub(super) enum Reply {
    /// Its head has not come yet.
    Awaited,
    /// Its body is gathered whole.
    Whole(Whole),
    /// Its events pass, all but the usage chunk that the client didn't ask for.
    Passing(Passing),
    /// Its events pass, in the client's own language that is not OpenAI's chat.
    Native(NativeStream),
    /// Its events are translated.
    Translated(Translated),
    /// All has been said; what still comes is swallowed.
    Said,
    /// Nothing more is done to it.
    Untouched,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Awaited => "Awaited",
            Self::Whole(_) => "Whole",
            Self::Passing(_) => "Passing",
            Self::Native(_) => "Native",
            Self::Translated(_) => "Translated",
            Self::Said => "Said",
            Self::Untouched => "Untouched",
        })
    }
}

pub(super) struct Whole {
    status: u16,
    /// `content-length`, where the provider gives it: the body is known to be whole before the stream ends.
    length: Option<usize>,
    /// Events where one object was asked for.
    framed: bool,
    /// The reply can't be used, whatever its body says.
    unusable: Option<Error>,
    /// The provider's name for the failure, where a header gives it.
    error_name: Option<String>,
    /// The tokens of an embeddings request, where a header gives them.
    input_tokens: Option<u64>,
    gathered: Vec<u8>,
}

pub(super) struct Passing {
    events: Events,
    /// Whether the usage chunk was our wish, not the client's.
    hide_usage: bool,
    held: bool,
    /// What has come while the head was held.
    kept: Vec<u8>,
    done: bool,
    finished: bool,
    /// Reads what is captured; nothing else needs more than an event's marks.
    reader: Option<Box<dyn StreamDecoder>>,
}

pub(super) struct Translated {
    framer: Box<dyn Framer>,
    decoder: Box<dyn StreamDecoder>,
    writer: Box<dyn StreamWriter>,
    held: bool,
}

impl Attempt {
    /// The reply's head has come. `headers` have names in lower case; `end` says that no body follows.
    pub fn head(&mut self, status: u16, headers: &[(String, String)], end: bool) -> HeadPlan {
        HeadPlan { secret: self.secret(headers), ..self.judge_head(status, headers, end) }
    }

    fn judge_head(&mut self, status: u16, headers: &[(String, String)], end: bool) -> HeadPlan {
        let mut edits: Vec<Edit> =
            PRIVATE.iter().filter(|name| header(headers, name).is_some()).map(|name| (*name, None)).collect();
        self.rate_limits(headers, &mut edits);
        // Where Anthropic's clients look for it; a provider that has one of its own names it better.
        let own = self.endpoint.language().request_id();
        if !own.is_empty() && !self.request_id.is_empty() && header(headers, own).is_none() {
            edits.push((own, Some(self.request_id.clone())));
        }
        if end {
            // A body can't be added here; the gateway gives an empty error its body.
            self.reply = Reply::Untouched;
            let error = match status {
                200..=299 => Error::garbled("The provider's answer is empty."),
                _ => {
                    let name = header(headers, self.target.provider.error_name).unwrap_or_default();
                    Said::default().into_error(status, self.target.provider.label).named(name)
                }
            };
            edits.push((":status", Some(self.endpoint.language().status(&error).to_string())));
            self.failure = Some(error);
            return HeadPlan { hold: false, edits, ..HeadPlan::default() };
        }
        let encoding = header(headers, "content-encoding").unwrap_or("identity");
        let content = header(headers, "content-type").unwrap_or_default().to_ascii_lowercase();
        let unusable = match status {
            200..=299 | 400.. if !encoding.eq_ignore_ascii_case("identity") => {
                Some(format!("The provider's answer is encoded as {encoding}, which was not asked for."))
            }
            200..=299 if content.starts_with("text/html") => {
                Some("The provider's answer is a web page, not a completion.".to_owned())
            }
            200..=299 | 400.. => None,
            _ => Some(format!(
                "The provider answered with status {status}, which is no answer to this request."
            )),
        };
        let framed = match self.target.provider.framing {
            Framing::Sse => content.starts_with("text/event-stream"),
            _ => !content.starts_with("application/json"),
        };
        if status < 400 && unusable.is_none() && self.stream && framed {
            return self.open_stream(edits);
        }
        let length = header(headers, "content-length").and_then(|length| length.parse().ok());
        let unusable = unusable.map(Error::garbled);
        let error_name = header(headers, self.target.provider.error_name).map(str::to_owned);
        let input_tokens = header(headers, self.target.provider.input_tokens);
        let input_tokens = input_tokens.and_then(|count| count.parse().ok());
        let gathered = Vec::new();
        self.reply =
            Reply::Whole(Whole { status, length, framed, unusable, error_name, input_tokens, gathered });
        HeadPlan { hold: true, edits, ..HeadPlan::default() }
    }

    /// Rate limits and the request's id under OpenAI's names, where the provider has its own.
    fn rate_limits(&self, headers: &[(String, String)], edits: &mut Vec<Edit>) {
        for (own, openai) in self.target.provider.rate_limits {
            if let Some(value) = header(headers, own) {
                edits.push((openai, Some(value.to_owned())));
            }
        }
    }

    fn open_stream(&mut self, mut edits: Vec<Edit>) -> HeadPlan {
        let provider = self.target.provider;
        let held = self.hold_heads;
        let stream = || self.native.map_or_else(|| provider.dialect.stream(), Native::stream);
        // What passes byte for byte is in OpenAI's framing too.
        if self.passes() && provider.framing == Framing::Sse {
            self.reply = Reply::Passing(Passing {
                events: Events::default(),
                hide_usage: !self.include_usage,
                held,
                kept: Vec::new(),
                done: false,
                finished: false,
                reader: self.captured.as_ref().map(|_| stream()),
            });
        } else if let Some(native) = self.native {
            self.reply = Reply::Native(NativeStream::new(native, provider.framing, held));
            edits.push(("content-type", Some("text/event-stream; charset=utf-8".to_owned())));
        } else {
            let writer = self.endpoint.language().stream(self.seed());
            let (framer, decoder) = (provider.framing.framer(), provider.dialect.stream());
            self.reply = Reply::Translated(Translated { framer, decoder, writer, held });
            edits.push(("content-type", Some("text/event-stream; charset=utf-8".to_owned())));
        }
        edits.push(("content-length", None));
        HeadPlan { hold: held, edits, ..HeadPlan::default() }
    }

    /// A piece of the reply's body has come; `end` says that it is the last.
    pub fn body(&mut self, bytes: &[u8], end: bool) -> Step {
        match std::mem::replace(&mut self.reply, Reply::Said) {
            Reply::Whole(whole) => self.whole(whole, bytes, end),
            Reply::Passing(passing) => self.passing(passing, bytes, end),
            Reply::Native(native) => self.native_stream(native, bytes, end),
            Reply::Translated(translated) => self.translated(translated, bytes, end),
            Reply::Said if bytes.is_empty() => Step::default(),
            Reply::Said => Step { bytes: Some(Vec::new()), release: None },
            other @ (Reply::Awaited | Reply::Untouched) => {
                self.reply = other;
                Step::default()
            }
        }
    }

    fn whole(&mut self, mut whole: Whole, bytes: &[u8], end: bool) -> Step {
        let size = whole.gathered.len() + bytes.len();
        if size > MAX_WHOLE {
            let error = Error::garbled(format!("The provider's answer is larger than {MAX_WHOLE} bytes."));
            return self.failed(error);
        }
        if !end && whole.length.is_none_or(|length| size < length) {
            whole.gathered.extend_from_slice(bytes);
            self.reply = Reply::Whole(whole);
            return Step { bytes: Some(Vec::new()), release: None };
        }
        let gathered = std::mem::take(&mut whole.gathered);
        if gathered.is_empty() {
            return self.complete(&whole, bytes, false);
        }
        let mut all = gathered;
        all.extend_from_slice(bytes);
        self.complete(&whole, &all, true)
    }

    /// The whole body is here. `moved` says that what stands in Envoy's buffer is not `body`.
    fn complete(&mut self, whole: &Whole, body: &[u8], moved: bool) -> Step {
        if let Some(error) = whole.unusable.clone() {
            return self.failed(error);
        }
        let provider = self.target.provider;
        if whole.status >= 400 {
            let mut error = provider.dialect.decode_error(whole.status, body, provider.label);
            if let Some(name) = &whole.error_name {
                error = error.named(name);
            }
            return self.failed(error);
        }
        match self.endpoint {
            Endpoint::Embeddings => return self.embeddings(whole, body, moved),
            Endpoint::CountTokens => return self.counted(body),
            // What it has used was counted when it was made.
            Endpoint::Stored => return self.native_whole(body, moved),
            _ => {}
        }
        if self.stream {
            return self.streamed_whole(whole, body);
        }
        let mut writer = self.endpoint.language().whole(self.seed());
        if let Err(error) = self.decode_whole(whole, body, &mut *writer) {
            return self.failed(error);
        }
        if !whole.framed && self.native.is_some() {
            return self.native_whole(body, moved);
        }
        if !whole.framed && self.passes() {
            let text = std::str::from_utf8(body).unwrap_or_default();
            if let Some(amended) = provider.dialect.amend(text) {
                let edits = vec![("content-length", Some(amended.len().to_string()))];
                return Step { bytes: Some(amended.into_bytes()), release: Some(edits) };
            }
            let bytes = moved.then(|| body.to_vec());
            return Step { bytes, release: Some(Vec::new()) };
        }
        let mut out = Vec::with_capacity(body.len() + 256);
        writer.write(&mut out);
        let edits = vec![json_type(), ("content-length", Some(out.len().to_string()))];
        Step { bytes: Some(out), release: Some(edits) }
    }

    /// A whole reply in the client's own language passes, but for the ids that must carry their target.
    fn native_whole(&self, body: &[u8], moved: bool) -> Step {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let sealed = |seal: &Seal| self.native?.amend_whole(text, &|id| seal.kept(&self.target.id, id));
        match self.seal.as_ref().and_then(sealed) {
            Some(amended) => {
                let edits = vec![("content-length", Some(amended.len().to_string()))];
                Step { bytes: Some(amended.into_bytes()), release: Some(edits) }
            }
            None => Step { bytes: moved.then(|| body.to_vec()), release: Some(Vec::new()) },
        }
    }

    /// Whether a chat's reply is in OpenAI's own form and passes, or that of the older completions, whose events end alike.
    fn passes(&self) -> bool {
        let completions = self.endpoint == Endpoint::Completions && self.native.is_some();
        completions || (self.endpoint == Endpoint::Chat && self.target.provider.dialect.native())
    }

    /// The count of a prompt's tokens.
    fn counted(&mut self, body: &[u8]) -> Step {
        match self.target.provider.dialect.decode_count(body) {
            Ok(tokens) => {
                let out = messages::count(tokens, false);
                let edits = vec![json_type(), ("content-length", Some(out.len().to_string()))];
                Step { bytes: Some(out), release: Some(edits) }
            }
            Err(error) => self.failed(error),
        }
    }

    /// A list of vectors, in the format that the client wants.
    fn embeddings(&mut self, whole: &Whole, body: &[u8], moved: bool) -> Step {
        let mut writer = EmbeddingWriter::new(crate::json::escaped(&self.model), self.base64);
        if let Err(error) = self.target.provider.dialect.decode_embeddings(body, &mut writer) {
            return self.failed(error);
        }
        if let (None, Some(input)) = (writer.counted(), whole.input_tokens) {
            writer.usage(Usage { input, ..Usage::default() });
        }
        self.seen.usage = writer.counted();
        if writer.passes() {
            return Step { bytes: moved.then(|| body.to_vec()), release: Some(Vec::new()) };
        }
        let mut out = Vec::new();
        writer.write(&mut out);
        let edits = vec![json_type(), ("content-length", Some(out.len().to_string()))];
        Step { bytes: Some(out), release: Some(edits) }
    }

    /// Has `read` tell `sink`, past everybody who looks at what is told.
    fn watching<T>(&mut self, sink: &mut dyn Sink, read: impl FnOnce(&mut Witness<'_>) -> T) -> T {
        let price = self.told.as_ref().and_then(|info| info.price.as_ref());
        let (seen, captured) = (&mut self.seen, self.captured.as_deref());
        let mut telling;
        let sink: &mut dyn Sink = if self.customs.is_empty() {
            sink
        } else {
            telling = self.customs.telling(sink);
            &mut telling
        };
        read(&mut Witness { sink, seen, price, captured })
    }

    fn decode_whole(&mut self, whole: &Whole, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        let (provider, native) = (self.target.provider, self.native);
        self.watching(sink, |sink| {
            if body.trim_ascii().is_empty() {
                return Err(Error::garbled("The provider's answer is empty."));
            }
            if !whole.framed {
                return match native {
                    Some(native) => native.decode(body, sink),
                    None => provider.dialect.decode(body, sink),
                };
            }
            let decoder = native.map_or_else(|| provider.dialect.stream(), Native::stream);
            let (mut framer, mut decoder) = (provider.framing.framer(), decoder);
            framer.push(body, &mut |frame| decoder.frame(frame, sink))?;
            framer.end(&mut |frame| decoder.frame(frame, sink))?;
            decoder.end(sink)
        })
    }

    /// One object where events were asked for: the client gets its events all the same.
    fn streamed_whole(&mut self, whole: &Whole, body: &[u8]) -> Step {
        let mut writer = self.endpoint.language().stream(self.seed());
        if let Err(error) = self.decode_whole(whole, body, &mut *writer) {
            return self.failed(error);
        }
        writer.end();
        let edits = vec![
            ("content-type", Some("text/event-stream; charset=utf-8".to_owned())),
            ("content-length", None),
        ];
        Step { bytes: Some(std::mem::take(writer.out())), release: Some(edits) }
    }

    /// The reply is an error: it gets the error's status and form in the client's language.
    pub(super) fn failed(&mut self, error: Error) -> Step {
        let error = self.discreet(error);
        let language = self.endpoint.language();
        let body = language.error(&error, &self.request_id);
        let edits = vec![
            (":status", Some(language.status(&error).to_string())),
            json_type(),
            ("content-length", Some(body.len().to_string())),
            ("content-encoding", None),
        ];
        if let Some(captured) = &self.captured {
            captured.borrow_mut().forget();
        }
        self.failure = Some(error);
        self.reply = Reply::Said;
        Step { bytes: Some(body), release: Some(edits) }
    }

    fn passing(&mut self, mut passing: Passing, bytes: &[u8], end: bool) -> Step {
        let mut out = Vec::new();
        let mut failure = None;
        let mut changed = false;
        let whole_before = passing.events.is_empty();
        {
            let Passing { events, hide_usage, done, finished, reader, .. } = &mut passing;
            let captured = self.captured.as_deref();
            let seen = &mut self.seen;
            let target = &*self.target;
            let price = self.told.as_ref().and_then(|info| info.price.as_ref());
            let mut judge = |event: &[u8]| {
                let data = events::data(event);
                if failure.is_some() {
                    return Fate::Drop;
                }
                if data == b"[DONE]" {
                    *done = true;
                    return Fate::Pass;
                }
                if let (Some(reader), Some(captured)) = (&mut *reader, captured) {
                    read(data, &mut **reader, captured);
                }
                let marks = Marks::of(data);
                marks.tell(data, seen);
                *finished |= marks.finish.is_some();
                if marks.error {
                    failure = error_event(event, data);
                    if failure.is_some() {
                        return Fate::Drop;
                    }
                }
                if marks.usage && counted(data, &mut seen.usage) {
                    if *hide_usage {
                        changed = true;
                        return Fate::Drop;
                    }
                    if let Some(bytes) = price.and_then(|price| with_cost(event, data, seen, price)) {
                        changed = true;
                        return Fate::Replace(bytes);
                    }
                }
                let vendors_words = marks.finish.is_some() || marks.reasoning;
                match vendors_words.then(|| amended(event, data, target)).flatten() {
                    Some(bytes) => {
                        changed = true;
                        Fate::Replace(bytes)
                    }
                    None => Fate::Pass,
                }
            };
            events.push(bytes, &mut out, &mut judge);
            if end {
                events.end(&mut out, &mut judge);
            }
        }
        if let Some(error) = failure {
            return if passing.held { self.failed(error) } else { self.failed_in_the_middle(error, out) };
        }
        let cut = end && !passing.done && !passing.finished;
        if cut && passing.held {
            return self.failed(truncated());
        }
        if passing.held {
            // Comments and a role are no answer yet: until the first token another target may still be asked.
            let spoken = passing.done || passing.finished || self.seen.output_bytes > 0;
            if !spoken && !end && passing.kept.len() + out.len() < MAX_KEPT {
                passing.kept.append(&mut out);
                self.reply = Reply::Passing(passing);
                return Step { bytes: Some(Vec::new()), release: None };
            }
            if !passing.kept.is_empty() {
                changed = true;
                out = [std::mem::take(&mut passing.kept), out].concat();
            }
        }
        if cut {
            let error = truncated();
            out.extend_from_slice(b"\n\ndata: ");
            error.write_openai(&mut out);
            out.extend_from_slice(b"\n\n");
            self.failure = Some(error);
        }
        let release = (passing.held && !out.is_empty()).then(Vec::new);
        passing.held &= release.is_none();
        let same = whole_before && passing.events.is_empty() && !changed && !cut;
        self.reply = if end { Reply::Said } else { Reply::Passing(passing) };
        Step { bytes: (!same).then_some(out), release }
    }

    /// A stream that has begun ends with the error, in the client's form whatever the provider's was.
    pub(super) fn failed_in_the_middle(&mut self, error: Error, mut out: Vec<u8>) -> Step {
        let error = self.discreet(error);
        self.endpoint.language().fail(&error, &mut out);
        self.failure = Some(error);
        self.reply = Reply::Said;
        Step { bytes: Some(out), release: None }
    }

    fn translated(&mut self, mut translated: Translated, bytes: &[u8], end: bool) -> Step {
        let Translated { framer, decoder, writer, .. } = &mut translated;
        let told = self.watching(&mut **writer, |sink| {
            let mut told = framer.push(bytes, &mut |frame| decoder.frame(frame, sink));
            if end && told.is_ok() && !decoder.done() {
                told = framer.end(&mut |frame| decoder.frame(frame, sink)).and_then(|()| decoder.end(sink));
            }
            told
        });
        let done = told.is_ok() && (end || translated.decoder.done());
        if let Err(error) = told {
            if translated.held && translated.writer.out().is_empty() {
                return self.failed(error);
            }
            let error = self.discreet(error);
            translated.writer.fail(&error);
            self.failure = Some(error);
        } else if done {
            // The decoder may still have something to tell.
            let Translated { decoder, writer, .. } = &mut translated;
            if !end && let Err(error) = self.watching(&mut **writer, |sink| decoder.end(sink)) {
                let error = self.discreet(error);
                translated.writer.fail(&error);
                self.failure = Some(error);
            } else {
                translated.writer.end();
            }
        }
        let out = std::mem::take(translated.writer.out());
        let release = (translated.held && !out.is_empty()).then(Vec::new);
        translated.held &= release.is_none();
        if !done && !end && self.failure.is_none() {
            self.reply = Reply::Translated(translated);
        }
        Step { bytes: Some(out), release }
    }
}

fn json_type() -> Edit {
    ("content-type", Some("application/json".to_owned()))
}

/// Reads the answer's text in an event that passes. What can't be read is the client's to judge.
fn read(data: &[u8], reader: &mut dyn StreamDecoder, captured: &RefCell<Captured>) {
    if let Ok(data) = std::str::from_utf8(data) {
        let frame = Frame { kind: FrameKind::Event, event: "", data };
        let _ = reader.frame(frame, &mut *captured.borrow_mut());
    }
}

/// The error in an event, where it is one.
fn error_event(event: &[u8], data: &[u8]) -> Option<Error> {
    let text = std::str::from_utf8(data).ok()?;
    let mut cursor = Cursor::new(text);
    let value: Json<'_> = cursor.json().ok()?;
    let named = event.starts_with(b"event: error") || event.starts_with(b"event:error");
    let own = || value.field("x_groq").and_then(|extra| extra.field("error"));
    let inner = value.field("error").or_else(own).filter(|error| !error.is_null());
    (named || inner.is_some()).then(|| Said::read(data).into_error(200, "The provider"))
}

/// An event in OpenAI's words, where the vendor's differ.
fn amended(event: &[u8], data: &[u8], target: &Target) -> Option<Vec<u8>> {
    let text = target.provider.dialect.amend(std::str::from_utf8(data).ok()?)?;
    events::with_data(event, data, &text)
}

/// A usage chunk that tells what its tokens cost too, as LiteLLM does.
fn with_cost(event: &[u8], data: &[u8], seen: &Seen, price: &Price) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(data).ok()?;
    let usage = Cursor::new(text).json().ok()?.field("usage")?.text();
    let begin = usage.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let cost = price.cost(&seen.usage?, seen.tier);
    let (head, tail) = text.split_at_checked(begin + usage.len().checked_sub(1)?)?;
    events::with_data(event, data, &format!("{head},\"cost\":{}{tail}", dollars(cost)))
}

/// Reads the usage of an event. True when the event is nothing but usage: no choice speaks in it.
fn counted(data: &[u8], usage: &mut Option<crate::meter::Usage>) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut cursor = Cursor::new(text);
    let Ok(chunk) = cursor.json() else { return false };
    let object = |value: &Json<'_>| value.kind() == JsonKind::Object;
    let own = || chunk.field("x_groq").and_then(|extra| extra.field("usage")).filter(object);
    let Some(value) = chunk.field("usage").filter(object).or_else(own) else {
        return false;
    };
    *usage = Some(dialect::openai::usage(value));
    chunk
        .field("choices")
        .is_some_and(|choices| choices.kind() == JsonKind::Array && choices.items().is_empty())
}
