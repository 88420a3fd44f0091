//! A sink that records what it is told, its fragments joined.

use std::collections::BTreeSet;

use dragoman_core::error::Error;
use dragoman_core::meter::Usage;
use dragoman_core::openai::{FinishReason, Piece, Sink, Start};

/// What a decoder told: the first choice in full, of the others only their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The provider's id.
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The visible text.
    pub text: String,
    /// The readable reasoning.
    pub reasoning: String,
    /// The refusal.
    pub refusal: String,
    /// How many signatures.
    pub signatures: usize,
    /// How many redacted reasoning blocks.
    pub redacted: usize,
    /// The calls.
    pub calls: Vec<Call>,
    /// `annotations`, as the texts of their arrays.
    pub annotations: Vec<String>,
    /// Extra fields: name, JSON text.
    pub extras: Vec<(String, String)>,
    /// Why it ended: in OpenAI's terms and in the provider's.
    pub finish: Option<(FinishReason, String)>,
    /// The token counts.
    pub usage: Option<Usage>,
    /// The numbers of the choices that were told of.
    pub choices: BTreeSet<u32>,
    /// How it failed, if it did.
    pub error: Option<Error>,
    /// Rules of the sink that the decoder broke.
    pub faults: Vec<&'static str>,
    starts: usize,
}

/// A recorded call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments' text.
    pub arguments: String,
}

impl Sink for Recording {
    fn start(&mut self, start: Start<'_>) {
        self.starts += 1;
        self.demand(self.starts == 1, "start is told once");
        self.demand(self.choices.is_empty(), "start comes first");
        self.id = start.id.map(|id| id.plain().into_owned());
        self.model = start.model.map(|model| model.plain().into_owned());
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        self.choices.insert(choice);
        if choice != 0 {
            return;
        }
        match piece {
            Piece::Text(text) => self.text += &text.plain(),
            Piece::Reasoning(text) => self.reasoning += &text.plain(),
            Piece::Signature(_) => self.signatures += 1,
            Piece::RedactedThinking(_) => self.redacted += 1,
            Piece::Refusal(text) => self.refusal += &text.plain(),
            Piece::ToolCall { index, id, name } => {
                self.demand(index as usize == self.calls.len(), "calls are told in order, from 0");
                // A thought signature travels in the id.
                let id = id.plain();
                let (id, signature) = id.split_once("__thought__").unwrap_or((&id, ""));
                self.signatures += usize::from(!signature.is_empty());
                let (id, name) = (id.to_owned(), name.plain().into_owned());
                self.calls.push(Call { id, name, arguments: String::new() });
            }
            Piece::ToolArgs { index, fragment } => self.call(index).arguments += &fragment.plain(),
            Piece::ToolInput { index, input } => self.call(index).arguments = input.text().to_owned(),
            Piece::Annotations(items) => self.annotations.push(items.text().to_owned()),
            Piece::Extra(name, value) => {
                self.signatures += value.field("thought_signatures").map_or(0, |list| list.items().len());
                self.extras.push((name.to_owned(), value.text().to_owned()));
            }
            Piece::Finish(finish) => {
                self.demand(self.finish.is_none(), "a choice ends once");
                self.finish = Some((finish.reason, finish.native.to_owned()));
            }
            _ => {}
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}

impl Recording {
    fn demand(&mut self, kept: bool, rule: &'static str) {
        if !kept {
            self.faults.push(rule);
        }
    }

    fn call(&mut self, index: u32) -> &mut Call {
        self.demand((index as usize) < self.calls.len(), "arguments come behind their call");
        if self.calls.is_empty() {
            self.calls.push(Call::default());
        }
        let last = self.calls.len() - 1;
        &mut self.calls[last.min(index as usize)]
    }
}
