//! Images, documents, sound and film: as bytes, or by their place in S3. The filter fetches nothing.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html>.

use std::borrow::Cow;

use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::Part;
use crate::openai::message::DataUrl;

/// What a media type or a file name's end means in Converse: the block, its format, the media types, the ends.
struct Format {
    block: &'static str,
    format: &'static str,
    media_types: &'static [&'static str],
    ends: &'static [&'static str],
}

const fn format(
    block: &'static str,
    format: &'static str,
    media_types: &'static [&'static str],
    ends: &'static [&'static str],
) -> Format {
    Format { block, format, media_types, ends }
}

const FORMATS: &[Format] = &[
    format("image", "png", &["image/png"], &["png"]),
    format("image", "jpeg", &["image/jpeg", "image/jpg"], &["jpg", "jpeg"]),
    format("image", "gif", &["image/gif"], &["gif"]),
    format("image", "webp", &["image/webp"], &["webp"]),
    format("document", "pdf", &["application/pdf"], &["pdf"]),
    format("document", "csv", &["text/csv", "application/csv"], &["csv"]),
    format("document", "doc", &["application/msword"], &["doc"]),
    format(
        "document",
        "docx",
        &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
        &["docx"],
    ),
    format("document", "xls", &["application/vnd.ms-excel"], &["xls"]),
    format(
        "document",
        "xlsx",
        &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
        &["xlsx"],
    ),
    format("document", "html", &["text/html"], &["html", "htm"]),
    format("document", "md", &["text/markdown"], &["md", "markdown"]),
    format("document", "txt", &["text/plain"], &["txt", "text"]),
    format("video", "mkv", &["video/x-matroska", "video/matroska"], &["mkv"]),
    format("video", "mov", &["video/quicktime"], &["mov"]),
    format("video", "mp4", &["video/mp4"], &["mp4"]),
    format("video", "webm", &["video/webm"], &["webm"]),
    format("video", "flv", &["video/x-flv"], &["flv"]),
    format("video", "mpeg", &["video/mpeg"], &["mpeg", "mpg"]),
    format("video", "wmv", &["video/x-ms-wmv"], &["wmv"]),
    format("video", "three_gp", &["video/3gpp"], &["3gp"]),
    format("audio", "mp3", &["audio/mpeg", "audio/mp3"], &["mp3"]),
    format("audio", "wav", &["audio/wav", "audio/x-wav"], &["wav"]),
    format("audio", "flac", &["audio/flac"], &["flac"]),
    format("audio", "ogg", &["audio/ogg"], &["ogg"]),
    format("audio", "aac", &["audio/aac"], &["aac"]),
    format("audio", "m4a", &["audio/mp4", "audio/m4a"], &["m4a"]),
];

fn of_media_type(media_type: &str) -> Option<&'static Format> {
    let bare = media_type.split(';').next().unwrap_or_default().trim();
    FORMATS.iter().find(|known| known.media_types.iter().any(|name| name.eq_ignore_ascii_case(bare)))
}

/// The format that the end of a file's name or address tells.
fn of_name(name: &str) -> Option<&'static Format> {
    let (_, end) = name.rsplit_once('.')?;
    FORMATS.iter().find(|known| known.ends.iter().any(|known| known.eq_ignore_ascii_case(end)))
}

/// The names of a request's documents: Converse wants each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: Vec<String>,
}

impl Names {
    /// A legal name like `wanted`: letters, digits, single spaces, hyphens, parentheses and brackets; at most 200.
    fn fresh(&mut self, wanted: Option<&str>) -> String {
        let stem = wanted.map(|name| name.rsplit(['/', '\\']).next().unwrap_or(name));
        let stem = stem.map_or("", |name| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
        let mut name = String::with_capacity(stem.len());
        for c in stem.chars().take(190) {
            let c = match c {
                c if c.is_ascii_alphanumeric() || "()[]-".contains(c) => c,
                c if c.is_whitespace() => ' ',
                _ => '-',
            };
            if !(c == ' ' && name.ends_with(' ')) {
                name.push(c);
            }
        }
        let name = match name.trim() {
            "" => "document",
            name => name,
        };
        let mut free = name.to_owned();
        let mut count = 1;
        while self.taken.contains(&free) {
            count += 1;
            free = format!("{name}-{count}");
        }
        self.taken.push(free.clone());
        free
    }
}

/// The refusal of something that Converse has no block for.
pub(super) fn refused(index: usize, to: &Target, what: &str) -> Error {
    Error::invalid(format!("'messages[{index}]' has {what}, which {} does not take.", to.provider.label))
        .param(format!("messages[{index}].content"))
}

/// Writes an image, a file or sound as a block; gives the cache breakpoint that stands behind it.
pub(super) fn write<'a>(
    part: &Part<'a>,
    names: &mut Names,
    to: &Target,
    index: usize,
    body: &mut Vec<u8>,
) -> Result<Option<Json<'a>>, Error> {
    let at = Place { to, index };
    match part {
        Part::Image { url, format, cache, .. } => {
            at.url(*url, plain(*format).as_deref(), None, names, body)?;
            Ok(*cache)
        }
        Part::File { data, id, filename, format, cache } => {
            let (format, filename) = (plain(*format), plain(*filename));
            match (data, id) {
                (Some(data), _) => at.file(*data, format.as_deref(), filename.as_deref(), names, body)?,
                (None, Some(id)) => at.url(*id, format.as_deref(), filename.as_deref(), names, body)?,
                (None, None) => return Err(at.wrong("a file without data")),
            }
            Ok(*cache)
        }
        Part::Audio { data, format } => {
            let name = format!(".{}", format.plain());
            let found = of_name(&name).filter(|known| known.block == "audio");
            let found = found.ok_or_else(|| at.wrong(&format!("sound as '{}'", format.plain())))?;
            block(found, Source::Bytes(data.raw()), names, None, body);
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn plain<'a>(token: Option<Str<'a>>) -> Option<Cow<'a, str>> {
    token.map(Str::plain)
}

#[derive(Clone, Copy)]
enum Source<'a> {
    /// Base64, as a spelling.
    Bytes(&'a str),
    /// An address in S3.
    S3(&'a str),
}

fn block(known: &Format, source: Source<'_>, names: &mut Names, name: Option<&str>, body: &mut Vec<u8>) {
    body.open(b'{');
    body.key(known.block);
    body.open(b'{');
    body.field_text("format", known.format);
    if known.block == "document" {
        body.field_text("name", &names.fresh(name));
    }
    body.key("source");
    body.open(b'{');
    match source {
        Source::Bytes(base64) => body.field_token("bytes", Str::spelled(base64)),
        Source::S3(uri) => {
            body.key("s3Location");
            body.open(b'{');
            body.field_text("uri", uri);
            body.close(b'}');
        }
    }
    body.close(b'}');
    body.close(b'}');
    body.close(b'}');
}

/// Where in the request something stands.
struct Place<'p> {
    to: &'p Target,
    index: usize,
}

impl Place<'_> {
    fn wrong(&self, what: &str) -> Error {
        refused(self.index, self.to, what)
    }

    /// A data-URL, or an address in S3. `format` is the media type or the name's end that the client gives beside it.
    fn url(
        &self,
        url: Str<'_>,
        format: Option<&str>,
        filename: Option<&str>,
        names: &mut Names,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let param = format!("messages[{}].content", self.index);
        if let Some(data) = DataUrl::read(url, &param)? {
            let told = format.and_then(of_format).or_else(|| of_media_type(&data.media_type));
            let known = told.or_else(|| filename.and_then(of_name));
            let known = known.ok_or_else(|| self.wrong(&format!("a file of type '{}'", data.media_type)))?;
            block(known, Source::Bytes(&data.base64), names, filename, body);
            return Ok(());
        }
        let address = url.plain();
        if !address.starts_with("s3://") {
            return Err(Error::invalid(format!(
                "'messages[{}]' has a file by its address or id. {} takes files as data-URLs or from s3://, and the \
                 gateway does not fetch them.",
                self.index, self.to.provider.label
            ))
            .param(param));
        }
        let known = format.and_then(of_format).or_else(|| of_name(&address));
        let known =
            known.ok_or_else(|| self.wrong(&format!("a file whose type '{address}' does not tell")))?;
        let name = filename.unwrap_or(&address);
        block(known, Source::S3(&address), names, Some(name), body);
        Ok(())
    }

    /// A file's data: a data-URL, or bare base64 whose type something beside it tells.
    fn file(
        &self,
        data: Str<'_>,
        format: Option<&str>,
        filename: Option<&str>,
        names: &mut Names,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if data.raw().get(..5).is_some_and(|head| head.eq_ignore_ascii_case("data:")) {
            return self.url(data, format, filename, names, body);
        }
        let known = format.and_then(of_format).or_else(|| filename.and_then(of_name));
        let known = known.ok_or_else(|| {
            self.wrong("a file of unknown type (give a data-URL, a 'format' or a 'filename' with an ending)")
        })?;
        block(known, Source::Bytes(data.raw()), names, filename, body);
        Ok(())
    }
}

/// The format that a client's own word tells: a media type, or a name's end.
fn of_format(word: &str) -> Option<&'static Format> {
    of_media_type(word).or_else(|| of_name(&format!(".{word}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_unique() {
        let mut names = Names::default();
        let fresh = |names: &mut Names, name| names.fresh(Some(name));
        assert_eq!(fresh(&mut names, "Q3 report (final)  v2.pdf"), "Q3 report (final) v2");
        assert_eq!(fresh(&mut names, "a/b\\ünder_score.txt"), "-nder-score");
        assert_eq!(names.fresh(None), "document");
        assert_eq!(names.fresh(None), "document-2");
        assert_eq!(fresh(&mut names, "document.pdf"), "document-3");
        assert!(fresh(&mut names, &"x".repeat(500)).len() <= 200);
    }
}
