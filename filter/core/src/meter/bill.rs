//! What an attempt is billed: the provider's own counts, or what was seen where it could not tell them.

use super::{ModelInfo, Tried, Usage};
use crate::openai::Body;

/// Bytes of text that are one token, where nobody has counted.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens of an image, where nobody has counted: OpenAI's for one of 1024 pixels.
const IMAGE_TOKENS: u64 = 765;
/// How much of a data-URL says what it is.
const DATA_URL_HEAD: usize = 100;

/// What one attempt is billed by its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The tokens.
    pub usage: Usage,
    /// Whether a part of them is estimated.
    pub estimated: bool,
    /// What they cost, in nanodollars; `None` where the price is not known.
    pub cost: Option<u64>,
}

impl Bill {
    /// The bill of an attempt; `None` when the provider did nothing that it bills.
    ///
    /// A provider's counts hold when its reply is complete. A stream that was dropped or cut has told the prompt's tokens
    /// at most; what it has generated is estimated by its text. One that was broken off for another's sake has read its prompt.
    #[must_use]
    pub fn of(tried: &Tried, info: Option<&ModelInfo>) -> Option<Self> {
        if tried.free {
            return None;
        }
        let seen = &tried.seen;
        let ended = tried.ended.is_some() && tried.failure.is_none() && !tried.abandoned;
        let complete = seen.finish.is_some() || ended;
        let (usage, estimated) = match seen.usage {
            Some(usage) if complete => (usage, false),
            Some(usage) => {
                let output = usage.output.max(seen.output_bytes.div_ceil(BYTES_PER_TOKEN));
                let input = if usage.input == 0 { tried.prompt } else { usage.input };
                (Usage { input, output, ..usage }, true)
            }
            // An error, or nothing at all.
            None if !(200..300).contains(&tried.status) && !tried.abandoned => return None,
            None if tried.failure.is_some() && seen.output_bytes == 0 => return None,
            None => {
                let output = seen.output_bytes.div_ceil(BYTES_PER_TOKEN);
                (Usage { input: tried.prompt, output, ..Usage::default() }, true)
            }
        };
        let price = info.and_then(|info| info.price.as_ref());
        let cost = price.map(|price| price.cost(&usage, seen.tier));
        Some(Self { usage, estimated, cost })
    }
}

/// About how many tokens a request's body is. Images in it are counted, not measured.
#[must_use]
pub fn prompt_estimate(body: &Body) -> u64 {
    let image = |text: &&str| {
        let head = text.as_bytes().get(..DATA_URL_HEAD).unwrap_or_default();
        head.starts_with(b"data:") && memchr::memmem::find(head, b";base64,").is_some()
    };
    let (mut text, mut images) = (body.len(), 0);
    for image in body.long_strings().filter(image) {
        images += 1;
        text = text.saturating_sub(image.len());
    }
    (text as u64).div_ceil(BYTES_PER_TOKEN) + images * IMAGE_TOKENS
}

/// Nanodollars as a decimal number of dollars.
#[must_use]
pub fn dollars(nanodollars: u64) -> String {
    let text = format!("{}.{:09}", nanodollars / 1_000_000_000, nanodollars % 1_000_000_000);
    let short = text.trim_end_matches('0');
    short.strip_suffix('.').unwrap_or(short).to_owned()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::config::Target;
    use crate::error::Kind;
    use crate::meter::Seen;

    fn tried(seen: Seen, failure: Option<Kind>, ended: bool) -> Tried {
        let target = r#"{"id":"t","provider":"openai","model":"m","info":{"price":{"rates":[1000,2000]}}}"#;
        let target = Rc::new(Target::from_json(target).unwrap());
        let info = target.info.clone();
        let ended = ended.then_some(2);
        Tried { status: 200, seen, failure, ended, prompt: 50, info, ..Tried::begin(target, 1) }
    }

    fn billed(tried: &Tried) -> Option<Bill> {
        Bill::of(tried, tried.info.as_deref())
    }

    fn counted(input: u64, output: u64) -> Option<Usage> {
        Some(Usage { input, output, ..Usage::default() })
    }

    #[test]
    fn a_complete_replys_own_counts_hold() {
        let seen = Seen { usage: counted(10, 5), output_bytes: 400, ..Seen::default() };
        let bill = billed(&tried(seen, None, true)).unwrap();
        assert_eq!((bill.usage.output, bill.estimated, bill.cost), (5, false, Some(20)));
    }

    #[test]
    fn a_stream_that_was_cut_is_billed_by_what_was_seen() {
        // Anthropic tells the prompt's tokens at once, and one of the output's.
        let seen = Seen { usage: counted(10, 1), output_bytes: 400, ..Seen::default() };
        let bill = billed(&tried(seen.clone(), None, false)).unwrap();
        assert_eq!((bill.usage.input, bill.usage.output, bill.estimated), (10, 100, true));
        assert!(billed(&tried(seen.clone(), Some(Kind::BadGateway), true)).unwrap().estimated);
        let finished = Seen { usage: counted(10, 9), finish: Some("stop".into()), ..seen };
        assert!(!billed(&tried(finished, None, false)).unwrap().estimated);
        // Others tell nothing before the end.
        let seen = Seen { output_bytes: 401, ..Seen::default() };
        let bill = billed(&tried(seen, None, false)).unwrap();
        assert_eq!((bill.usage.input, bill.usage.output, bill.estimated), (50, 101, true));
    }

    #[test]
    fn errors_are_billed_only_where_the_provider_counts_them() {
        let failed = |usage| {
            let seen = Seen { usage, ..Seen::default() };
            billed(&Tried { status: 400, ..tried(seen, Some(Kind::ContentPolicy), true) })
        };
        assert_eq!(failed(None), None);
        assert_eq!(failed(counted(7, 0)).unwrap().usage.input, 7);
        let free = Tried { free: true, ..tried(Seen::default(), None, true) };
        assert_eq!(billed(&free), None);
        let nothing = Tried { status: 0, ..tried(Seen::default(), None, false) };
        assert_eq!(billed(&nothing), None);
    }

    #[test]
    fn what_was_broken_off_for_anothers_sake_has_read_its_prompt() {
        let abandoned = Tried { status: 0, abandoned: true, ..tried(Seen::default(), None, true) };
        let bill = billed(&abandoned).unwrap();
        assert_eq!((bill.usage.input, bill.usage.output, bill.estimated), (50, 0, true));
        let told = Seen { usage: counted(10, 1), ..Seen::default() };
        let bill = billed(&Tried { abandoned: true, ..tried(told, None, true) }).unwrap();
        assert_eq!((bill.usage.input, bill.usage.output, bill.estimated), (10, 1, true));
    }

    #[test]
    fn no_price_is_no_cost() {
        let seen = Seen { usage: counted(10, 5), ..Seen::default() };
        let unpriced = Tried { info: None, ..tried(seen, None, true) };
        assert_eq!(billed(&unpriced).unwrap().cost, None);
    }

    #[test]
    fn an_image_is_no_text() {
        let image = "A".repeat(100_000);
        let body = format!(r#"{{"url":"data:image/png;base64,{image}","text":"{}"}}"#, "b".repeat(400));
        let estimate = |body: &str| prompt_estimate(&Body::read(body.as_bytes().to_vec()).unwrap());
        assert!((860..900).contains(&estimate(&body)), "{}", estimate(&body));
        assert_eq!(estimate(r#"{"a":"bc"}"#), 3);
    }

    #[test]
    fn dollars_are_decimal() {
        for (nano, text) in [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (2_000_000_000, "2")] {
            assert_eq!(dollars(nano), text);
        }
    }
}
