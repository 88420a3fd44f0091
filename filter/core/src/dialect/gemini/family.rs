//! What a model's name says of what it takes: Gemini's generations differ in thinking, schemas and signatures.

/// A generation of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Generation {
    /// Before 2.0, and Google's open models.
    Old,
    /// 2.0
    Two,
    /// 2.5, and names that don't tell their generation (`gemini-flash-latest`, a tuned model's number).
    TwoFive,
    /// 3.0 and later.
    Three,
}

/// A model, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) generation: Generation,
    pub(super) flash: bool,
    pub(super) lite: bool,
    /// 3.0 Pro, which knows only two levels of thinking.
    pub(super) two_levels: bool,
}

impl Family {
    /// The family of `model`.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let generation = match name.strip_prefix("gemini-") {
            Some(rest) => generation(rest),
            None if name.starts_with("gemma") || name.starts_with("learnlm") => Generation::Old,
            None => Generation::TwoFive,
        };
        Self {
            generation,
            flash: name.contains("flash"),
            lite: name.contains("lite"),
            two_levels: name.starts_with("gemini-3-pro"),
        }
    }

    /// Whether it takes JSON Schema beside Google's own message.
    pub(super) fn takes_json_schema(self) -> bool {
        self.generation >= Generation::Two
    }

    /// Whether it thinks at all.
    pub(super) fn thinks(self) -> bool {
        self.generation >= Generation::TwoFive
    }

    /// Whether its function calls have ids, and must come back with their signatures.
    pub(super) fn signs(self) -> bool {
        self.generation >= Generation::Three
    }
}

fn generation(rest: &str) -> Generation {
    let number = rest.split('-').next().unwrap_or_default();
    let mut digits = number.split('.').map(|part| part.parse::<u32>().ok());
    match (digits.next().flatten(), digits.next().flatten()) {
        (Some(0 | 1), _) => Generation::Old,
        (Some(2), Some(0) | None) => Generation::Two,
        (Some(2), Some(_)) => Generation::TwoFive,
        (Some(_), _) => Generation::Three,
        // `gemini-flash-latest`, `gemini-pro-latest`; but `gemini-pro` was 1.0.
        (None, _) if rest == "pro" || rest == "pro-vision" || rest == "ultra" => Generation::Old,
        (None, _) => Generation::TwoFive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_generation() {
        for (name, generation) in [
            ("gemini-1.5-pro-002", Generation::Old),
            ("gemini-pro", Generation::Old),
            ("gemma-3-27b-it", Generation::Old),
            ("gemini-2.0-flash-001", Generation::Two),
            ("gemini-2.5-flash-lite", Generation::TwoFive),
            ("gemini-flash-latest", Generation::TwoFive),
            ("1234567890", Generation::TwoFive),
            ("gemini-3-pro-preview", Generation::Three),
            ("models/gemini-3.1-flash", Generation::Three),
            ("gemini-10", Generation::Three),
        ] {
            assert_eq!(Family::of(name).generation, generation, "{name}");
        }
        assert!(Family::of("gemini-3-pro-preview").two_levels && !Family::of("gemini-3.1-pro").two_levels);
    }
}
