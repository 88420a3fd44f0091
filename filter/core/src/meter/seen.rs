//! What is known of an attempt, while its reply comes and after.

use std::cell::RefCell;
use std::rc::Rc;

use super::{ModelInfo, Price, ServiceTier, Usage};
use crate::capture::Captured;
use crate::config::Target;
use crate::error::Kind;
use crate::openai::{Piece, Sink, Start};

/// What an attempt has seen of its reply so far. Cheap to clone: it is reported with every piece of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The token counts that the provider has told.
    pub usage: Option<Usage>,
    /// The output's text so far (answer, reasoning, calls), in bytes as the client's JSON spells it.
    pub output_bytes: u64,
    /// The provider's id of the reply.
    pub id: Option<Rc<str>>,
    /// The model that answered, by the provider's word.
    pub model: Option<Rc<str>>,
    /// The service tier that is billed: the one that served, else the one that was asked for.
    pub tier: Option<ServiceTier>,
    /// Why the first choice ended, in OpenAI's word.
    pub finish: Option<Rc<str>>,
}

impl Seen {
    /// The provider names the tier that served: one that has prices of its own, or explicitly none.
    pub fn served(&mut self, name: &str) {
        self.tier = match name {
            "default" | "standard" => None,
            _ => ServiceTier::named(name).or(self.tier),
        };
    }
}

/// One attempt, as far as it has come. Times are in nanoseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The target that was tried.
    pub target: Rc<Target>,
    /// The model that it was asked for, as it was sent.
    pub model: Rc<str>,
    /// What is known about that model.
    pub info: Option<Rc<ModelInfo>>,
    /// About how many tokens its prompt has.
    pub prompt: u64,
    /// Whether the provider asks nothing for it: it only counts tokens.
    pub free: bool,
    /// When its native request was made.
    pub started: u64,
    /// When a stream's first output came; `None` for whole replies.
    pub first_token: Option<u64>,
    /// When it ended; `None` while it runs, and when nobody told.
    pub ended: Option<u64>,
    /// The provider's status; 0 while no head has come.
    pub status: u16,
    /// What it has seen of its reply.
    pub seen: Seen,
    /// Why it failed, once it has.
    pub failure: Option<Kind>,
    /// Its answer, where that is captured. The attempt gathers it here: a client that goes away is settled before it.
    pub captured: Option<Rc<RefCell<Captured>>>,
    /// Whether it was begun beside another one that had not failed.
    pub beside: bool,
    /// Whether it was broken off because another one answered first.
    pub abandoned: bool,
}

impl Tried {
    /// How long the provider was at work until its reply, or a stream's first output, was there.
    #[must_use]
    pub fn busy(&self, now: u64) -> u64 {
        self.first_token.or(self.ended).unwrap_or(now).saturating_sub(self.started)
    }

    /// An attempt that begins.
    #[must_use]
    pub fn begin(target: Rc<Target>, now: u64) -> Self {
        Self {
            model: Rc::from(target.model.as_str()),
            info: target.info.clone(),
            prompt: 0,
            free: false,
            target,
            started: now,
            first_token: None,
            ended: None,
            status: 0,
            seen: Seen::default(),
            failure: None,
            captured: None,
            beside: false,
            abandoned: false,
        }
    }
}

/// A sink that sees what passes through it.
pub struct Witness<'w> {
    /// Where it all goes.
    pub sink: &'w mut dyn Sink,
    /// What has been seen.
    pub seen: &'w mut Seen,
    /// The price by which the client is told what its tokens cost, if it is.
    pub price: Option<&'w Price>,
    /// Where the answer is gathered, if it is.
    pub captured: Option<&'w RefCell<Captured>>,
}

impl Sink for Witness<'_> {
    fn start(&mut self, start: Start<'_>) {
        let shared = |text: crate::json::Str<'_>| {
            Some(Rc::from(&*text.plain())).filter(|text: &Rc<str>| !text.is_empty())
        };
        self.seen.id = start.id.and_then(shared);
        self.seen.model = start.model.and_then(shared);
        self.sink.start(start);
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        let text = match piece {
            Piece::Text(text) | Piece::Reasoning(text) | Piece::Refusal(text) => text.raw().len(),
            Piece::ToolCall { name, .. } | Piece::CustomCall { name, .. } => name.raw().len(),
            Piece::ToolArgs { fragment, .. } | Piece::CustomInput { fragment, .. } => fragment.raw().len(),
            Piece::ToolInput { input, .. } => input.text().len(),
            Piece::Finish(finish) => {
                if choice == 0 {
                    self.seen.finish = Some(Rc::from(finish.word()));
                }
                0
            }
            Piece::Signature(_)
            | Piece::RedactedThinking(_)
            | Piece::Annotations(_)
            | Piece::Logprobs(_)
            | Piece::Extra(..) => 0,
        };
        self.seen.output_bytes += text as u64;
        if let Some(captured) = self.captured {
            captured.borrow_mut().piece(choice, piece);
        }
        self.sink.piece(choice, piece);
    }

    fn usage(&mut self, usage: Usage) {
        self.seen.usage = Some(usage);
        let cost = self.price.map(|price| price.cost(&usage, self.seen.tier));
        self.sink.usage(Usage { cost, ..usage });
    }

    fn tier(&mut self, name: &str) {
        self.seen.served(name);
    }
}
