//! Server-sent events, as browsers read them: lines end with LF, CR or CRLF, also where a push cuts between the two.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.
//! One addition: lines that are no field of the format (`{"error": ...}` where a stream was promised) are gathered and
//! delivered as one [`FrameKind::Bare`] frame, since providers do answer so.

use super::{Each, Frame, FrameKind, Framer, MAX_FRAME, text, too_long};
use crate::error::Error;

/// The state between pushes: an unfinished line, and the event that its finished lines have built.
#[derive(Debug, Default)]
pub struct Sse {
    line: Vec<u8>,
    event: String,
    data: Vec<u8>,
    has_data: bool,
    bare: Vec<u8>,
    after_cr: bool,
    begun: bool,
}

impl Sse {
    fn line(&mut self, mut line: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(each);
        }
        if let Some(value) = field(line, b"data") {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value);
        } else if let Some(value) = field(line, b"event") {
            self.event.clear();
            self.event.push_str(text(value)?);
        } else if !(line.starts_with(b":") || field(line, b"id").is_some() || field(line, b"retry").is_some())
        {
            self.bare.extend_from_slice(line);
            self.bare.push(b'\n');
        }
        if self.data.len() + self.bare.len() > MAX_FRAME { Err(too_long()) } else { Ok(()) }
    }

    fn dispatch(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        if std::mem::take(&mut self.has_data) {
            let sent = each(Frame { kind: FrameKind::Event, event: &self.event, data: text(&self.data)? });
            self.data.clear();
            sent?;
        }
        self.event.clear();
        Ok(())
    }
}

/// The value of a line that gives the field `name`, without the one space that may stand before it.
fn field<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.first() {
        None => Some(rest),
        Some(b':') => {
            let value = rest.get(1..)?;
            Some(value.strip_prefix(b" ").unwrap_or(value))
        }
        Some(_) => None,
    }
}

impl Framer for Sse {
    fn push(&mut self, mut bytes: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        if self.after_cr
            && let Some(first) = bytes.first()
        {
            self.after_cr = false;
            if *first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
            }
        }
        while let Some(end) = line_end(bytes) {
            let (head, tail) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            if self.line.is_empty() {
                self.line(head, each)?;
            } else {
                self.line.extend_from_slice(head);
                let whole = std::mem::take(&mut self.line);
                let done = self.line(&whole, each);
                // The buffer is kept for the next line that a push cuts.
                self.line = whole;
                self.line.clear();
                done?;
            }
            bytes = match tail {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > MAX_FRAME { Err(too_long()) } else { Ok(()) }
    }

    fn end(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        if !self.line.is_empty() {
            let last = std::mem::take(&mut self.line);
            self.line(&last, each)?;
        }
        // The standard drops an event without its empty line; several providers end their last one so.
        self.dispatch(each)?;
        let bare = std::mem::take(&mut self.bare);
        let bare = bare.trim_ascii();
        if bare.is_empty() {
            return Ok(());
        }
        each(Frame { kind: FrameKind::Bare, event: "", data: &String::from_utf8_lossy(bare) })
    }
}

pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]]) -> Vec<(FrameKind, String, String)> {
        let mut framer = Sse::default();
        let mut seen = Vec::new();
        let mut each = |frame: Frame<'_>| {
            seen.push((frame.kind, frame.event.to_owned(), frame.data.to_owned()));
            Ok(())
        };
        for piece in pieces {
            framer.push(piece, &mut each).unwrap();
        }
        framer.end(&mut each).unwrap();
        seen
    }

    #[test]
    fn any_cut_gives_the_same_frames() {
        let stream = "\u{feff}: hello\nevent: a\ndata: 1\r\ndata:  2\r\rdata\n\nid: 7\nretry: 1\n\nevent:b\ndata:\u{e9}\r\n\r\n\
                      {\"error\":\n 1}\n\ndata: last"
            .as_bytes();
        let whole = frames(&[stream]);
        let event = |event: &str, data: &str| (FrameKind::Event, event.to_owned(), data.to_owned());
        assert_eq!(
            whole,
            [
                event("a", "1\n 2"),
                event("", ""),
                event("b", "\u{e9}"),
                event("", "last"),
                (FrameKind::Bare, String::new(), "{\"error\":\n 1}".to_owned()),
            ]
        );
        for cut in 0..stream.len() {
            assert_eq!(frames(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&bytes), whole);
    }

    #[test]
    fn an_event_leaves_with_the_push_that_completes_it() {
        let mut framer = Sse::default();
        let mut count = 0;
        framer
            .push(b"data: x\n\n", &mut |_| {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 1);
    }
}
