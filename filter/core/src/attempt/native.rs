//! A stream in the client's own language that is not OpenAI's chat: bytes pass event by event, while each is read for what
//! it tells of the reply. Where the framing is another, events are put into the client's.

use std::cell::{Cell, RefCell};

use super::{Attempt, Step};
use crate::capture::Captured;
use crate::client::Endpoint;
use crate::dialect::{Native, StreamDecoder};
use crate::error::Error;
use crate::meter::{Price, Seen, Usage, Witness};
use crate::openai::{Piece, Sink, Start};
use crate::wire::events::{Events, Fate};
use crate::wire::{self, Framer, Framing};

/// A stream that passes.
pub(super) struct NativeStream {
    native: &'static dyn Native,
    decoder: Box<dyn StreamDecoder>,
    framer: Box<dyn Framer>,
    /// Whole events as bytes, where the framing is the client's; else they are written anew.
    events: Option<Events>,
    held: bool,
    /// Whether only events have come that commit to nothing.
    quiet: bool,
    /// What waits with the head.
    waiting: Vec<u8>,
}

/// Nobody reads what a reply that passes says but what it costs; what it tells of itself is seen on the way here.
#[derive(Default)]
struct Nobody {
    cost: Cell<Option<u64>>,
}

impl Sink for &Nobody {
    fn start(&mut self, _start: Start<'_>) {}
    fn piece(&mut self, _choice: u32, _piece: Piece<'_>) {}
    fn usage(&mut self, usage: Usage) {
        self.cost.set(usage.cost);
    }
}

impl NativeStream {
    pub fn new(native: &'static dyn Native, framing: Framing, held: bool) -> Self {
        let events = (framing == Framing::Sse).then(Events::default);
        Self {
            native,
            decoder: native.stream(),
            framer: framing.framer(),
            events,
            held,
            quiet: held,
            waiting: Vec::new(),
        }
    }

    /// Reads bytes, and appends to `out` what goes on of them. Nothing behind a failure does.
    fn read(
        &mut self,
        bytes: &[u8],
        end: bool,
        seen: &mut Seen,
        (price, captured): (Option<&Price>, Option<&RefCell<Captured>>),
        seal: Option<&dyn Fn(&str) -> String>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Self { native, decoder, framer, events, quiet, .. } = self;
        let nobody = Nobody::default();
        let sink = &mut Witness { sink: &mut &nobody, seen, price, captured };
        let Some(events) = events else {
            let mut each = |frame: crate::wire::Frame<'_>| {
                decoder.frame(frame, sink)?;
                *quiet &= native.prelude(frame.data);
                if let Some(event) = native.event(frame) {
                    let event = event.as_bytes();
                    let told = nobody.cost.take().and_then(|cost| {
                        let data = wire::events::data(event);
                        let told = native.with_cost(std::str::from_utf8(data).ok()?, cost)?;
                        wire::events::with_data(event, data, &told)
                    });
                    out.extend_from_slice(told.as_deref().unwrap_or(event));
                }
                Ok(())
            };
            framer.push(bytes, &mut each)?;
            return if end { framer.end(&mut each) } else { Ok(()) };
        };
        let mut told = Ok(());
        let mut judge = |event: &[u8]| {
            if told.is_ok() {
                told = framer.push(event, &mut |frame| decoder.frame(frame, sink));
            }
            if told.is_err() {
                return Fate::Drop;
            }
            let data = wire::events::data(event);
            let Ok(text) = std::str::from_utf8(data) else { return Fate::Pass };
            *quiet = *quiet && (text.is_empty() || native.prelude(text));
            let amended = seal.and_then(|sealed| native.amend_event(text, sealed));
            let told = || native.with_cost(text, nobody.cost.take()?);
            match amended.or_else(told).and_then(|amended| wire::events::with_data(event, data, &amended)) {
                Some(bytes) => Fate::Replace(bytes),
                None => Fate::Pass,
            }
        };
        events.push(bytes, out, &mut judge);
        if end {
            events.end(out, &mut judge);
            if told.is_ok() {
                told = framer.end(&mut |frame| decoder.frame(frame, sink));
            }
        }
        told
    }
}

impl Attempt {
    pub(super) fn native_stream(&mut self, mut stream: NativeStream, bytes: &[u8], end: bool) -> Step {
        let mut out = Vec::with_capacity(bytes.len());
        let target = std::rc::Rc::clone(&self.target);
        let sealed = self.seal.as_ref().map(|seal| |id: &str| seal.kept(&target.id, id));
        let sealed = sealed.as_ref().map(|sealed| sealed as &dyn Fn(&str) -> String);
        // What a stored response has used was counted when it was made.
        let mut elsewhere = Seen::default();
        let stored = self.endpoint == Endpoint::Stored;
        let seen = if stored { &mut elsewhere } else { &mut self.seen };
        let info = self.told.clone();
        let price = info.as_ref().and_then(|info| info.price.as_ref());
        let captured = self.captured.clone();
        let captured = captured.as_deref();
        let told = stream.read(bytes, end, seen, (price, captured), sealed, &mut out);
        let told = told.and_then(|()| match end {
            true if !stream.decoder.done() => {
                let nobody = Nobody::default();
                let (sink, seen) = (&mut &nobody, &mut self.seen);
                stream.decoder.end(&mut Witness { sink, seen, price: None, captured })
            }
            _ => Ok(()),
        });
        if let Err(error) = told {
            if stream.held && (stream.quiet || out.is_empty()) {
                return self.failed(error);
            }
            let release = stream.held.then(Vec::new);
            stream.waiting.append(&mut out);
            let out = stream.waiting;
            return Step { release, ..self.failed_in_the_middle(error, out) };
        }
        if stream.quiet && !end && !stream.decoder.done() {
            stream.waiting.append(&mut out);
            self.reply = super::reply::Reply::Native(stream);
            return Step { bytes: Some(Vec::new()), release: None };
        }
        if !stream.waiting.is_empty() {
            stream.waiting.append(&mut out);
            out = std::mem::take(&mut stream.waiting);
        }
        let release = (stream.held && !out.is_empty()).then(Vec::new);
        stream.held &= release.is_none();
        if !end {
            self.reply = super::reply::Reply::Native(stream);
        }
        Step { bytes: Some(out), release }
    }
}
