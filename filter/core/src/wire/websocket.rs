//! The texts in a stream of WebSocket frames, read on the way: RFC 6455, section 5.2
//! (<https://www.rfc-editor.org/rfc/rfc6455#section-5.2>). Knows nothing of what they say.

/// The longest text that is read, in bytes; a longer one is skipped. Frames of sound are texts, too, and are shorter.
const MAX_TEXT: usize = 1024 * 1024;
/// What a text may leave allocated, in bytes.
const KEPT: usize = 64 * 1024;

/// Finds whole texts, however the bytes are cut and the texts in frames.
#[derive(Debug, Default)]
pub struct WebSocket {
    /// The head of the frame that is being read.
    head: Vec<u8>,
    /// What is to come of the frame's payload, once its head is there.
    left: Option<u64>,
    mask: Option<[u8; 4]>,
    /// The place in the payload.
    at: usize,
    message: Message,
    text: Vec<u8>,
}

/// The message of which frames are coming; control frames may come in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Message {
    /// Binary, compressed by an extension, or too long.
    #[default]
    Skipped,
    Text,
}

/// How many bytes the head has of which these have come.
fn length_of(head: &[u8]) -> usize {
    let Some(second) = head.get(1) else { return 2 };
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + if second & 0x80 == 0 { 0 } else { 4 }
}

impl WebSocket {
    /// The next bytes. `each` gets every text that they complete.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(&str)) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left.is_none() {
                self.head.push(*first);
                bytes = rest;
                if self.head.len() == length_of(&self.head) {
                    self.open();
                }
            }
            let Some(left) = self.left else { continue };
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, later) = bytes.split_at(now);
            self.payload(payload);
            bytes = later;
            let left = left - now as u64;
            self.left = Some(left);
            if left == 0 {
                self.close(each);
            }
        }
    }

    const fn is_control(first: u8) -> bool {
        first & 0x08 != 0
    }

    fn first(&self) -> u8 {
        self.head.first().copied().unwrap_or_default()
    }

    /// The head is complete.
    fn open(&mut self) {
        let second = self.head.get(1).copied().unwrap_or_default();
        let masked = second & 0x80 != 0;
        let end = self.head.len() - if masked { 4 } else { 0 };
        let big = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let left = match second & 0x7f {
            length @ 0..=125 => u64::from(length),
            _ => big(self.head.get(2..end).unwrap_or_default()),
        };
        self.left = Some(left);
        self.mask = self.head.get(end..).and_then(|mask| mask.try_into().ok());
        self.at = 0;
        let first = self.first();
        match first & 0x0f {
            1 => {
                self.text.clear();
                self.message = if first & 0x70 == 0 { Message::Text } else { Message::Skipped };
            }
            2 => self.message = Message::Skipped,
            _ => {}
        }
    }

    fn payload(&mut self, bytes: &[u8]) {
        if Self::is_control(self.first()) || self.message == Message::Skipped {
            return;
        }
        if self.text.len() + bytes.len() > MAX_TEXT {
            self.message = Message::Skipped;
            self.text = Vec::new();
            return;
        }
        match self.mask {
            None => self.text.extend_from_slice(bytes),
            Some(mask) => {
                let mask = mask.into_iter().cycle().skip(self.at % 4);
                self.text.extend(bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
                self.at += bytes.len();
            }
        }
    }

    /// The frame is complete.
    fn close(&mut self, each: &mut dyn FnMut(&str)) {
        let first = self.first();
        self.head.clear();
        self.left = None;
        if Self::is_control(first) || first & 0x80 == 0 {
            return;
        }
        if self.message == Message::Text
            && let Ok(text) = std::str::from_utf8(&self.text)
        {
            each(text);
        }
        self.message = Message::Skipped;
        self.text.clear();
        self.text.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with this first byte.
    fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let mut out = vec![first];
        let bit = if mask.is_some() { 0x80 } else { 0 };
        match payload.len() {
            length @ 0..=125 => out.push(bit | u8::try_from(length).unwrap()),
            length @ 126..=0xffff => {
                out.push(bit | 126);
                out.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                out.push(bit | 127);
                out.extend((length as u64).to_be_bytes());
            }
        }
        out.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
        let mask = mask.unwrap_or_default();
        out.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    fn texts<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<String> {
        let (mut socket, mut found) = (WebSocket::default(), Vec::new());
        for piece in pieces {
            socket.push(piece, &mut |text| found.push(text.to_owned()));
        }
        found
    }

    #[test]
    fn texts_are_found_however_they_are_framed_and_cut() {
        let long = "ä".repeat(200);
        let huge = "x".repeat(70_000);
        let masked = Some([1, 2, 3, 254]);
        let stream = [
            frame(0x81, b"one", None),
            frame(0x81, "zwöi".as_bytes(), masked),
            frame(0x89, b"ping", None),
            frame(0x01, b"th", None),
            frame(0x8a, b"pong", masked),
            frame(0x00, b"", None),
            frame(0x80, b"ree", masked),
            frame(0x82, b"binary", None),
            frame(0x81, b"", None),
            frame(0xc1, b"deflated", None),
            frame(0x81, long.as_bytes(), masked),
            frame(0x81, huge.as_bytes(), None),
            frame(0x81, &[0xff], None),
            frame(0x81, b"last", None),
            frame(0x88, &[3, 232], None),
        ]
        .concat();
        let wanted = ["one", "zwöi", "three", "", &long, &huge, "last"];
        assert_eq!(texts([&*stream]), wanted);
        assert_eq!(texts(stream.chunks(1)), wanted);
        for size in 2..600 {
            assert_eq!(texts(stream.chunks(size)), wanted, "pieces of {size}");
        }
        for cut in 0..1000 {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(texts([head, tail]), wanted, "cut at {cut}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_skipped_and_kept_nowhere() {
        let mut socket = WebSocket::default();
        let mut found = Vec::new();
        let mut each = |text: &str| found.push(text.len());
        let piece = vec![b'x'; 100_000];
        socket.push(&frame(0x01, &piece, None), &mut each);
        for _ in 0..20 {
            socket.push(&frame(0x00, &piece, None), &mut each);
            assert!(socket.text.capacity() <= 2 * MAX_TEXT);
        }
        socket.push(&frame(0x80, b"end", None), &mut each);
        // A length that nobody ever sends.
        socket.push(&frame(0x81, b"next", None), &mut each);
        socket.push(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255], &mut each);
        socket.push(&vec![b'y'; 2 * MAX_TEXT], &mut each);
        assert!(socket.text.capacity() <= KEPT);
        assert_eq!(found, [4]);
    }
}
