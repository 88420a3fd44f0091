//! From Gemini's `GenerateContentResponse` to a sink: one whole, or one of a stream's.
//!
//! Source: <https://ai.google.dev/api/generate-content#generatecontentresponse>.

use super::partial::OpenCall;
use super::signature::SEPARATOR;
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};

json_view! {
    struct Reply<'a> {
        "candidates" => candidates: Vec<Candidate<'a>>,
        "promptFeedback" => feedback: Feedback<'a>,
        "usageMetadata" => usage: UsageView<'a>,
        "modelVersion" => model: Str<'a>,
        "responseId" => id: Str<'a>,
        "error" => error: Json<'a>,
    }
}

json_view! {
    struct Candidate<'a> {
        "content" => content: ContentView<'a>,
        "finishReason" => finish: Str<'a>,
        "finishMessage" => finish_message: Str<'a>,
        "index" => index: u64,
        "logprobsResult" => logprobs: LogprobsView<'a>,
        "citationMetadata" => citations: CitationsView<'a>,
        "groundingMetadata" => grounding: GroundingView<'a>,
    }
}

json_view! {
    struct ContentView<'a> { "parts" => parts: Vec<PartView<'a>> }
}

json_view! {
    struct PartView<'a> {
        "text" => text: Str<'a>,
        "thought" => thought: bool,
        "thoughtSignature" => signature: Str<'a>,
        "functionCall" => call: CallView<'a>,
        "inlineData" => inline: BlobView<'a>,
        "executableCode" => code: Json<'a>,
        "codeExecutionResult" => code_result: Json<'a>,
    }
}

json_view! {
    /// A function call, whole or a piece of one.
    pub(super) struct CallView<'a> {
        "id" => id: Str<'a>,
        "name" => name: Str<'a>,
        "args" => args: Json<'a>,
        "partialArgs" => partial: Vec<Json<'a>>,
        "willContinue" => continues: bool,
    }
}

json_view! {
    struct BlobView<'a> { "mimeType" => media_type: Str<'a>, "data" => data: Str<'a> }
}

json_view! {
    struct Feedback<'a> { "blockReason" => reason: Str<'a>, "blockReasonMessage" => message: Str<'a> }
}

json_view! {
    struct UsageView<'a> {
        "promptTokenCount" => prompt: u64,
        "candidatesTokenCount" => candidates: u64,
        "thoughtsTokenCount" => thoughts: u64,
        "toolUsePromptTokenCount" => tool_prompt: u64,
        "cachedContentTokenCount" => cached: u64,
        "totalTokenCount" => total: u64,
        "trafficType" => traffic: Str<'a>,
        "promptTokensDetails" => prompt_details: Vec<CountView<'a>>,
        "candidatesTokensDetails" => candidates_details: Vec<CountView<'a>>,
    }
}

json_view! {
    struct CountView<'a> { "modality" => modality: Str<'a>, "tokenCount" => count: u64 }
}

json_view! {
    struct LogprobsView<'a> { "chosenCandidates" => chosen: Vec<TokenView<'a>>, "topCandidates" => top: Vec<TopView<'a>> }
}

json_view! {
    struct TopView<'a> { "candidates" => tokens: Vec<TokenView<'a>> }
}

json_view! {
    struct TokenView<'a> { "token" => token: Str<'a>, "logProbability" => logprob: Json<'a> }
}

json_view! {
    struct CitationsView<'a> {
        "citationSources" => sources: Vec<CitationView<'a>>,
        "citations" => citations: Vec<CitationView<'a>>,
    }
}

json_view! {
    struct CitationView<'a> {
        "startIndex" => start: u64,
        "endIndex" => end: u64,
        "uri" => uri: Str<'a>,
        "title" => title: Str<'a>,
    }
}

json_view! {
    struct GroundingView<'a> { "groundingChunks" => chunks: Vec<ChunkView<'a>>, "groundingSupports" => supports: Vec<SupportView<'a>> }
}

json_view! {
    struct ChunkView<'a> { "web" => web: CitationView<'a>, "retrievedContext" => context: CitationView<'a>, "maps" => maps: CitationView<'a> }
}

json_view! {
    struct SupportView<'a> { "segment" => segment: SegmentView<'a>, "groundingChunkIndices" => chunks: Vec<u64> }
}

json_view! {
    struct SegmentView<'a> { "startIndex" => start: u64, "endIndex" => end: u64 }
}

/// The error in a reply's clothes, by the status that stands in it.
pub(super) fn failure(body: &[u8], provider: &str) -> Error {
    let said = Said::read(body);
    let status = said.code.as_deref().and_then(|code| code.parse().ok()).filter(|code| *code >= 400);
    refusal(said, status.unwrap_or(200), provider)
}

/// The class of an error that Google names.
pub(super) fn refusal(said: Said, status: u16, provider: &str) -> Error {
    let mut error = said.into_error(status, provider);
    // Google says "You exceeded your current quota" for each minute's limit too, and how soon to try again.
    if status == 429 {
        error.kind = crate::error::Kind::RateLimit;
    }
    error
}

/// What Gemini's word for an end means. `called` says that the model called functions.
fn finish_reason(word: &str, called: bool) -> FinishReason {
    match word {
        "STOP" if called => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "OTHER"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "JAILBREAK"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_OTHER"
        | "NO_IMAGE" => FinishReason::ContentFilter,
        // MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL and their like are failures of the model's: no end that a client
        // could take for a good one.
        _ => FinishReason::Unknown,
    }
}

/// What has been read of a reply, over all its events.
#[derive(Debug, Default)]
pub(super) struct Reading {
    started: bool,
    /// The reply's id, as a spelling: calls without ids are named after it.
    id: String,
    choices: Vec<Choice>,
}

/// No request is answered with more candidates than this.
const MAX_CHOICES: usize = 128;

impl Reading {
    /// Reads a response, or an array of them.
    pub(super) fn read(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Error> {
        let mut cursor = Cursor::new(text);
        if cursor.kind() == Kind::Array {
            let items: Vec<Json<'_>> = Vec::from_json(&mut cursor).map_err(|_| garbled())?;
            return items.into_iter().try_for_each(|item| self.read_one(item.text(), sink));
        }
        self.read_one(text, sink)
    }

    fn read_one(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Error> {
        let mut cursor = Cursor::new(text);
        let reply = Reply::from_json(&mut cursor).map_err(|_| garbled())?;
        if reply.error.is_some() {
            return Err(failure(text.as_bytes(), "The provider"));
        }
        if !std::mem::replace(&mut self.started, true) {
            self.id = reply.id.map(|id| id.raw().to_owned()).unwrap_or_default();
            sink.start(Start { id: reply.id, model: reply.model, created: None });
        }
        if let Some(traffic) = reply.usage.as_ref().and_then(|usage| usage.traffic) {
            sink.tier(tier(&traffic.plain()));
        }
        if let Some(usage) = reply.usage.as_ref().and_then(usage) {
            sink.usage(usage);
        }
        for candidate in reply.candidates.iter().flatten() {
            let index = candidate.index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
            let id = self.id.clone();
            if let Some(choice) = self.choice(index) {
                choice.read(candidate, &id, sink);
            }
        }
        if let Some(feedback) = reply.feedback
            && let Some(reason) = feedback.reason
            && self.choices.iter().all(|choice| choice.finish.is_none())
            && let Some(choice) = self.choice(0)
        {
            choice.finish = Some(reason.plain().into_owned());
            choice.blocked = true;
            choice.finish_message = feedback.message.map(|message| message.raw().to_owned());
        }
        Ok(())
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        if self.choices.len() < MAX_CHOICES && self.choices.iter().all(|choice| choice.index != index) {
            self.choices.push(Choice { index, ..Choice::default() });
        }
        self.choices.iter_mut().find(|choice| choice.index == index)
    }

    /// The reply has ended: tells what had to wait. False when it says of no candidate, or not of all, why.
    pub(super) fn end(&mut self, sink: &mut dyn Sink) -> bool {
        self.choices.iter_mut().for_each(|choice| choice.end(sink));
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finish.is_some())
    }
}

fn garbled() -> Error {
    Error::garbled("The provider's answer is not a GenerateContentResponse.")
}

/// What has been read of one candidate. A stream can tell a reason for its end with every event; the last one counts.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// How many calls it has made.
    calls: u32,
    open: Option<OpenCall>,
    /// Signatures on its texts, images, annotations: the items of arrays.
    signatures: Vec<u8>,
    images: Vec<u8>,
    image_count: u64,
    annotations: Vec<u8>,
    logprobs: Vec<u8>,
    finish: Option<String>,
    finish_message: Option<String>,
    /// Whether the prompt was refused.
    blocked: bool,
}

impl Choice {
    fn read(&mut self, candidate: &Candidate<'_>, reply: &str, sink: &mut dyn Sink) {
        for part in candidate.content.iter().filter_map(|content| content.parts.as_ref()).flatten() {
            self.part(part, reply, sink);
        }
        if let Some(logprobs) = &candidate.logprobs {
            write_logprobs(logprobs, &mut self.logprobs);
        }
        if let Some(citations) = &candidate.citations {
            for citation in citations.sources.iter().chain(&citations.citations).flatten() {
                self.annotate(citation, citation.start, citation.end);
            }
        }
        if let Some(grounding) = &candidate.grounding {
            self.ground(grounding);
        }
        if let Some(word) = candidate.finish {
            self.finish = Some(word.plain().into_owned());
        }
        if let Some(message) = candidate.finish_message {
            self.finish_message = Some(message.raw().to_owned());
        }
    }

    fn part(&mut self, part: &PartView<'_>, reply: &str, sink: &mut dyn Sink) {
        let signature = part.signature.filter(|signature| !signature.is_empty());
        if let Some(call) = &part.call {
            self.call(call, signature, reply, sink);
            return;
        }
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            let thought = part.thought == Some(true);
            sink.piece(self.index, if thought { Piece::Reasoning(text) } else { Piece::Text(text) });
        }
        if let Some(signature) = signature {
            self.signatures.token(signature);
        }
        if let Some(blob) = &part.inline
            && part.thought != Some(true)
        {
            self.media(blob, reply, sink);
        }
    }

    fn call(&mut self, call: &CallView<'_>, signature: Option<Str<'_>>, reply: &str, sink: &mut dyn Sink) {
        if let Some(name) = call.name.filter(|name| !name.is_empty()) {
            self.close(sink);
            let index = self.calls;
            self.calls += 1;
            let id = self.call_id(call.id, index, signature, reply);
            sink.piece(self.index, Piece::ToolCall { index, id: Str::spelled(&id), name });
            if call.partial.is_none() && call.continues != Some(true) {
                let args = call.args.filter(|args| args.kind() == Kind::Object);
                let input = args.unwrap_or(Json::trusted("{}"));
                sink.piece(self.index, Piece::ToolInput { index, input });
                return;
            }
            self.open = Some(OpenCall::new(index));
        }
        if let Some(open) = &mut self.open {
            call.partial.iter().flatten().for_each(|piece| open.add(*piece));
            if call.continues != Some(true) {
                self.close(sink);
            }
        }
    }

    /// Tells the arguments of the call that came in pieces.
    fn close(&mut self, sink: &mut dyn Sink) {
        if let Some(open) = self.open.take() {
            let input = open.input();
            sink.piece(self.index, Piece::ToolInput { index: open.index, input: Json::trusted(&input) });
        }
    }

    /// A call's id: Google's, or one that no other call of the conversation has; with the signature behind it.
    fn call_id(&self, own: Option<Str<'_>>, index: u32, signature: Option<Str<'_>>, reply: &str) -> String {
        let mut id = match own.filter(|id| !id.is_empty()) {
            Some(id) => id.raw().to_owned(),
            None => {
                let gap = if reply.is_empty() { "" } else { "_" };
                match self.index {
                    0 => format!("call_{reply}{gap}{index}"),
                    choice => format!("call_{reply}{gap}{choice}_{index}"),
                }
            }
        };
        if let Some(signature) = signature {
            id.push_str(SEPARATOR);
            id.push_str(signature.raw());
        }
        id
    }

    /// Media that the model made: images in the form that LiteLLM's clients know, sound in OpenAI's.
    fn media(&mut self, blob: &BlobView<'_>, reply: &str, sink: &mut dyn Sink) {
        let (Some(media_type), Some(data)) = (blob.media_type, blob.data) else { return };
        if media_type.raw().starts_with("audio/") {
            let mut audio = Vec::with_capacity(data.raw().len() + 64);
            audio.open(b'{');
            audio.field_token("id", Str::spelled(reply));
            audio.field_token("data", data);
            audio.field_text("transcript", "");
            audio.close(b'}');
            if let Ok(text) = String::from_utf8(audio) {
                sink.piece(self.index, Piece::Extra("audio", Json::trusted(&text)));
            }
            return;
        }
        comma(&mut self.images);
        let out = &mut self.images;
        out.extend_from_slice(b"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
        out.extend_from_slice(media_type.raw().as_bytes());
        out.extend_from_slice(b";base64,");
        out.extend_from_slice(data.raw().as_bytes());
        out.extend_from_slice(b"\"},\"index\":");
        out.number(self.image_count);
        self.image_count += 1;
        out.push(b'}');
    }

    fn ground(&mut self, grounding: &GroundingView<'_>) {
        let chunks = grounding.chunks.as_deref().unwrap_or_default();
        for support in grounding.supports.iter().flatten() {
            let segment = support.segment.clone().unwrap_or_default();
            for number in support.chunks.iter().flatten() {
                let chunk = usize::try_from(*number).ok().and_then(|number| chunks.get(number));
                let source = chunk
                    .and_then(|chunk| chunk.web.as_ref().or(chunk.context.as_ref()).or(chunk.maps.as_ref()));
                if let Some(source) = source {
                    self.annotate(source, segment.start, segment.end);
                }
            }
        }
    }

    /// Adds a source as OpenAI's `url_citation`, once.
    fn annotate(&mut self, source: &CitationView<'_>, start: Option<u64>, end: Option<u64>) {
        let Some(uri) = source.uri else { return };
        let mut item = Vec::new();
        item.extend_from_slice(b"{\"type\":\"url_citation\",\"url_citation\":{");
        item.field_number("start_index", start.unwrap_or(0));
        item.field_number("end_index", end.unwrap_or(0));
        item.field_token("url", uri);
        item.field_token("title", source.title.unwrap_or(Str::literal("")));
        item.extend_from_slice(b"}}");
        // A stream repeats its sources from event to event.
        if !self.annotations.windows(item.len()).any(|window| window == item) {
            comma(&mut self.annotations);
            self.annotations.extend_from_slice(&item);
        }
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        self.close(sink);
        for (items, name) in [(&self.annotations, ""), (&self.images, "images")] {
            if let Some(list) = array(items) {
                let list = Json::trusted(&list);
                let piece =
                    if name.is_empty() { Piece::Annotations(list) } else { Piece::Extra("images", list) };
                sink.piece(self.index, piece);
            }
        }
        if let Some(tokens) = array(&self.logprobs) {
            let logprobs = format!("{{\"content\":{tokens},\"refusal\":null}}");
            sink.piece(self.index, Piece::Logprobs(Json::trusted(&logprobs)));
        }
        let mut own = Vec::new();
        own.open(b'{');
        if let Some(signatures) = array(&self.signatures) {
            own.field("thought_signatures", Json::trusted(&signatures));
        }
        if let Some(message) = &self.finish_message {
            own.field_token("finish_message", Str::spelled(message));
        }
        own.close(b'}');
        if own.len() > 2
            && let Ok(own) = String::from_utf8(own)
        {
            sink.piece(self.index, Piece::Extra("provider_specific_fields", Json::trusted(&own)));
        }
        if let Some(word) = &self.finish {
            let reason = finish_reason(word, self.calls > 0);
            let reason = if self.blocked { FinishReason::ContentFilter } else { reason };
            sink.piece(self.index, Piece::Finish(Finish { reason, native: word }));
        }
    }
}

fn comma(items: &mut Vec<u8>) {
    if !items.is_empty() {
        items.push(b',');
    }
}

/// Items as an array, unless there are none.
fn array(items: &[u8]) -> Option<String> {
    let items = std::str::from_utf8(items).ok().filter(|items| !items.is_empty())?;
    Some(format!("[{items}]"))
}

/// Adds the tokens of a logprobs result to the items of OpenAI's `content`.
fn write_logprobs(logprobs: &LogprobsView<'_>, out: &mut Vec<u8>) {
    let top = logprobs.top.as_deref().unwrap_or_default();
    for (position, chosen) in logprobs.chosen.iter().flatten().enumerate() {
        comma(out);
        out.extend_from_slice(b"{");
        write_token(chosen, out);
        out.extend_from_slice(b",\"top_logprobs\":[");
        for token in top.get(position).and_then(|top| top.tokens.as_ref()).into_iter().flatten() {
            out.open(b'{');
            write_token(token, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

fn write_token(token: &TokenView<'_>, out: &mut Vec<u8>) {
    let text = token.token.unwrap_or(Str::literal(""));
    out.field_token("token", text);
    out.field("logprob", token.logprob.unwrap_or(Json::trusted("0")));
    out.key("bytes");
    out.open(b'[');
    text.plain().bytes().for_each(|byte| out.number(u64::from(byte)));
    out.push(b']');
}

/// The service tier by which Vertex bills what it calls traffic.
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#TrafficType>
fn tier(traffic: &str) -> &'static str {
    match traffic {
        "ON_DEMAND_PRIORITY" => "priority",
        "FLEX" | "BATCH" | "ON_DEMAND_FLEX" => "flex",
        _ => "default",
    }
}

/// The token counts, unless there are none: Vertex says something of the traffic in every event, and counts in the last.
fn usage(view: &UsageView<'_>) -> Option<Usage> {
    view.prompt.or(view.candidates).or(view.thoughts).or(view.total)?;
    let count = |details: &Option<Vec<CountView<'_>>>, modality: &str| {
        let found = details.iter().flatten().find(|detail| detail.modality.is_some_and(|m| m.is(modality)));
        found.and_then(|detail| detail.count)
    };
    let thoughts = view.thoughts.unwrap_or(0);
    Some(Usage {
        input: view.prompt.unwrap_or(0).saturating_add(view.tool_prompt.unwrap_or(0)),
        output: view.candidates.unwrap_or(0).saturating_add(thoughts),
        cached: view.cached,
        reasoning: view.thoughts,
        audio_input: count(&view.prompt_details, "AUDIO"),
        audio_output: count(&view.candidates_details, "AUDIO"),
        image_input: count(&view.prompt_details, "IMAGE"),
        image_output: count(&view.candidates_details, "IMAGE"),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_models_are_no_good_end() {
        let failures = [
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "MALFORMED_RESPONSE",
            "FINISH_REASON_UNSPECIFIED",
        ];
        for word in failures {
            for called in [false, true] {
                assert_eq!(finish_reason(word, called), FinishReason::Unknown, "{word}");
            }
        }
        assert_eq!(finish_reason("STOP", true), FinishReason::ToolCalls);
        assert_eq!(finish_reason("STOP", false), FinishReason::Stop);
    }
}
