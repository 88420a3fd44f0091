//! What a Claude model can do, told by its name. Nothing else in this folder looks at a model's name.
//!
//! A name carries its version (`claude-sonnet-4-5-20250929`, `claude-3-7-sonnet@20250219`,
//! `us.anthropic.claude-opus-4-6-v1`), and abilities come with versions, so a model that is newer than this page is
//! taken for its elders' heir. A name that tells no version (an alias, another vendor's model behind the same API) gets
//! what every model understands.
//! Sources: <https://platform.claude.com/docs/en/about-claude/models/overview>,
//! <https://platform.claude.com/docs/en/build-with-claude/thinking>,
//! <https://platform.claude.com/docs/en/build-with-claude/effort>,
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>,
//! <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>.

use super::Anthropic;

/// A model, as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Major and minor; (0, 0) when the name tells none.
    version: (u32, u32),
    family: Family,
    /// Whether another cloud than Anthropic's serves it.
    elsewhere: bool,
    /// The first version that follows schemas there.
    schemas_since: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Haiku,
    Sonnet,
    Opus,
    /// Fable and Mythos: they always think.
    Fable,
    Other,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// With a budget of tokens.
    Budget,
    /// As the model sees fit, at some effort.
    Adaptive,
}

/// How thinking is turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// By not asking for it.
    Unasked,
    /// By a `thinking` of this type.
    Type(&'static str),
    /// Not at all: the lowest effort is the least there is.
    Never,
}

impl Model {
    /// Reads the name of a model that speaks the language in this form.
    pub(super) fn named(name: &str, form: &Anthropic) -> Self {
        let name = name.to_ascii_lowercase();
        let own = name.split_once("claude").map(|(_, rest)| rest).unwrap_or_default();
        let family = [
            ("haiku", Family::Haiku),
            ("sonnet", Family::Sonnet),
            ("opus", Family::Opus),
            ("fable", Family::Fable),
            ("mythos", Family::Fable),
        ];
        let family = family.iter().find(|(word, _)| own.contains(word)).map_or(Family::Other, |(_, f)| *f);
        // A number of more than two digits is a date; "v1" is another cloud's own count.
        let mut numbers = own
            .split(['-', '.', '@', ':', '_'])
            .skip_while(|word| !is_version(word))
            .map_while(|word| is_version(word).then(|| word.parse().unwrap_or(0)));
        let version = match numbers.next() {
            Some(major) => (major, numbers.next().unwrap_or(0)),
            // The preview came with the abilities of 4.7.
            None if family == Family::Fable => (4, 7),
            None => (0, 0),
        };
        Self { version, family, elsewhere: form.elsewhere, schemas_since: form.schemas_since }
    }

    const fn since(self, major: u32, minor: u32) -> bool {
        self.version.0 > major || (self.version.0 == major && self.version.1 >= minor)
    }

    /// The output limit when neither client nor config gives one: the most that every model of that age takes. A model
    /// that can't be told gets what all have taken since Claude 3.5.
    pub(super) const fn max_tokens(self) -> u64 {
        match self.version {
            (0, _) => 8_192,
            (1..=2, _) | (3, 0..=4) => 4_096,
            (3, 5..=6) => 8_192,
            (4, 0..=1) if matches!(self.family, Family::Opus) => 32_000,
            (3..=4, _) => 64_000,
            _ => 128_000,
        }
    }

    /// Whether it can think at all; a model that can't be told is taken at its client's word.
    pub(super) const fn can_think(self) -> bool {
        self.version.0 == 0 || self.since(3, 7)
    }

    pub(super) const fn thinks(self) -> Thinks {
        if self.since(4, 6) { Thinks::Adaptive } else { Thinks::Budget }
    }

    /// Whether a budget of tokens is still understood.
    pub(super) const fn takes_budget(self) -> bool {
        !self.since(4, 7)
    }

    pub(super) const fn thinking_off(self) -> Off {
        match (self.family, self.version) {
            (_, (0..=4, _)) => Off::Unasked,
            (Family::Fable, _) => Off::Never,
            (Family::Opus, (5, 0..=4)) => Off::Type("disabled"),
            (Family::Opus, _) => Off::Never,
            (Family::Sonnet, version) if version.0 > 5 || version.1 >= 5 => Off::Type("between_tools"),
            _ => Off::Type("disabled"),
        }
    }

    /// The effort that comes nearest to `effort` without being more.
    pub(super) fn effort(self, effort: &'static str) -> &'static str {
        match effort {
            "minimal" | "none" => "low",
            "xhigh" if !self.since(4, 7) => "high",
            other => other,
        }
    }

    /// Whether temperature, `top_p` and `top_k` can be set.
    pub(super) const fn samples(self) -> bool {
        !self.since(4, 7)
    }

    /// Whether temperature and `top_p` can be set together.
    pub(super) const fn samples_by_both(self) -> bool {
        !self.since(4, 1)
    }

    /// Whether a JSON schema for the answer, and strict tools, are understood.
    pub(super) const fn follows_schemas(self) -> bool {
        self.since(self.schemas_since.0, self.schemas_since.1)
    }

    /// Whether it can be made to call a tool.
    pub(super) const fn can_be_forced(self) -> bool {
        match (self.family, self.version) {
            (Family::Haiku, _) => true,
            (Family::Fable, _) => !self.since(5, 1),
            _ => !self.since(5, 5),
        }
    }

    /// Whether a system message may stand between the others. Other clouds don't have it.
    pub(super) const fn takes_system_messages(self) -> bool {
        self.since(4, 8)
            && !self.elsewhere
            && !matches!((self.family, self.version), (Family::Sonnet, (5, 0)))
    }
}

fn is_version(word: &str) -> bool {
    (1..=2).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> Model {
        Model::named(name, &crate::dialect::anthropic::ANTHROPIC)
    }

    #[test]
    fn names_tell_versions() {
        for (name, version) in [
            ("claude-3-haiku-20240307", (3, 0)),
            ("claude-3-5-sonnet-20241022", (3, 5)),
            ("claude-3-7-sonnet@20250219", (3, 7)),
            ("claude-sonnet-4-20250514", (4, 0)),
            ("claude-opus-4-1@20250805", (4, 1)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", (4, 5)),
            ("global.anthropic.claude-opus-4-6-v1", (4, 6)),
            ("claude-fable-5-1", (5, 1)),
            ("claude-mythos-preview", (4, 7)),
            ("claude-2.1", (2, 1)),
            ("my-alias", (0, 0)),
            ("MiniMax-M2", (0, 0)),
        ] {
            assert_eq!(model(name).version, version, "{name}");
        }
    }

    #[test]
    fn abilities_come_with_versions() {
        assert_eq!(model("claude-haiku-4-5").thinks(), Thinks::Budget);
        assert_eq!(model("claude-sonnet-4-6").thinks(), Thinks::Adaptive);
        assert!(model("claude-opus-4-6").samples() && !model("claude-opus-4-7").samples());
        assert!(model("claude-opus-4-8").takes_system_messages());
        let foundry = Model::named("claude-opus-4-8", &crate::dialect::anthropic::IN_FOUNDRY);
        assert!(!foundry.takes_system_messages() && foundry.follows_schemas());
        let vertex = |name| Model::named(name, &crate::dialect::anthropic::IN_VERTEX);
        assert!(!vertex("claude-sonnet-4-5").follows_schemas());
        assert!(vertex("claude-sonnet-4-6").follows_schemas());
        assert!(!model("claude-3-5-haiku-latest").can_think() && model("my-alias").can_think());
        assert!(!model("claude-sonnet-5").takes_system_messages());
        assert!(model("claude-sonnet-5-5").takes_system_messages());
        assert_eq!(model("claude-opus-5").thinking_off(), Off::Type("disabled"));
        assert_eq!(model("claude-opus-5-5").thinking_off(), Off::Never);
        assert_eq!(model("claude-sonnet-5-5").thinking_off(), Off::Type("between_tools"));
        assert_eq!(model("claude-haiku-5-5").thinking_off(), Off::Type("disabled"));
        assert!(model("claude-haiku-5-5").can_be_forced() && !model("claude-opus-5-5").can_be_forced());
        assert!(!model("claude-fable-5-1").can_be_forced() && model("claude-fable-5").can_be_forced());
        assert_eq!(model("claude-opus-4-20250514").max_tokens(), 32_000);
        assert_eq!(model("unheard-of").max_tokens(), 8_192);
    }
}
