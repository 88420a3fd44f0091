//! From an image's `detail` to Gemini's media resolution: for each part from the third generation on, for the whole
//! request in the second. Older models know none, and do without, as every vendor does that has no such hint.
//!
//! Source: <https://ai.google.dev/gemini-api/docs/media-resolution>.

use super::family::{Family, Generation};
use crate::error::Error;
use crate::json::{Out, Str};
use crate::openai::{Message, Part};

/// How closely an image is looked at: its tokens, and so its price, depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resolution {
    /// `MEDIA_RESOLUTION_LOW`
    Low,
    /// `MEDIA_RESOLUTION_MEDIUM`
    Medium,
    /// `MEDIA_RESOLUTION_HIGH`
    High,
    /// `MEDIA_RESOLUTION_ULTRA_HIGH`, which only parts have.
    UltraHigh,
}

impl Resolution {
    /// The resolution that a `detail` of message `index` asks for; `None` where the choice is the model's.
    fn of(detail: Option<Str<'_>>, index: usize) -> Result<Option<Self>, Error> {
        let Some(detail) = detail else { return Ok(None) };
        Ok(Some(match &*detail.plain() {
            "auto" => return Ok(None),
            "low" => Self::Low,
            // LiteLLM's words for Gemini beside OpenAI's.
            "medium" => Self::Medium,
            "high" => Self::High,
            "ultra_high" | "original" => Self::UltraHigh,
            word => {
                let short: String = word.chars().take(40).collect();
                let message = format!(
                    "'messages[{index}].content' has an image with the detail '{short}': use \"auto\", \"low\", \"medium\", \"high\" or \"original\"."
                );
                return Err(Error::invalid(message).param(format!("messages[{index}].content")));
            }
        }))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Low => "MEDIA_RESOLUTION_LOW",
            Self::Medium => "MEDIA_RESOLUTION_MEDIUM",
            Self::High => "MEDIA_RESOLUTION_HIGH",
            Self::UltraHigh => "MEDIA_RESOLUTION_ULTRA_HIGH",
        }
    }
}

/// Writes the resolution of one part, where the model knows such a thing.
pub(super) fn of_part(
    detail: Option<Str<'_>>,
    index: usize,
    family: Family,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    if let Some(resolution) = Resolution::of(detail, index)?
        && family.generation >= Generation::Three
    {
        body.key("mediaResolution");
        body.open(b'{');
        body.field_text("level", resolution.name());
        body.close(b'}');
    }
    Ok(())
}

/// The resolution of the whole request, for models that know no other: the highest that any image asks for, as LiteLLM
/// has it.
pub(super) fn of_request(messages: &[Message<'_>], family: Family) -> Result<Option<&'static str>, Error> {
    if !matches!(family.generation, Generation::Two | Generation::TwoFive) {
        return Ok(None);
    }
    let mut highest = None;
    for (index, message) in messages.iter().enumerate() {
        for part in message.content.parts().iter() {
            if let Part::Image { detail, .. } = part {
                highest = highest.max(Resolution::of(*detail, index)?);
            }
        }
    }
    Ok(highest.map(|resolution| resolution.min(Resolution::High).name()))
}
