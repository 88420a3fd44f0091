//! One JSON array whose items are the events, each known when its last byte has come.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc8259#section-5>. Whether an item is valid JSON is for its reader to say: this
//! only finds where it ends. A value that is no array is delivered as one [`FrameKind::Bare`] frame.

use super::{Each, Frame, FrameKind, Framer, MAX_FRAME, text, too_long};
use crate::error::Error;

/// The state between pushes: where in the array the bytes have come, and the item that is not yet whole.
#[derive(Debug, Default)]
pub struct JsonArray {
    place: Place,
    item: Vec<u8>,
    /// Open brackets inside the item.
    depth: usize,
    in_string: bool,
    after_backslash: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Between,
    Inside,
    Behind,
    /// What came is no array.
    Bare,
}

impl JsonArray {
    /// Reads a byte of the array's own level; true when it begins an item.
    fn outer(&mut self, byte: u8) -> bool {
        match (self.place, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n') | (Place::Between, b',') => false,
            (Place::Before, b'[') => {
                self.place = Place::Between;
                false
            }
            (Place::Between, b']') => {
                self.place = Place::Behind;
                false
            }
            (Place::Between, _) => {
                self.place = Place::Inside;
                true
            }
            // An error object behind the array, as well as one instead of it, must not get lost.
            (Place::Before | Place::Behind | Place::Inside | Place::Bare, _) => {
                self.place = Place::Bare;
                true
            }
        }
    }

    /// Reads a byte inside an item; true when the item ends before it (`item` is whole without it).
    fn inner(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.after_backslash => self.after_backslash = false,
                b'\\' => self.after_backslash = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b',' | b']' if self.depth == 0 => return true,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }

    fn deliver(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        let item = std::mem::take(&mut self.item);
        self.place = Place::Between;
        let sent = each(Frame { kind: FrameKind::Event, event: "", data: text(item.trim_ascii())? });
        self.item = item;
        self.item.clear();
        sent
    }
}

impl Framer for JsonArray {
    fn push(&mut self, bytes: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
        for byte in bytes {
            match self.place {
                Place::Bare => self.item.push(*byte),
                Place::Inside => {
                    let nested = self.depth > 0;
                    if self.inner(*byte) {
                        self.deliver(each)?;
                        self.outer(*byte);
                    } else {
                        self.item.push(*byte);
                        // An object is whole with its last bracket: it must not wait for the comma behind it.
                        if nested && self.depth == 0 {
                            self.deliver(each)?;
                        }
                    }
                }
                _ => {
                    if self.outer(*byte) {
                        self.item.push(*byte);
                        self.inner(*byte);
                    }
                }
            }
            if self.item.len() > MAX_FRAME {
                return Err(too_long());
            }
        }
        Ok(())
    }

    fn end(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        match self.place {
            Place::Before | Place::Between | Place::Behind => Ok(()),
            Place::Bare => {
                let bare = std::mem::take(&mut self.item);
                let bare = bare.trim_ascii();
                each(Frame { kind: FrameKind::Bare, event: "", data: &String::from_utf8_lossy(bare) })
            }
            Place::Inside => Err(Error::garbled("The provider's stream ended inside an event.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(stream: &[u8], size: usize) -> Result<Vec<(FrameKind, String)>, Error> {
        let mut framer = JsonArray::default();
        let mut seen = Vec::new();
        let mut each = |frame: Frame<'_>| {
            seen.push((frame.kind, frame.data.to_owned()));
            Ok(())
        };
        for piece in stream.chunks(size) {
            framer.push(piece, &mut each)?;
        }
        framer.end(&mut each)?;
        Ok(seen)
    }

    #[test]
    fn items_cut_anywhere() {
        let stream = "[{\"a\": \"}]\\\\\\\",[\u{e9}\"}\r\n,\r\n{\"b\":[1,{}]},7 ,\n[2]]\n".as_bytes();
        let whole = frames(stream, stream.len()).unwrap();
        let items: Vec<&str> = whole.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(items, ["{\"a\": \"}]\\\\\\\",[\u{e9}\"}", "{\"b\":[1,{}]}", "7", "[2]"]);
        for size in 1..stream.len() {
            assert_eq!(frames(stream, size).unwrap(), whole, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_array_is_bare() {
        let error = b"\n{\"error\": {\n\"code\": 500}}\n";
        for size in 1..error.len() {
            let seen = frames(error, size).unwrap();
            assert_eq!(seen, [(FrameKind::Bare, "{\"error\": {\n\"code\": 500}}".to_owned())]);
        }
        assert_eq!(frames(b"[] oops", 2).unwrap(), [(FrameKind::Bare, "oops".to_owned())]);
        assert!(frames(b"[{\"a\":1},{\"b\"", 3).is_err());
        assert!(frames(b"", 1).unwrap().is_empty());
    }

    #[test]
    fn an_object_leaves_with_its_last_bracket() {
        let mut framer = JsonArray::default();
        let mut count = 0;
        framer
            .push(b"[{\"a\":{}}", &mut |_| {
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, 1);
    }
}
