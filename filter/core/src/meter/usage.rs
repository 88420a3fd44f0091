//! Token counts.

use crate::json::Out;

/// Token counts of one reply, in OpenAI's terms: `input` includes cached tokens, `output` includes reasoning.
/// `None` is "the provider doesn't say", never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the prompt.
    pub input: u64,
    /// All tokens that were generated.
    pub output: u64,
    /// Of the prompt's: read from a cache.
    pub cached: Option<u64>,
    /// Of the prompt's: written to a cache, for any time to live.
    pub cache_write: Option<u64>,
    /// Of those: written for an hour.
    pub cache_write_1h: Option<u64>,
    /// Of the output's: reasoning.
    pub reasoning: Option<u64>,
    /// Of the prompt's: sound.
    pub audio_input: Option<u64>,
    /// Of the output's: sound.
    pub audio_output: Option<u64>,
    /// Of the prompt's: images.
    pub image_input: Option<u64>,
    /// Of the output's: images.
    pub image_output: Option<u64>,
    /// What all of it costs, in nanodollars, where the client is told.
    pub cost: Option<u64>,
}

impl Usage {
    /// Adds what another reply has used.
    pub fn add(&mut self, other: &Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        for (mine, its) in [
            (&mut self.cached, other.cached),
            (&mut self.cache_write, other.cache_write),
            (&mut self.cache_write_1h, other.cache_write_1h),
            (&mut self.reasoning, other.reasoning),
            (&mut self.audio_input, other.audio_input),
            (&mut self.audio_output, other.audio_output),
            (&mut self.image_input, other.image_input),
            (&mut self.image_output, other.image_output),
            (&mut self.cost, other.cost),
        ] {
            *mine = its.map_or(*mine, |its| Some(mine.unwrap_or(0).saturating_add(its)));
        }
    }

    /// All counts, by the names that they have in stats.
    pub fn by_type(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("input", Some(self.input)),
            ("output", Some(self.output)),
            ("cached", self.cached),
            ("cache_write", self.cache_write),
            ("cache_write_1h", self.cache_write_1h),
            ("reasoning", self.reasoning),
            ("audio_input", self.audio_input),
            ("audio_output", self.audio_output),
            ("image_input", self.image_input),
            ("image_output", self.image_output),
        ]
        .into_iter()
        .filter_map(|(name, count)| Some((name, count?)))
    }

    /// Appends OpenAI's usage object, with LiteLLM's names for cache writes.
    pub fn write_openai(&self, out: &mut Vec<u8>) {
        out.open(b'{');
        out.field_number("prompt_tokens", self.input);
        out.field_number("completion_tokens", self.output);
        out.field_number("total_tokens", self.input.saturating_add(self.output));
        let prompt = [
            ("cached_tokens", self.cached),
            ("cache_creation_tokens", self.cache_write),
            ("audio_tokens", self.audio_input),
            ("image_tokens", self.image_input),
        ];
        details(out, "prompt_tokens_details", &prompt);
        let completion = [
            ("reasoning_tokens", self.reasoning),
            ("audio_tokens", self.audio_output),
            ("image_tokens", self.image_output),
        ];
        details(out, "completion_tokens_details", &completion);
        if let Some(written) = self.cache_write {
            out.field_number("cache_creation_input_tokens", written);
        }
        if let (Some(_), Some(read)) = (self.cache_write, self.cached) {
            out.field_number("cache_read_input_tokens", read);
        }
        if let Some(cost) = self.cost {
            out.key("cost");
            out.raw(&super::dollars(cost));
        }
        out.close(b'}');
    }
}

fn details(out: &mut Vec<u8>, name: &str, counts: &[(&str, Option<u64>)]) {
    if counts.iter().all(|(_, count)| count.is_none()) {
        return;
    }
    out.key(name);
    out.open(b'{');
    for (key, count) in counts {
        if let Some(count) = count {
            out.field_number(key, *count);
        }
    }
    out.close(b'}');
}
