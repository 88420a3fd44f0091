//! One JSON value a line.
//!
//! Source: <https://github.com/ndjson/ndjson-spec>.

use super::{Each, Frame, FrameKind, Framer, MAX_FRAME, text, too_long};
use crate::error::Error;

/// The state between pushes: an unfinished line.
#[derive(Debug, Default)]
pub struct Ndjson {
    line: Vec<u8>,
}

fn deliver(line: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    each(Frame { kind: FrameKind::Event, event: "", data: text(line)? })
}

impl Framer for Ndjson {
    fn push(&mut self, mut bytes: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (head, tail) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            if self.line.is_empty() {
                deliver(head, each)?;
            } else {
                self.line.extend_from_slice(head);
                let whole = std::mem::take(&mut self.line);
                deliver(&whole, each)?;
            }
            bytes = tail.get(1..).unwrap_or_default();
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > MAX_FRAME { Err(too_long()) } else { Ok(()) }
    }

    fn end(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        let last = std::mem::take(&mut self.line);
        deliver(&last, each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cut_anywhere() {
        let stream = b"{\"a\":1}\r\n\n{\"b\":2}\n{\"c\":3}";
        for size in 1..stream.len() {
            let mut framer = Ndjson::default();
            let mut seen = Vec::new();
            let mut each = |frame: Frame<'_>| {
                seen.push(frame.data.to_owned());
                Ok(())
            };
            stream.chunks(size).for_each(|piece| framer.push(piece, &mut each).unwrap());
            framer.end(&mut each).unwrap();
            assert_eq!(seen, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"], "pieces of {size}");
        }
    }
}
