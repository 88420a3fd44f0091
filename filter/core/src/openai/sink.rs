//! Where a decoded reply goes. A dialect tells a sink what it reads, in the order in which it reads it; the sink
//! decides what becomes of it: one object, a stream of chunks, a measurement.

use crate::json::{Json, Str};
use crate::meter::Usage;

/// The receiver of a decoded reply.
pub trait Sink {
    /// The reply's head. Called at most once, before anything else; fields that the provider doesn't give are `None`.
    fn start(&mut self, start: Start<'_>);
    /// A piece of the choice numbered `choice` (0 unless the client asked for several).
    fn piece(&mut self, choice: u32, piece: Piece<'_>);
    /// The token counts. May be called again with better ones; the last counts.
    fn usage(&mut self, usage: Usage);
    /// The service tier that served, by the provider's word.
    fn tier(&mut self, _name: &str) {}
}

/// A reply's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start<'a> {
    /// The provider's id of the reply.
    pub id: Option<Str<'a>>,
    /// The model that answered.
    pub model: Option<Str<'a>>,
    /// When, in Unix seconds.
    pub created: Option<u64>,
}

/// A piece of a reply. Text may come in any number of pieces; each is a whole JSON string token.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// Visible text.
    Text(Str<'a>),
    /// Reasoning that the client may read.
    Reasoning(Str<'a>),
    /// The signature of the reasoning block that ends here.
    Signature(Str<'a>),
    /// A reasoning block that only the provider can read.
    RedactedThinking(Str<'a>),
    /// A refusal's text.
    Refusal(Str<'a>),
    /// A tool call begins; `index` counts the reply's calls from 0.
    ToolCall {
        /// Which call.
        index: u32,
        /// Its id.
        id: Str<'a>,
        /// The function's name.
        name: Str<'a>,
    },
    /// A fragment of a call's arguments, which are JSON inside a string.
    ToolArgs {
        /// Which call.
        index: u32,
        /// The fragment.
        fragment: Str<'a>,
    },
    /// A call's whole arguments as a JSON value.
    ToolInput {
        /// Which call.
        index: u32,
        /// The arguments.
        input: Json<'a>,
    },
    /// A call of a custom tool begins: its input is a text, told by [`Piece::CustomInput`]. Dialects tell functions only;
    /// [`super::Customs`] knows better.
    CustomCall {
        /// Which call, counted with the others.
        index: u32,
        /// Its id.
        id: Str<'a>,
        /// The tool's name.
        name: Str<'a>,
    },
    /// A fragment of a custom call's input.
    CustomInput {
        /// Which call.
        index: u32,
        /// The fragment.
        fragment: Str<'a>,
    },
    /// Items of OpenAI's `annotations` array: a JSON array.
    Annotations(Json<'a>),
    /// OpenAI's `logprobs` object.
    Logprobs(Json<'a>),
    /// A field of the message or delta that OpenAI's API does not define but its users know (`provider_specific_fields`).
    Extra(&'static str, Json<'a>),
    /// The choice is complete.
    Finish(Finish<'a>),
}

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish<'a> {
    /// In OpenAI's terms.
    pub reason: FinishReason,
    /// In the provider's.
    pub native: &'a str,
}

/// OpenAI's finish reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// A natural end or a stop sequence.
    Stop,
    /// The token limit.
    Length,
    /// The model wants its calls answered.
    ToolCalls,
    /// A filter.
    ContentFilter,
    /// One that this version doesn't know: shown to the client in the provider's own word, never as `stop`.
    Unknown,
}

impl Finish<'_> {
    /// The word that the client reads.
    #[must_use]
    pub const fn word(&self) -> &str {
        match self.reason {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::ToolCalls => "tool_calls",
            FinishReason::ContentFilter => "content_filter",
            FinishReason::Unknown => self.native,
        }
    }
}
