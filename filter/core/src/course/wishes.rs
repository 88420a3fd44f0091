//! What a request says of its own course, in headers and body: LiteLLM's names.

use super::policy::MOST_RETRIES;
use crate::error::Error;
use crate::json::{Json, Kind, Str};
use crate::openai::Body;

/// The most models that a request may name to stand in for its own.
const MOST_MODELS: usize = 10;
/// The longest that a request may ask to wait, in milliseconds: a day.
const LONGEST_MS: u64 = 86_400_000;

/// What a request says of its own course.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// How often an attempt is repeated.
    pub retries: Option<u32>,
    /// How long an attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How long the first token of a stream may take, in milliseconds.
    pub stream_timeout_ms: Option<u64>,
    /// The models that stand in for its own; those of the config are not asked then.
    pub fallbacks: Option<Vec<String>>,
    /// No other model may stand in.
    pub no_fallbacks: bool,
}

impl Wishes {
    /// What the head says. What it says wrongly it doesn't say.
    #[must_use]
    pub fn of_head(headers: &[(String, String)]) -> Self {
        let mut wishes = Self::default();
        for (name, value) in headers {
            match name.strip_prefix("x-litellm-") {
                Some("num-retries") => {
                    wishes.retries = value.trim().parse().ok().map(|number: u32| number.min(MOST_RETRIES));
                }
                Some("timeout") => wishes.timeout_ms = value.trim().parse().ok().and_then(milliseconds),
                Some("stream-timeout") => {
                    wishes.stream_timeout_ms = value.trim().parse().ok().and_then(milliseconds);
                }
                _ => {}
            }
        }
        wishes
    }

    /// What the body says beside; the head is stronger, as in LiteLLM.
    ///
    /// # Errors
    /// A client error when it says it wrongly.
    pub fn with_body(mut self, body: &Body) -> Result<Self, Error> {
        for (key, value) in body.fields().into_iter().filter(|(_, value)| !value.is_null()) {
            match &*key.plain() {
                "num_retries" => {
                    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                    let number = number.ok_or_else(|| wrong("num_retries", "a number of tries"))?;
                    self.retries = self.retries.or(Some(number.min(MOST_RETRIES)));
                }
                "timeout" => self.timeout_ms = self.timeout_ms.or(Some(time("timeout", value)?)),
                "stream_timeout" => {
                    self.stream_timeout_ms = self.stream_timeout_ms.or(Some(time("stream_timeout", value)?));
                }
                "disable_fallbacks" => {
                    self.no_fallbacks =
                        value.as_bool().ok_or_else(|| wrong("disable_fallbacks", "true or false"))?;
                }
                "fallbacks" => self.fallbacks = Some(models(value)?),
                _ => {}
            }
        }
        Ok(self)
    }
}

/// Names of models, or objects that hold one as `model`.
fn models(value: Json<'_>) -> Result<Vec<String>, Error> {
    let wrong = || wrong("fallbacks", "a list of up to 10 models, by name or as objects with a `model`");
    if value.kind() != Kind::Array {
        return Err(wrong());
    }
    let items = value.items();
    if items.len() > MOST_MODELS {
        return Err(wrong());
    }
    let name = |item: Json<'_>| {
        let named = item.as_str().or_else(|| item.field("model").and_then(Json::as_str));
        named.map(|name| Str::plain(name).into_owned()).filter(|name| !name.is_empty())
    };
    items.into_iter().map(|item| name(item).ok_or_else(wrong)).collect()
}

fn time(name: &str, value: Json<'_>) -> Result<u64, Error> {
    value.as_f64().and_then(milliseconds).ok_or_else(|| wrong(name, "a number of seconds above 0"))
}

/// Seconds as milliseconds, at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn milliseconds(seconds: f64) -> Option<u64> {
    // A float's cast saturates.
    (seconds > 0.0).then(|| ((seconds * 1000.0).ceil() as u64).clamp(1, LONGEST_MS))
}

fn wrong(name: &str, what: &str) -> Error {
    Error::invalid(format!("'{name}' must be {what}.")).param(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(headers: &[(&str, &str)], body: &str) -> Result<Wishes, String> {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let body = Body::read(body.as_bytes().to_vec()).unwrap();
        Wishes::of_head(&headers).with_body(&body).map_err(|error| error.message)
    }

    #[test]
    fn headers_and_body() {
        let body = r#"{"num_retries":9,"timeout":2,"stream_timeout":0.0001,"disable_fallbacks":true,
            "fallbacks":["a",{"model":"b","messages":[]}]}"#;
        let said = wishes(&[("x-litellm-num-retries", "1"), ("x-litellm-timeout", "0.5")], body).unwrap();
        assert_eq!((said.retries, said.timeout_ms, said.stream_timeout_ms), (Some(1), Some(500), Some(1)));
        assert_eq!(
            (said.no_fallbacks, said.fallbacks.unwrap()),
            (true, vec!["a".to_owned(), "b".to_owned()])
        );
        let most =
            wishes(&[("x-litellm-num-retries", "many")], r#"{"num_retries":1000,"timeout":null}"#).unwrap();
        assert_eq!((most.retries, most.timeout_ms), (Some(20), None));
        assert_eq!(wishes(&[], "{}").unwrap(), Wishes::default());
    }

    #[test]
    fn what_is_said_wrongly_is_the_clients_mistake() {
        for (name, value) in [
            ("num_retries", "-1"),
            ("num_retries", "\"2\""),
            ("timeout", "0"),
            ("stream_timeout", "\"1\""),
            ("disable_fallbacks", "1"),
            ("fallbacks", "\"a\""),
            ("fallbacks", "[1]"),
            ("fallbacks", "[{}]"),
            ("fallbacks", r#"["1","2","3","4","5","6","7","8","9","10","11"]"#),
        ] {
            let error = wishes(&[], &format!("{{\"{name}\":{value}}}")).unwrap_err();
            assert!(error.starts_with(&format!("'{name}' must be ")), "{error}");
        }
    }
}
