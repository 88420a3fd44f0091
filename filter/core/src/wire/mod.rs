//! Framing: where one event of a byte stream ends and the next begins. Knows no vendor.
//!
//! Bytes come in any pieces; a frame is delivered by the very push that completes it, each byte is looked at a bounded
//! number of times, and what is held back never exceeds [`MAX_FRAME`].

pub mod events;
pub mod eventstream;
pub mod json_array;
pub mod ndjson;
pub mod sse;
pub mod websocket;

use crate::error::Error;

/// The longest single event, in bytes. One image in a chunk is the largest thing that is really sent.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

/// One event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What kind of event.
    pub kind: FrameKind,
    /// The event's name, empty where the framing gives none.
    pub event: &'a str,
    /// Its payload, text.
    pub data: &'a str,
}

/// What kind of event a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// An ordinary one.
    Event,
    /// One that the framing itself marks as a failure.
    Exception,
    /// Text outside the framing: an error page or plain JSON where a stream was promised.
    Bare,
}

/// Receives the frames of a push, in order. An error stops the stream.
pub type Each<'f> = dyn FnMut(Frame<'_>) -> Result<(), Error> + 'f;

/// Cuts a byte stream into frames.
pub trait Framer {
    /// Takes the next bytes and delivers each frame that they complete.
    ///
    /// # Errors
    /// When the bytes break the framing, a frame is over [`MAX_FRAME`], or `each` fails.
    fn push(&mut self, bytes: &[u8], each: &mut Each<'_>) -> Result<(), Error>;

    /// The stream has ended: delivers what a missing last line end held back.
    ///
    /// # Errors
    /// When `each` fails or the bytes end inside a frame that can't be delivered.
    fn end(&mut self, each: &mut Each<'_>) -> Result<(), Error>;
}

/// A framing, chosen by a provider's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON value a line.
    Ndjson,
    /// One JSON array, an item an event.
    JsonArray,
    /// Binary messages with headers and checksums.
    EventStream,
    /// Server-sent events inside the payloads of such messages.
    EventStreamOfSse,
}

impl Framing {
    /// A framer for a new stream.
    #[must_use]
    pub fn framer(self) -> Box<dyn Framer> {
        match self {
            Self::Sse => Box::new(sse::Sse::default()),
            Self::Ndjson => Box::new(ndjson::Ndjson::default()),
            Self::JsonArray => Box::new(json_array::JsonArray::default()),
            Self::EventStream => Box::new(eventstream::EventStream::default()),
            Self::EventStreamOfSse => Box::new(eventstream::EventStreamOfSse::default()),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::garbled("The provider's stream is not valid UTF-8."))
}

fn too_long() -> Error {
    Error::garbled(format!("An event of the provider's stream is longer than {MAX_FRAME} bytes."))
}
