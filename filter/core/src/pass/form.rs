//! A multipart form (RFC 7578), read no further than the field that names a model.

use std::ops::Range;

use memchr::memmem;

/// Where a form's `model` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Here: its value's place in the bytes.
    At(Range<usize>),
    /// It has not come yet.
    Later,
    /// There is none, or this is no such form.
    Absent,
}

/// How long a part's own head may be, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Finds the field `model` in the beginning of a form of this content type.
#[must_use]
pub fn model_field(content_type: &str, bytes: &[u8]) -> Field {
    let Some(boundary) = boundary(content_type) else { return Field::Absent };
    let delimiter = format!("--{boundary}");
    let Some(mut at) = memmem::find(bytes, delimiter.as_bytes()) else { return Field::Later };
    let between = format!("\r\n{delimiter}");
    loop {
        at += delimiter.len();
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Field::Absent;
        }
        let head = rest.get(..MAX_HEAD.min(rest.len())).unwrap_or_default();
        let Some(end) = memmem::find(head, b"\r\n\r\n") else {
            return if rest.len() > MAX_HEAD { Field::Absent } else { Field::Later };
        };
        let start = at + end + 4;
        let value = bytes.get(start..).unwrap_or_default();
        let Some(length) = memmem::find(value, between.as_bytes()) else { return Field::Later };
        if head.get(..end).is_some_and(is_model) {
            return Field::At(start..start + length);
        }
        at = start + length + 2;
    }
}

/// Whether a part's head is that of the field `model`.
fn is_model(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("content-disposition")
            && value.split(';').any(|part| matches!(part.trim(), "name=\"model\"" | "name=model"))
    })
}

fn boundary(content_type: &str) -> Option<&str> {
    let parameter = content_type.split(';').skip(1).find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let boundary = parameter.trim_matches('"');
    // RFC 2046: one to seventy characters.
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xYz";
    const FILE: &str = "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\n\0\r\n--xY\r\n";
    const MODEL: &str = "--xYz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n";

    fn found(bytes: &str) -> Option<String> {
        match model_field(TYPE, bytes.as_bytes()) {
            Field::At(place) => bytes.get(place).map(str::to_owned),
            _ => None,
        }
    }

    #[test]
    fn the_model_is_found_wherever_it_stands() {
        for form in [format!("{MODEL}{FILE}--xYz--\r\n"), format!("{FILE}{MODEL}--xYz--\r\n")] {
            assert_eq!(found(&form).as_deref(), Some("whisper-1"), "{form}");
            let whole = form.find("whisper-1").unwrap() + "whisper-1\r\n--xYz".len();
            for cut in 0..whole {
                assert_eq!(model_field(TYPE, &form.as_bytes()[..cut]), Field::Later, "{cut}");
            }
        }
    }

    #[test]
    fn a_form_without_one_says_so() {
        assert_eq!(model_field(TYPE, format!("{FILE}--xYz--\r\n").as_bytes()), Field::Absent);
        assert_eq!(model_field("multipart/form-data", MODEL.as_bytes()), Field::Absent);
        let endless = format!("--xYz\r\n{}", "x".repeat(MAX_HEAD + 1));
        assert_eq!(model_field(TYPE, endless.as_bytes()), Field::Absent);
    }
}
