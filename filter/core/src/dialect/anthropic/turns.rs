//! Messages become turns: system text apart, same roles merged, results before what the user says.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>, and for results
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls>.
//! A message's `name` has no place in the language and is left out.

use std::borrow::Cow;

use super::blocks::{Block, Kind, call_id, trimmed, write_all};
use super::model::Model;
use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::{ChatRequest, Message, Part, Role, Word};

/// A request's messages in Anthropic's order.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    /// The instructions that lead the conversation.
    pub system: Vec<Block<'a>>,
    turns: Vec<Turn<'a>>,
}

#[derive(Debug)]
struct Turn<'a> {
    speaker: Speaker,
    /// Tool results: they stand first in a turn, wherever the client put them.
    results: Vec<Block<'a>>,
    blocks: Vec<Block<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    User,
    Assistant,
    System,
}

impl<'a> Conversation<'a> {
    /// Reads the messages.
    ///
    /// # Errors
    /// A client error when one can't be said, or none is left to say.
    pub fn read(request: &ChatRequest<'a>, model: Model, to: &Target) -> Result<Self, Error> {
        let messages = request.messages()?;
        let compacted = request.says(Word::CompactionBlocks);
        let mut conversation = Self::default();
        let mut led = false;
        for (index, message) in messages.iter().enumerate() {
            match message.role {
                Role::System | Role::Developer if !led => {
                    conversation.system.extend(instructions(message));
                }
                Role::System | Role::Developer => {
                    let next = messages.get(index..).unwrap_or_default().iter();
                    let next = next.map(|message| message.role).find(|role| !is_system(*role));
                    conversation.instruct(message, next, model);
                }
                Role::User => {
                    led = true;
                    let blocks = marked(Block::of(&message.content, to)?, message);
                    conversation.add(Speaker::User, Vec::new(), blocks);
                }
                Role::Assistant => {
                    led = true;
                    let mut blocks = if compacted { compactions(message) } else { Vec::new() };
                    blocks.extend(said(message, index, to)?);
                    conversation.add(Speaker::Assistant, Vec::new(), marked(blocks, message));
                }
                Role::Tool => {
                    led = true;
                    let result = result(message, to)?;
                    conversation.add(Speaker::User, vec![result], Vec::new());
                }
            }
        }
        conversation.finish()?;
        Ok(conversation)
    }

    /// Lets `speaker` go on, in the turn that is open or in a new one. Who says nothing separates nobody.
    fn add(&mut self, speaker: Speaker, results: Vec<Block<'a>>, blocks: Vec<Block<'a>>) {
        if results.is_empty() && blocks.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(last) if last.speaker == speaker => {
                last.results.extend(results);
                last.blocks.extend(blocks);
            }
            _ => self.turns.push(Turn { speaker, results, blocks }),
        }
    }

    /// An instruction in mid-conversation: where the model takes it as such, and else in its place as the user's words,
    /// marked for what they are. It may stand behind a user's turn that the model has answered or is to answer.
    /// Source: <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages#limitations>.
    fn instruct(&mut self, message: &Message<'a>, next: Option<Role>, model: Model) {
        let behind_user =
            self.turns.last().is_some_and(|turn| matches!(turn.speaker, Speaker::User | Speaker::System));
        if model.takes_system_messages() && behind_user && matches!(next, None | Some(Role::Assistant)) {
            return self.add(Speaker::System, Vec::new(), instructions(message));
        }
        let marked = instructions(message).into_iter().map(|block| match block.kind {
            Kind::Text(text) => Block {
                kind: Kind::Text(Cow::Owned(format!("<system>\\n{text}\\n</system>"))),
                cache: block.cache,
            },
            kind => Block { kind, cache: block.cache },
        });
        self.add(Speaker::User, Vec::new(), marked.collect());
    }

    fn finish(&mut self) -> Result<(), Error> {
        // What the model is to go on from must not end in white space.
        if let Some(last) = self.turns.last_mut().filter(|turn| turn.speaker == Speaker::Assistant) {
            while let Some(Block { kind: Kind::Text(text), .. }) = last.blocks.last_mut() {
                if let Some(kept) = trimmed(text) {
                    *text = kept;
                    break;
                }
                last.blocks.pop();
            }
        }
        self.turns.retain(|turn| !turn.is_empty());
        if self.turns.is_empty() {
            return Err(Error::invalid(
                "'messages' has nothing to answer: send at least one user message that is not empty.",
            )
            .param("messages"));
        }
        Ok(())
    }

    /// Writes `messages`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.key("messages");
        out.open(b'[');
        for turn in &self.turns {
            out.open(b'{');
            out.field_text(
                "role",
                match turn.speaker {
                    Speaker::User => "user",
                    Speaker::Assistant => "assistant",
                    Speaker::System => "system",
                },
            );
            out.key("content");
            out.open(b'[');
            turn.results.iter().chain(&turn.blocks).for_each(|block| block.write(out));
            out.close(b']');
            out.close(b'}');
        }
        out.close(b']');
    }

    /// Writes `system`, if there is any.
    pub fn write_system(&self, out: &mut Vec<u8>) {
        if !self.system.is_empty() {
            write_all(&self.system, "system", out);
        }
    }

    /// The names of the tools that the model has called, each once.
    pub fn called(&self) -> Vec<Str<'a>> {
        let mut names: Vec<Str<'a>> = Vec::new();
        for block in self.turns.iter().flat_map(|turn| &turn.blocks) {
            if let Kind::ToolUse { name, .. } = &block.kind
                && !names.iter().any(|known| known.raw() == name.raw())
            {
                names.push(*name);
            }
        }
        names
    }

    /// Whether there are tool results at all.
    pub fn has_results(&self) -> bool {
        self.turns.iter().any(|turn| !turn.results.is_empty())
    }

    /// Whether the model's last turn called tools without showing its reasoning. With a thinking budget Anthropic
    /// refuses to go on from there.
    /// Source: <https://platform.claude.com/docs/en/build-with-claude/extended-thinking#extended-thinking-with-tool-use>.
    pub fn lost_thoughts(&self) -> bool {
        let last = self.turns.iter().rfind(|turn| turn.speaker == Speaker::Assistant);
        last.is_some_and(|turn| {
            let calls = turn.blocks.iter().any(|block| matches!(block.kind, Kind::ToolUse { .. }));
            let thoughts = turn
                .blocks
                .iter()
                .any(|block| matches!(block.kind, Kind::Thinking { .. } | Kind::Redacted(_)));
            calls && !thoughts
        })
    }
}

impl Turn<'_> {
    const fn is_empty(&self) -> bool {
        self.results.is_empty() && self.blocks.is_empty()
    }
}

const fn is_system(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

/// The text of a system message; nothing else can stand in one.
fn instructions<'a>(message: &Message<'a>) -> Vec<Block<'a>> {
    let texts = message.content.parts();
    let texts = texts.iter().filter_map(|part| match part {
        Part::Text { text, cache } => Block::text(Cow::Borrowed(text.raw()), *cache),
        _ => None,
    });
    marked(texts.collect(), message)
}

/// Puts the breakpoint that stands on a whole message behind its last block.
fn marked<'a>(mut blocks: Vec<Block<'a>>, message: &Message<'a>) -> Vec<Block<'a>> {
    if let (Some(cache), Some(last)) = (message.cache_control, blocks.last_mut()) {
        last.cache.get_or_insert(cache);
    }
    blocks
}

/// What the model said: reasoning first, then words, then calls.
fn said<'a>(message: &Message<'a>, index: usize, to: &Target) -> Result<Vec<Block<'a>>, Error> {
    let inline = message.content.parts();
    let inline = inline.iter().filter_map(|part| match part {
        Part::Thinking(thinking) => Some(*thinking),
        _ => None,
    });
    let mut blocks = match message.thinking_blocks.is_empty() {
        true => Block::thinking(inline),
        false => Block::thinking(message.thinking_blocks.iter().copied()),
    };
    blocks.extend(Block::of(&message.content, to)?);
    if let Some(refusal) = message.refusal {
        blocks.extend(Block::text(Cow::Borrowed(refusal.raw()), None));
    }
    for (position, call) in message.tool_calls.iter().enumerate() {
        blocks.push(Block::call(call).ok_or_else(|| {
            let place = format!("messages[{index}].tool_calls[{position}].function.arguments");
            Error::invalid(format!("'{place}' is not a JSON object in a string.")).param(place)
        })?);
    }
    Ok(blocks)
}

/// Summaries in place of older messages, as replies gave them: they go back before anything else.
/// Source: <https://platform.claude.com/docs/en/build-with-claude/compaction>.
fn compactions<'a>(message: &Message<'a>) -> Vec<Block<'a>> {
    let given = message.raw.field("provider_specific_fields").and_then(|own| own.field("compaction_blocks"));
    let given = given.map(Json::items).unwrap_or_default();
    given.into_iter().map(|raw| Block { kind: Kind::Native(raw), cache: None }).collect()
}

fn result<'a>(message: &Message<'a>, to: &Target) -> Result<Block<'a>, Error> {
    let id = call_id(message.tool_call_id.unwrap_or(Str::literal("")));
    let content = Block::of(&message.content, to)?;
    Ok(Block {
        kind: Kind::ToolResult { id, content, is_error: message.is_error },
        cache: message.cache_control,
    })
}
