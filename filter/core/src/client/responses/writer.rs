//! A reply as a response: one object, or typed events.
//!
//! Items are gathered in either case, as the last event repeats them all; only a stream tells of each step.
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use super::events::{Events, error_fields, failure, part_done, place, write_usage};
use super::items::{Call, Item, Kinds, Message, Part, Reasoning, Status, Text, annotation, summary};
use crate::client::{Seed, StreamWriter, WholeWriter};
use crate::error::Error;
use crate::json::{Json, Out, Str, escaped};
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};

/// What a response says that no reply does.
#[derive(Debug)]
struct Head {
    /// The client's id of the response.
    id: String,
    /// What its items' ids are made of: unique.
    seed: String,
    /// The model, as a spelling, where the provider doesn't say it.
    model: String,
    /// When, in Unix seconds.
    created: u64,
    /// What it repeats of its request ([`super::echo`]).
    echo: String,
}

/// Gathers a reply, and tells it in events if it is a stream.
#[derive(Debug)]
pub(super) struct ResponseWriter {
    head: Head,
    events: Events,
    items: Vec<Item>,
    /// The reasoning or message that is being told.
    open: Option<usize>,
    /// Where the hub's calls stand among the items.
    calls: Vec<(u32, usize)>,
    finish: FinishReason,
    usage: Option<Usage>,
    begun: bool,
}

/// How much of a response's id goes into the ids of its items: its end, where ids differ.
const ITEM_SEED: usize = 24;

impl ResponseWriter {
    pub fn new(seed: Seed<'_>, told: bool) -> Self {
        let tail = seed.id.len().saturating_sub(ITEM_SEED);
        let head = Head {
            id: seed.id.to_owned(),
            seed: seed.id.get(tail..).unwrap_or_default().to_owned(),
            model: escaped(seed.model),
            created: seed.now,
            echo: seed.echo.to_owned(),
        };
        Self {
            head,
            events: Events { out: Vec::new(), told, next: 0 },
            items: Vec::new(),
            open: None,
            calls: Vec::new(),
            finish: FinishReason::Stop,
            usage: None,
            begun: false,
        }
    }

    const fn status(&self) -> Status {
        match self.finish {
            FinishReason::Length | FinishReason::ContentFilter => Status::Incomplete,
            _ => Status::Completed,
        }
    }

    fn tell_response(&mut self, name: &str, status: Status, error: Option<&Error>) {
        if !self.events.told {
            return;
        }
        let mut response = Vec::with_capacity(1024);
        self.response(status, error, &mut response);
        self.events.tell(name, |out| {
            out.key("response");
            out.extend_from_slice(&response);
        });
    }

    fn response(&self, status: Status, error: Option<&Error>, out: &mut Vec<u8>) {
        let head = &self.head;
        out.open(b'{');
        out.field_text("id", &head.id);
        out.field_text("object", "response");
        out.field_number("created_at", head.created);
        out.field_text("status", if error.is_some() { "failed" } else { status.word() });
        out.key("error");
        match error {
            Some(error) => failure(error, out),
            None => out.raw("null"),
        }
        out.key("incomplete_details");
        match self.finish {
            FinishReason::Length => out.raw(r#"{"reason":"max_output_tokens"}"#),
            FinishReason::ContentFilter => out.raw(r#"{"reason":"content_filter"}"#),
            _ => out.raw("null"),
        }
        out.field_token("model", Str::spelled(&head.model));
        out.key("output");
        out.open(b'[');
        for (at, item) in self.items.iter().enumerate() {
            item.write(self.status_of(at), out);
        }
        out.close(b']');
        out.push(b',');
        out.extend_from_slice(head.echo.as_bytes());
        out.key("usage");
        match &self.usage {
            Some(usage) => write_usage(usage, out),
            None => out.raw("null"),
        }
        out.close(b'}');
    }

    /// An item is complete unless it is the last one of a reply that was cut.
    fn status_of(&self, at: usize) -> Status {
        let open = self.items.get(at).is_some_and(|item| item.open);
        let last = at + 1 == self.items.len();
        if open || (last && self.status() == Status::Incomplete) {
            Status::Incomplete
        } else {
            Status::Completed
        }
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        self.tell_response("response.created", Status::InProgress, None);
        self.tell_response("response.in_progress", Status::InProgress, None);
    }

    fn add(&mut self, prefix: &str, of: Kinds) -> usize {
        self.begin();
        let at = self.items.len();
        let item = Item { id: format!("{prefix}_{}{at:02x}", self.head.seed), of, open: true };
        self.events.tell("response.output_item.added", |out| {
            out.field_number("output_index", at as u64);
            out.key("item");
            item.write_begun(out);
        });
        self.items.push(item);
        at
    }

    /// The reasoning or message that is being told has ended.
    fn close_open(&mut self) {
        if let Some(at) = self.open.take() {
            self.close(at);
        }
    }

    fn close_all(&mut self) {
        for at in 0..self.items.len() {
            self.close(at);
        }
        self.open = None;
        if self.items.is_empty() {
            // A response without any item has no words either, where everybody looks for some.
            let at = self.message();
            self.part(at, false);
            self.close_open();
        }
    }

    fn close(&mut self, at: usize) {
        let status = self.status_of_closing(at);
        let Some(item) = self.items.get_mut(at).filter(|item| item.open) else { return };
        item.open = false;
        let id = item.id.as_str();
        let events = &mut self.events;
        match &item.of {
            Kinds::Reasoning(reasoning) if !reasoning.text.is_empty() => {
                let at = |out: &mut Vec<u8>| place(out, id, at, Some(("summary_index", 0)));
                events.tell("response.reasoning_summary_text.done", |out| {
                    at(out);
                    out.field_token("text", Str::spelled(&reasoning.text));
                });
                events.tell("response.reasoning_summary_part.done", |out| {
                    at(out);
                    out.key("part");
                    summary(&reasoning.text, out);
                });
            }
            Kinds::Reasoning(_) => {}
            Kinds::Message(message) => {
                let index = message.parts.len().saturating_sub(1);
                if let Some(part) = message.parts.last() {
                    part_done(events, part, id, at, index);
                }
            }
            Kinds::Call(call) => events.tell(call.events()[1], |out| {
                place(out, id, at, None);
                if !call.custom {
                    out.field_token("name", Str::spelled(&call.name));
                }
                out.field_token(call.given(), Str::spelled(call.whole()));
            }),
        }
        events.tell("response.output_item.done", |out| {
            out.field_number("output_index", at as u64);
            out.key("item");
            item.write(status, out);
        });
    }

    fn status_of_closing(&self, at: usize) -> Status {
        let last = at + 1 == self.items.len();
        if last { self.status() } else { Status::Completed }
    }

    /// The place of the message that is being told.
    fn message(&mut self) -> usize {
        let told =
            self.open.filter(|at| matches!(self.items.get(*at), Some(Item { of: Kinds::Message(_), .. })));
        told.unwrap_or_else(|| {
            self.close_open();
            let at = self.add("msg", Kinds::Message(Message::default()));
            self.open = Some(at);
            at
        })
    }

    /// Opens a part in the message at `at`, unless one of its kind is being told; its place.
    fn part(&mut self, at: usize, refusal: bool) -> usize {
        let Some(Item { id, of: Kinds::Message(message), .. }) = self.items.get_mut(at) else { return 0 };
        let count = message.parts.len();
        match message.parts.last() {
            Some(Part::Refusal(_)) if refusal => return count - 1,
            Some(Part::Text(_)) if !refusal => return count - 1,
            Some(other) => part_done(&mut self.events, other, id, at, count - 1),
            None => {}
        }
        let part = if refusal { Part::Refusal(String::new()) } else { Part::Text(Text::default()) };
        self.events.tell("response.content_part.added", |out| {
            place(out, id, at, Some(("content_index", count)));
            out.key("part");
            part.write(out);
        });
        message.parts.push(part);
        count
    }

    fn say(&mut self, text: Str<'_>, refusal: bool) {
        let at = self.message();
        let index = self.part(at, refusal);
        let Some(Item { id, of: Kinds::Message(message), .. }) = self.items.get_mut(at) else { return };
        let name = if refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        match message.parts.last_mut() {
            Some(Part::Text(part)) => part.text.push_str(text.raw()),
            Some(Part::Refusal(part)) => part.push_str(text.raw()),
            None => {}
        }
        self.events.tell(name, |out| {
            place(out, id, at, Some(("content_index", index)));
            out.field_token("delta", text);
            if !refusal {
                out.field("logprobs", Json::trusted("[]"));
            }
        });
    }

    /// The place of the reasoning that is being told.
    fn reasoning(&mut self) -> usize {
        let told =
            self.open.filter(|at| matches!(self.items.get(*at), Some(Item { of: Kinds::Reasoning(_), .. })));
        told.unwrap_or_else(|| {
            self.close_open();
            let at = self.add("rs", Kinds::Reasoning(Reasoning::default()));
            self.open = Some(at);
            at
        })
    }

    fn think(&mut self, text: Str<'_>) {
        let at = self.reasoning();
        let Some(Item { id, of: Kinds::Reasoning(reasoning), .. }) = self.items.get_mut(at) else { return };
        let place = |out: &mut Vec<u8>| place(out, id, at, Some(("summary_index", 0)));
        if reasoning.text.is_empty() {
            self.events.tell("response.reasoning_summary_part.added", |out| {
                place(out);
                out.key("part");
                summary("", out);
            });
        }
        reasoning.text.push_str(text.raw());
        self.events.tell("response.reasoning_summary_text.delta", |out| {
            place(out);
            out.field_token("delta", text);
        });
    }

    /// A block of reasoning ends, signed or readable by its provider only.
    fn seal(&mut self, change: impl FnOnce(&mut Reasoning)) {
        let at = self.reasoning();
        if let Some(Item { of: Kinds::Reasoning(reasoning), .. }) = self.items.get_mut(at) {
            change(reasoning);
        }
        self.close_open();
    }

    fn call(&mut self, index: u32, id: Str<'_>, name: Str<'_>, custom: bool) {
        if self.calls.iter().any(|(known, _)| *known == index) {
            return;
        }
        self.close_open();
        let (call_id, name) = (id.raw().to_owned(), name.raw().to_owned());
        let call = Call { call_id, name, arguments: String::new(), custom };
        let at = self.add(if custom { "ctc" } else { "fc" }, Kinds::Call(call));
        self.calls.push((index, at));
    }

    fn arguments(&mut self, index: u32, add: impl FnOnce(&mut Call) -> String) {
        let Some((_, at)) = self.calls.iter().find(|(known, _)| *known == index).copied() else { return };
        let Some(Item { id, of: Kinds::Call(call), open: true }) = self.items.get_mut(at) else { return };
        let added = add(call);
        self.events.tell(call.events()[0], |out| {
            place(out, id, at, None);
            out.field_token("delta", Str::spelled(&added));
        });
    }

    /// Notes on the text: some providers tell them last, when its message has ended already.
    fn annotate(&mut self, items: Json<'_>) {
        let mut messages = self.items.iter_mut().enumerate().rev();
        let Some((at, id, open, message)) = messages.find_map(|(at, item)| match &mut item.of {
            Kinds::Message(message) => Some((at, &item.id, item.open, message)),
            _ => None,
        }) else {
            return;
        };
        let index = message.parts.len().saturating_sub(1);
        let Some(Part::Text(text)) = message.parts.last_mut() else { return };
        for note in items.items().into_iter().filter_map(annotation) {
            if open {
                self.events.tell("response.output_text.annotation.added", |out| {
                    place(out, id, at, Some(("content_index", index)));
                    out.field_number("annotation_index", text.annotations.len() as u64);
                    out.field("annotation", Json::trusted(&note));
                });
            }
            text.annotations.push(note);
        }
    }

    fn last_text(&mut self) -> Option<&mut Text> {
        let Kinds::Message(message) = &mut self.items.get_mut(self.open?)?.of else { return None };
        match message.parts.last_mut() {
            Some(Part::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What a provider wants back with its message. It is told last, maybe behind calls.
    fn keep(&mut self, value: Json<'_>) {
        let message = self.items.iter_mut().rev().find_map(|item| match &mut item.of {
            Kinds::Message(message) => Some(message),
            _ => None,
        });
        if let Some(message) = message {
            message.own = Some(value.text().to_owned());
        }
    }
}

impl WholeWriter for ResponseWriter {
    fn write(mut self: Box<Self>, out: &mut Vec<u8>) {
        self.close_all();
        self.response(self.status(), None, out);
    }
}

impl StreamWriter for ResponseWriter {
    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.events.out
    }

    fn end(&mut self) {
        self.begin();
        self.close_all();
        let status = self.status();
        let name = if status == Status::Incomplete { "response.incomplete" } else { "response.completed" };
        self.tell_response(name, status, None);
    }

    /// The error by itself, which OpenAI's SDKs raise, then the response as it stands.
    fn fail(&mut self, error: &Error) {
        self.begin();
        self.events.tell("error", |out| error_fields(error, out));
        self.tell_response("response.failed", Status::Incomplete, Some(error));
    }
}

impl Sink for ResponseWriter {
    fn start(&mut self, start: Start<'_>) {
        if let Some(model) = start.model.filter(|model| !model.is_empty()) {
            self.head.model = model.raw().to_owned();
        }
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        // A response is one choice.
        if choice > 0 {
            return;
        }
        match piece {
            Piece::Text(text) if text.is_empty() => self.begin(),
            Piece::Text(text) => self.say(text, false),
            Piece::Refusal(text) if text.is_empty() => {}
            Piece::Refusal(text) => self.say(text, true),
            Piece::Reasoning(text) if text.is_empty() => {}
            Piece::Reasoning(text) => self.think(text),
            Piece::Signature(signature) => self.seal(|reasoning| reasoning.sign(signature)),
            Piece::RedactedThinking(data) => self.seal(|reasoning| reasoning.redact(data)),
            Piece::ToolCall { index, id, name } => self.call(index, id, name, false),
            Piece::CustomCall { index, id, name } => self.call(index, id, name, true),
            Piece::ToolArgs { fragment, .. } | Piece::CustomInput { fragment, .. } if fragment.is_empty() => {
            }
            Piece::ToolArgs { index, fragment } | Piece::CustomInput { index, fragment } => {
                self.arguments(index, |call| {
                    call.arguments.push_str(fragment.raw());
                    fragment.raw().to_owned()
                })
            }
            Piece::ToolInput { index, input } => self.arguments(index, |call| call.add_value(input)),
            Piece::Annotations(items) => self.annotate(items),
            Piece::Logprobs(value) => {
                if let Some(text) = self.last_text() {
                    text.add_logprobs(value);
                }
            }
            Piece::Extra("provider_specific_fields", value) => self.keep(value),
            Piece::Extra(..) => {}
            Piece::Finish(Finish { reason, .. }) => self.finish = reason,
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}
