//! The binary event stream (`application/vnd.amazon.eventstream`): messages with lengths, typed headers and two
//! checksums. Owns the framing and what its headers say of a message's kind; knows no service that speaks it.
//!
//! Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>. A message is
//! `total length u32, headers length u32, CRC-32 of these eight bytes, headers, payload, CRC-32 of all before`,
//! big-endian.

use super::sse::Sse;
use super::{Each, Frame, FrameKind, Framer, MAX_FRAME, text, too_long};
use crate::error::Error;

/// The two lengths and their checksum.
const PRELUDE: usize = 12;
/// A message without headers and payload.
const SMALLEST: usize = PRELUDE + 4;
/// The format's own limit on headers.
const MAX_HEADERS: usize = 128 * 1024;

/// The state between pushes: an unfinished message.
#[derive(Debug, Default)]
pub struct EventStream {
    held: Vec<u8>,
    /// The length of the message in `held`, once its prelude is there and sound.
    length: Option<usize>,
}

impl EventStream {
    /// Takes the next bytes and delivers each message that they complete.
    fn messages(&mut self, mut bytes: &[u8], each: &mut EachMessage<'_>) -> Result<(), Error> {
        if !self.held.is_empty() {
            if !self.fill(&mut bytes)? {
                return Ok(());
            }
            let whole = std::mem::take(&mut self.held);
            self.length = None;
            let done = Message::read(&whole).and_then(|message| each(&message));
            // The buffer is kept for the next message that a push cuts.
            self.held = whole;
            self.held.clear();
            done?;
        }
        // Messages that lie whole in this push are read where they lie.
        while bytes.len() >= PRELUDE {
            let length = Prelude::read(bytes)?.length;
            let Some((message, rest)) = bytes.split_at_checked(length) else { break };
            each(&Message::read(message)?)?;
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.fill(&mut bytes)?;
        }
        Ok(())
    }

    /// The stream may end only between two messages.
    fn whole(&self) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        Err(Error::garbled("The provider's stream ended inside an event.").code("stream_truncated"))
    }

    /// Takes from `bytes` what the message in `held` still lacks; true when it is whole.
    fn fill(&mut self, bytes: &mut &[u8]) -> Result<bool, Error> {
        loop {
            let want = self.length.unwrap_or(PRELUDE).saturating_sub(self.held.len());
            let (taken, rest) = bytes.split_at_checked(want).unwrap_or((bytes, &[]));
            self.held.extend_from_slice(taken);
            *bytes = rest;
            match self.length {
                Some(length) => return Ok(self.held.len() >= length),
                None if self.held.len() < PRELUDE => return Ok(false),
                None => self.length = Some(Prelude::read(&self.held)?.length),
            }
        }
    }
}

type EachMessage<'f> = dyn FnMut(&Message<'_>) -> Result<(), Error> + 'f;

impl Framer for EventStream {
    fn push(&mut self, bytes: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        self.messages(bytes, &mut |message| match message.failure() {
            Some((event, data)) => each(Frame { kind: FrameKind::Exception, event, data: data? }),
            None => {
                let event = message.text(":event-type").unwrap_or_default();
                each(Frame { kind: FrameKind::Event, event, data: text(message.payload)? })
            }
        })
    }

    fn end(&mut self, _each: &mut Each<'_>) -> Result<(), Error> {
        self.whole()
    }
}

/// Messages whose payloads, one behind the other, are a stream of server-sent events, cut anywhere.
#[derive(Debug, Default)]
pub struct EventStreamOfSse {
    outer: EventStream,
    inner: Sse,
}

impl Framer for EventStreamOfSse {
    fn push(&mut self, bytes: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        let inner = &mut self.inner;
        self.outer.messages(bytes, &mut |message| match message.failure() {
            Some((event, data)) => each(Frame { kind: FrameKind::Exception, event, data: data? }),
            None => inner.push(message.payload, each),
        })
    }

    fn end(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        self.outer.whole()?;
        self.inner.end(each)
    }
}

#[derive(Clone, Copy)]
struct Prelude {
    length: usize,
    headers: usize,
}

impl Prelude {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let length = u32_at(bytes, 0).and_then(|length| usize::try_from(length).ok()).ok_or_else(broken)?;
        let headers = u32_at(bytes, 4).and_then(|length| usize::try_from(length).ok()).ok_or_else(broken)?;
        let lengths = bytes.get(..8).ok_or_else(broken)?;
        if u32_at(bytes, 8) != Some(crc32fast::hash(lengths)) {
            return Err(checksum());
        }
        // What the checksum vouches for is what was sent; it can still be too much.
        if length > MAX_FRAME || headers > MAX_HEADERS {
            return Err(too_long());
        }
        if length < SMALLEST + headers {
            return Err(broken());
        }
        Ok(Self { length, headers })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn broken() -> Error {
    Error::garbled("A message of the provider's event stream is malformed.")
}

fn checksum() -> Error {
    Error::garbled("A message of the provider's event stream has a wrong checksum.")
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// The headers, in order.
    pub headers: Vec<(&'a str, Value<'a>)>,
    /// The payload.
    pub payload: &'a [u8],
}

/// A header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A whole number of 8, 16, 32 or 64 bits.
    Integer(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// Milliseconds since 1970.
    Timestamp(i64),
    /// A UUID.
    Uuid(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Reads the message that `bytes` are, whole, and checks both checksums.
    ///
    /// # Errors
    /// An upstream error when a checksum is wrong or the message is malformed.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let prelude = Prelude::read(bytes)?;
        let end = prelude.length - 4;
        let sent = u32_at(bytes, end).filter(|_| bytes.len() == prelude.length).ok_or_else(broken)?;
        if crc32fast::hash(bytes.get(..end).ok_or_else(broken)?) != sent {
            return Err(checksum());
        }
        let split = PRELUDE + prelude.headers;
        let mut rest = bytes.get(PRELUDE..split).ok_or_else(broken)?;
        let mut headers = Vec::with_capacity(3);
        while !rest.is_empty() {
            headers.push(header(&mut rest).ok_or_else(broken)?);
        }
        Ok(Self { headers, payload: bytes.get(split..end).ok_or_else(broken)? })
    }

    /// What the message says if it is a failure: its name, and the text.
    fn failure(&self) -> Option<(&'a str, Result<&'a str, Error>)> {
        match self.text(":message-type") {
            // A failure that the service's model knows: its members are in the payload.
            Some("exception") => Some((self.text(":exception-type").unwrap_or_default(), text(self.payload))),
            // One that it doesn't: code and message in headers, no payload.
            Some("error") => {
                let said = self.text(":error-message").filter(|said| !said.is_empty());
                Some((
                    self.text(":error-code").unwrap_or_default(),
                    said.map_or_else(|| text(self.payload), Ok),
                ))
            }
            _ => None,
        }
    }

    /// The text of the header `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find_map(|(key, value)| match value {
            Value::Text(text) if *key == name => Some(*text),
            _ => None,
        })
    }
}

/// Takes one header from the front of `rest`.
fn header<'a>(rest: &mut &'a [u8]) -> Option<(&'a str, Value<'a>)> {
    let length = usize::from(take(rest, 1)?.first().copied()?);
    let name = std::str::from_utf8(take(rest, length)?).ok()?;
    let value = match take(rest, 1)?.first()? {
        0 => Value::Bool(true),
        1 => Value::Bool(false),
        2 => Value::Integer(i64::from(i8::from_be_bytes(take(rest, 1)?.try_into().ok()?))),
        3 => Value::Integer(i64::from(i16::from_be_bytes(take(rest, 2)?.try_into().ok()?))),
        4 => Value::Integer(i64::from(i32::from_be_bytes(take(rest, 4)?.try_into().ok()?))),
        5 => Value::Integer(i64::from_be_bytes(take(rest, 8)?.try_into().ok()?)),
        6 => Value::Bytes(sized(rest)?),
        7 => Value::Text(std::str::from_utf8(sized(rest)?).ok()?),
        8 => Value::Timestamp(i64::from_be_bytes(take(rest, 8)?.try_into().ok()?)),
        9 => Value::Uuid(take(rest, 16)?),
        _ => return None,
    };
    Some((name, value))
}

fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::from(length))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut fields = Vec::new();
        for (name, value) in headers {
            fields.push(name.len() as u8);
            fields.extend_from_slice(name.as_bytes());
            fields.push(7);
            fields.extend_from_slice(&(value.len() as u16).to_be_bytes());
            fields.extend_from_slice(value.as_bytes());
        }
        sealed(&fields, payload)
    }

    fn sealed(fields: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&((SMALLEST + fields.len() + payload.len()) as u32).to_be_bytes());
        out.extend_from_slice(&(fields.len() as u32).to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(fields);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    }

    type Seen = Vec<(FrameKind, String, String)>;

    fn frames(pieces: &[&[u8]]) -> Result<Seen, Error> {
        let (mut framer, mut seen) = (EventStream::default(), Vec::new());
        let mut each = |frame: Frame<'_>| {
            seen.push((frame.kind, frame.event.to_owned(), frame.data.to_owned()));
            Ok(())
        };
        for piece in pieces {
            framer.push(piece, &mut each)?;
        }
        framer.end(&mut each)?;
        Ok(seen)
    }

    fn stream() -> Vec<u8> {
        let mut bytes = message(&[(":message-type", "event"), (":event-type", "a")], b"{\"x\":1}");
        bytes.extend(message(&[(":event-type", "b"), (":content-type", "application/json")], "é".as_bytes()));
        bytes.extend(message(&[(":message-type", "exception"), (":exception-type", "oops")], b"{}"));
        let error = [(":message-type", "error"), (":error-code", "Code"), (":error-message", "said")];
        bytes.extend(message(&error, b""));
        bytes
    }

    #[test]
    fn any_cut_gives_the_same_frames() {
        let bytes = stream();
        let whole = frames(&[&bytes]).unwrap();
        let frame = |kind, event: &str, data: &str| (kind, event.to_owned(), data.to_owned());
        assert_eq!(
            whole,
            [
                frame(FrameKind::Event, "a", "{\"x\":1}"),
                frame(FrameKind::Event, "b", "é"),
                frame(FrameKind::Exception, "oops", "{}"),
                frame(FrameKind::Exception, "Code", "said"),
            ]
        );
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(frames(&[head, tail]).unwrap(), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(&single).unwrap(), whole);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found() {
        let bytes = message(&[(":event-type", "a")], b"{\"x\":1}");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(frames(&[&flipped]).is_err(), "bit {bit}");
        }
        for end in 1..bytes.len() {
            assert!(frames(&[&bytes[..end]]).is_err(), "cut at {end}");
        }
        assert!(frames(&[b"<html>502 Bad Gateway</html>"]).is_err());
    }

    #[test]
    fn lengths_that_lie_are_refused_before_anything_is_held() {
        for (length, headers) in [(u32::MAX, 0), (16, 1), (15, 0), (40, u32::MAX), (0, 0)] {
            let mut prelude = Vec::new();
            prelude.extend_from_slice(&u32::to_be_bytes(length));
            prelude.extend_from_slice(&u32::to_be_bytes(headers));
            prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
            assert!(EventStream::default().push(&prelude, &mut |_| Ok(())).is_err(), "{length} {headers}");
        }
    }

    #[test]
    fn headers_of_every_type() {
        let mut fields = Vec::new();
        for (kind, value) in [
            (0u8, &[][..]),
            (1, &[]),
            (2, &[0xFF]),
            (3, &[0xFF, 0xFE]),
            (4, &[0, 0, 0xA0, 0x0C]),
            (5, &[0, 0, 0, 0, 0, 0, 0, 9]),
            (6, &[0, 2, 1, 2]),
            (7, &[0, 1, b'x']),
            (8, &[0, 0, 0, 0, 0, 0, 0, 8]),
            (9, &[7; 16]),
        ] {
            fields.extend_from_slice(&[1, b'h', kind]);
            fields.extend_from_slice(value);
        }
        let bytes = sealed(&fields, b"p");
        let read = Message::read(&bytes).unwrap();
        let values: Vec<Value<'_>> = read.headers.iter().map(|(_, value)| *value).collect();
        assert_eq!(
            values,
            [
                Value::Bool(true),
                Value::Bool(false),
                Value::Integer(-1),
                Value::Integer(-2),
                Value::Integer(40972),
                Value::Integer(9),
                Value::Bytes(&[1, 2]),
                Value::Text("x"),
                Value::Timestamp(8),
                Value::Uuid(&[7; 16]),
            ]
        );
        assert_eq!((read.payload, read.text("h")), (&b"p"[..], Some("x")));
        for wrong in [&[1, b'h', 10][..], &[1, b'h', 7, 0, 9, b'x'], &[9, b'h'], &[1, b'h']] {
            assert!(Message::read(&sealed(wrong, b"")).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn events_inside_messages_are_cut_anywhere() {
        let sse = "data: {\"x\":\"é\"}\n\ndata: [DONE]\n\n".as_bytes();
        for size in 1..sse.len() {
            let bytes: Vec<u8> = sse
                .chunks(size)
                .flat_map(|piece| message(&[(":event-type", "PayloadPart")], piece))
                .collect();
            let (mut framer, mut seen) = (EventStreamOfSse::default(), Vec::new());
            let mut each = |frame: Frame<'_>| {
                seen.push(frame.data.to_owned());
                Ok(())
            };
            bytes.chunks(7).for_each(|piece| framer.push(piece, &mut each).unwrap());
            framer.end(&mut each).unwrap();
            assert_eq!(seen, ["{\"x\":\"é\"}", "[DONE]"], "payloads of {size}");
        }
    }
}
