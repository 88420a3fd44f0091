//! Several prompts for a target that only chats: it is asked for one after the other, and the answers become one reply.
//!
//! What is asked for each is a request of its own ([`part`]), without a stream; [`Several`] keeps what has been answered.

use super::request::refused;
use crate::client::Request;
use crate::error::Error;
use crate::json::{Cursor, Json, Kind, Out, Str};
use crate::meter::{Bill, Usage};
use crate::openai::Body;

/// The most prompts that a target that only chats is asked for. Envoy begins a request anew 500 times
/// ([`crate::config::MAX_TURNS`]), so that there are 15 attempts for each.
pub const MAX_PROMPTS: usize = 32;

/// The most that is kept of answers while others are still to come, in bytes.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// How many prompts `body` has: texts in a list. Whatever else stands there is for others to judge.
pub(in crate::client) fn prompts(body: &Body) -> usize {
    let Some(list) = body.field("prompt").filter(|prompt| prompt.kind() == Kind::Array) else { return 1 };
    let prompts = list.items();
    if prompts.iter().all(|prompt| prompt.kind() == Kind::String) { prompts.len() } else { 1 }
}

/// The body that asks for one of the prompts only.
///
/// # Errors
/// An internal error when there is no such prompt.
pub(in crate::client) fn part(body: &Body, at: usize) -> Result<Body, Error> {
    let prompts = body.field("prompt").map(Json::items).unwrap_or_default();
    let prompt = prompts.get(at).ok_or_else(|| Error::internal("a prompt that nobody has sent"))?;
    let mut text = Vec::with_capacity(prompt.text().len() + 256);
    text.open(b'{');
    copy(body.fields(), &["prompt", "stream", "stream_options"], &mut text);
    text.field("prompt", *prompt);
    text.close(b'}');
    Body::read(text)
}

/// Appends all fields but those.
fn copy(fields: Vec<(Str<'_>, Json<'_>)>, without: &[&str], out: &mut Vec<u8>) {
    for (key, value) in fields {
        if !without.iter().any(|name| key.is(name)) {
            out.token(key);
            out.push(b':');
            out.raw(value.text());
        }
    }
}

/// Refuses more prompts than a target that only chats is asked for.
///
/// # Errors
/// A client error that names the limit.
pub fn bounded(prompts: usize) -> Result<(), Error> {
    if prompts <= MAX_PROMPTS {
        return Ok(());
    }
    let why = format!(
        "it takes at most {MAX_PROMPTS} of 'prompt' a request, and these are {prompts}: send them as several requests"
    );
    Err(refused("prompt", &why))
}

/// What has been answered of several prompts.
#[derive(Debug)]
pub struct Several {
    /// How many there are.
    prompts: usize,
    /// The place of the prompt whose turn it is.
    at: usize,
    stream: bool,
    include_usage: bool,
    /// The choices so far: items of a JSON array.
    choices: Vec<u8>,
    given: u64,
    /// The prompt before has been answered by the attempt that is about to end.
    passed: bool,
    /// What the prompts before have taken.
    pub before: Option<Before>,
}

/// What the prompts before have taken.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// What it was billed.
    pub bill: Bill,
    /// How many attempts there were.
    pub attempts: usize,
    /// Repetitions, and models that have stood in.
    pub counts: (u32, u32),
}

impl Several {
    /// Nothing has been answered yet of `request`, which asks for so many.
    #[must_use]
    pub fn begin(request: &Request) -> Self {
        Self {
            prompts: request.prompts(),
            at: 0,
            stream: request.stream(),
            include_usage: request.include_usage(),
            choices: Vec::new(),
            given: 0,
            passed: false,
            before: None,
        }
    }

    /// Whether the client wants a stream.
    #[must_use]
    pub const fn streams(&self) -> bool {
        self.stream
    }

    /// The place of the prompt whose turn it is.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Whether a prompt has been answered since this was last asked.
    pub const fn passed(&mut self) -> bool {
        std::mem::replace(&mut self.passed, false)
    }

    /// A bill with what the prompts before were billed.
    #[must_use]
    pub fn with_before(&self, bill: Option<Bill>) -> Option<Bill> {
        let Some(before) = self.before else { return bill };
        let Some(bill) = bill else { return Some(before.bill) };
        let mut usage = before.bill.usage;
        usage.add(&bill.usage);
        let cost = before.bill.cost.zip(bill.cost).map(|(before, cost)| before.saturating_add(cost));
        Some(Bill { usage, estimated: before.bill.estimated || bill.estimated, cost })
    }

    /// A prompt has been answered by `reply`, a whole one in the client's language, for which its provider has told `usage`: the body of
    /// the client's reply, or nothing where the next prompt has its turn. `cost` where a stream's client is told what it costs.
    ///
    /// # Errors
    /// An upstream error when it is no such reply, or when there is no room for what it says.
    pub fn answered(
        &mut self,
        reply: &[u8],
        usage: Option<Usage>,
        cost: Option<u64>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let reply = std::str::from_utf8(reply).ok().and_then(|text| Cursor::new(text).json().ok());
        let reply = reply.filter(|reply| reply.kind() == Kind::Object);
        let reply = reply.ok_or_else(|| Error::garbled("The provider's answer is no completion."))?;
        for choice in reply.field("choices").map(Json::items).unwrap_or_default() {
            let out = &mut self.choices;
            out.open(b'{');
            copy(choice.fields(), &["index"], out);
            out.field_number("index", self.given);
            out.close(b'}');
            self.given += 1;
        }
        if self.choices.len() > MAX_KEPT {
            let message = format!("The prompts' answers are together larger than {MAX_KEPT} bytes.");
            return Err(Error::garbled(message));
        }
        self.at += 1;
        if self.at < self.prompts {
            self.passed = true;
            return Ok(None);
        }
        // What a client is told of tokens is what providers have counted.
        let bill = usage.map(|usage| Bill { usage, estimated: self.before.is_none(), cost });
        let all = bill.and_then(|bill| self.with_before(Some(bill)));
        let usage = all.filter(|bill| !bill.estimated).map(|bill| Usage { cost: bill.cost, ..bill.usage });
        Ok(Some(self.reply(reply, usage)))
    }

    /// The last reply, with all choices and the tokens of all: one object, or events.
    fn reply(&self, last: Json<'_>, usage: Option<Usage>) -> Vec<u8> {
        let choices = std::str::from_utf8(&self.choices).unwrap_or_default();
        let mut out = Vec::with_capacity(self.choices.len() + 512);
        if !self.stream {
            object(last, choices, usage, &mut out);
            return out;
        }
        let list = format!("[{choices}]");
        let mut chunks: Vec<_> =
            Json::trusted(&list).items().iter().map(|item| (item.text(), None)).collect();
        if self.include_usage && usage.is_some() {
            chunks.push(("", usage));
        }
        for (choice, usage) in chunks {
            out.extend_from_slice(b"data: ");
            let begin = out.len();
            object(last, choice, usage, &mut out);
            // An empty line would end the event, and a provider may put some into its JSON.
            for byte in out.iter_mut().skip(begin).filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
            out.extend_from_slice(b"\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        out
    }
}

/// A reply with other choices, and other tokens.
fn object(reply: Json<'_>, choices: &str, usage: Option<Usage>, out: &mut Vec<u8>) {
    // Behind `data: ` no comma may come.
    out.push(b'{');
    copy(reply.fields(), &["choices", "usage"], out);
    out.key("choices");
    out.push(b'[');
    out.extend_from_slice(choices.as_bytes());
    out.push(b']');
    if let Some(usage) = usage {
        out.key("usage");
        usage.write_openai(out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    fn asked(more: &str) -> Request {
        let body = format!(r#"{{"model":"m","prompt":["a","b\n","c"],"n":1{more}}}"#);
        Request::new(Endpoint::Completions, Body::read(body.into_bytes()).unwrap())
    }

    fn reply(text: &str) -> String {
        format!(
            "{{\"id\":\"{text}\",\n\"object\":\"text_completion\",\"choices\":[{{\"index\":0,\"text\":\"{text}\",\"logprobs\":{{\"index\":5}}}},
            {{\"text\":\"\",\"index\":1}}],\"usage\":{{\"prompt_tokens\":99}},\"system_fingerprint\":\"f\"}}"
        )
    }

    fn usage(input: u64) -> Option<Usage> {
        Some(Usage { input, output: 1, ..Usage::default() })
    }

    /// Answers a request's three prompts, each for ten nanodollars; what its client gets.
    fn answer(asked: &Request, usages: [Option<Usage>; 3], cost: Option<u64>) -> String {
        let mut several = Several::begin(asked);
        for (place, text) in ["A", "B", "C"].into_iter().enumerate() {
            assert_eq!(several.at(), place);
            match several.answered(reply(text).as_bytes(), usages[place], cost).unwrap() {
                None => {}
                Some(out) => {
                    assert_eq!((place, several.streams(), several.passed()), (2, asked.stream(), false));
                    return String::from_utf8(out).unwrap();
                }
            }
            assert!(several.passed() && !several.passed());
            let usage = usages[place].unwrap_or_default();
            let bill = Bill { usage, estimated: usages[place].is_none(), cost: Some(10) };
            let bill = several.with_before(Some(bill)).unwrap();
            several.before = Some(Before { bill, attempts: place + 1, counts: (0, 0) });
            assert_eq!(bill.cost, Some(10 * (place as u64 + 1)));
        }
        panic!("no end");
    }

    #[test]
    fn texts_are_counted_and_each_is_a_request_without_a_stream() {
        let all = asked(r#","stream":true,"stream_options":{"include_usage":true},"echo":true"#);
        assert_eq!(all.prompts(), 3);
        let part = all.part(1).unwrap();
        assert_eq!(part.body.text(), r#"{"model":"m","n":1,"echo":true,"prompt":"b\n"}"#);
        assert_eq!((part.prompts(), part.stream()), (1, false));
        assert!(all.part(3).is_err());
        for (prompt, prompts) in
            [("\"a\"", 1), ("[\"a\"]", 1), ("[]", 0), ("[1,2]", 1), ("[\"a\",1]", 1), ("[[1],[2]]", 1)]
        {
            let body = Body::read(format!("{{\"prompt\":{prompt}}}").into_bytes()).unwrap();
            assert_eq!(prompts, super::prompts(&body), "{prompt}");
        }
        assert!(bounded(MAX_PROMPTS).is_ok());
        let error = bounded(MAX_PROMPTS + 1).unwrap_err();
        assert!(error.message.contains("at most 32 of 'prompt'"), "{}", error.message);
    }

    #[test]
    fn answers_become_one_reply() {
        let out = answer(&asked(""), [usage(1), usage(2), usage(3)], None);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let choice = |index: u64, text: &str| match text {
            "" => serde_json::json!({"index": index, "text": ""}),
            text => serde_json::json!({"index": index, "text": text, "logprobs": {"index": 5}}),
        };
        let choices: Vec<_> =
            (0..).zip(["A", "", "B", "", "C", ""]).map(|(index, text)| choice(index, text)).collect();
        let wanted = serde_json::json!({
            "id": "C", "object": "text_completion", "system_fingerprint": "f", "choices": choices,
            "usage": {"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9},
        });
        assert_eq!(value, wanted);
        for untold in [[None, usage(2), usage(3)], [usage(1), None, usage(3)], [usage(1), usage(2), None]] {
            assert!(!answer(&asked(""), untold, None).contains("usage"));
        }
    }

    #[test]
    fn or_one_stream() {
        for (more, counted) in [("", false), (r#","stream_options":{"include_usage":true}"#, true)] {
            let out =
                answer(&asked(&format!(r#","stream":true{more}"#)), [usage(1), usage(2), usage(3)], None);
            let mut events: Vec<&str> = out.split_terminator("\n\n").collect();
            assert_eq!(events.pop(), Some("data: [DONE]"));
            let chunks: Vec<serde_json::Value> = events
                .iter()
                .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
                .collect();
            assert_eq!(chunks.len(), if counted { 7 } else { 6 });
            assert!(events.iter().all(|event| !event.contains('\n')));
            for (index, chunk) in chunks.iter().take(6).enumerate() {
                assert_eq!((&chunk["choices"][0]["index"], &chunk["id"]), (&index.into(), &"C".into()));
                assert!(chunk["choices"][1].is_null() && chunk.get("usage").is_none());
            }
            assert!(!out.contains("cost"));
            if counted {
                assert_eq!(
                    (&chunks[6]["choices"], &chunks[6]["usage"]["total_tokens"]),
                    (&serde_json::json!([]), &9.into())
                );
            }
        }
    }

    #[test]
    fn its_cost_is_told_where_that_of_all_is_known() {
        let asked = asked(r#","stream":true,"stream_options":{"include_usage":true}"#);
        let told = answer(&asked, [usage(1), usage(2), usage(3)], Some(12));
        assert!(told.contains(r#""total_tokens":9,"cost":0.000000032}"#), "{told}");
    }

    #[test]
    fn what_is_no_reply_and_what_is_too_much_is_an_error() {
        for garbled in ["what", "[]", "\u{7f}"] {
            let mut several = Several::begin(&asked(""));
            assert!(several.answered(garbled.as_bytes(), None, None).is_err(), "{garbled}");
        }
        let mut several = Several::begin(&asked(""));
        let long = reply(&"x".repeat(MAX_KEPT / 2 + 1));
        assert!(matches!(several.answered(long.as_bytes(), None, None), Ok(None)));
        let error = several.answered(long.as_bytes(), None, None).unwrap_err();
        assert_eq!(error.http_status(), 502);
    }
}
