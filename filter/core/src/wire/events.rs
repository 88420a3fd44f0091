//! Server-sent events kept as bytes: for streams that pass unchanged but for single events taken out.

use super::MAX_FRAME;

/// Cuts a byte stream into whole events, their ends included, and holds an unfinished one back.
#[derive(Debug, Default)]
pub struct Events {
    pending: Vec<u8>,
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on as it is.
    Pass,
    /// It is taken out.
    Drop,
    /// These bytes take its place.
    Replace(Vec<u8>),
}

impl Events {
    /// Whether nothing is held back.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes the next bytes; appends the events that they complete, and that `judge` lets pass, to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, judge: &mut dyn FnMut(&[u8]) -> Fate) {
        let held = self.pending.len();
        let owned;
        let mut rest = if held == 0 {
            bytes
        } else {
            self.pending.extend_from_slice(bytes);
            owned = std::mem::take(&mut self.pending);
            &owned
        };
        // What was held back holds no whole event; only an end that began in its last three bytes may complete now.
        let mut from = held.saturating_sub(3);
        while let Some(end) = event_end(rest, from) {
            let (event, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            settle(event, judge(event), out);
            rest = tail;
            from = 0;
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() > MAX_FRAME {
            // Nobody can mean this as one event: let it go unjudged rather than grow.
            out.append(&mut self.pending);
        }
    }

    /// The stream has ended: what was held back goes out, judged as an event.
    pub fn end(&mut self, out: &mut Vec<u8>, judge: &mut dyn FnMut(&[u8]) -> Fate) {
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            settle(&last, judge(&last), out);
        }
    }
}

fn settle(event: &[u8], fate: Fate, out: &mut Vec<u8>) {
    match fate {
        Fate::Pass => out.extend_from_slice(event),
        Fate::Drop => {}
        Fate::Replace(bytes) => out.extend_from_slice(&bytes),
    }
}

/// An event with other data where its own stands: what [`data`] found in it.
#[must_use]
pub fn with_data(event: &[u8], found: &[u8], data: &str) -> Option<Vec<u8>> {
    let at = (found.as_ptr() as usize).checked_sub(event.as_ptr() as usize)?;
    let (head, tail) = (event.get(..at)?, event.get(at + found.len()..)?);
    Some([head, data.as_bytes(), tail].concat())
}

/// The offset behind the empty line that ends the first event, searching from `from`.
fn event_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        at += super::sse::line_end(rest)?;
        match bytes.get(at..)? {
            [b'\r', b'\n', b'\r', b'\n', ..] => return Some(at + 4),
            [b'\n', b'\r', b'\n', ..] => return Some(at + 3),
            [b'\n', b'\n', ..] | [b'\r', b'\r', ..] => return Some(at + 2),
            _ => at += 1,
        }
    }
}

/// The payload of an event's first `data` field, which is the only one in the streams that this is for.
#[must_use]
pub fn data(event: &[u8]) -> &[u8] {
    let mut rest = event;
    while !rest.is_empty() {
        let end = super::sse::line_end(rest).unwrap_or(rest.len());
        let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if let Some(data) = line.strip_prefix(b"data:") {
            return data.trim_ascii();
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_drops_the_same_event() {
        for eol in ["\n", "\r\n", "\r"] {
            let stream = ": hi|event: x|data: 1||data: {\"drop\":1}||data: 2||data: tail".replace('|', eol);
            let wanted = ": hi|event: x|data: 1||data: 2||data: tail".replace('|', eol);
            for size in 1..=stream.len() {
                let (mut events, mut out) = (Events::default(), Vec::new());
                let mut judge = |event: &[u8]| {
                    if memchr::memmem::find(event, b"drop").is_some() { Fate::Drop } else { Fate::Pass }
                };
                stream.as_bytes().chunks(size).for_each(|piece| events.push(piece, &mut out, &mut judge));
                events.end(&mut out, &mut judge);
                assert_eq!(String::from_utf8(out).unwrap(), wanted, "pieces of {size}, {eol:?}");
            }
        }
    }
}
