//! OpenAI's older completions that a provider has itself: the request passes but for the model, and replies pass as chats
//! do, being the same but for the name of the text.
//!
//! Source: <https://platform.openai.com/docs/api-reference/completions>.

use crate::config::Target;
use crate::dialect::{Asked, Dialect, Native, StreamDecoder};
use crate::error::Error;
use crate::json::{Json, Kind, Out};
use crate::openai::Sink;
use crate::openai::params::GATEWAY_ONLY;

/// The language.
pub(super) static COMPLETIONS: Completions = Completions;

/// OpenAI's older completions.
#[derive(Debug)]
pub(super) struct Completions;

impl Native for Completions {
    fn encode(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        _headers: &mut Vec<(&'static str, String)>,
    ) -> Result<(), Error> {
        let fields = asked.request.body.fields();
        let given = |name: &str| {
            fields.iter().find(|(key, value)| key.is(name) && !value.is_null()).map(|(_, value)| *value)
        };
        let left_out = |name: &str| {
            GATEWAY_ONLY.contains(&name) || to.additional_drop_params.iter().any(|dropped| dropped == name)
        };
        let stream = given("stream").and_then(Json::as_bool) == Some(true);
        body.open(b'{');
        for (key, value) in &fields {
            match &*key.plain() {
                "model" => body.field_token("model", asked.model),
                "stream_options" if stream => {}
                name if left_out(name) => {}
                _ => {
                    body.token(*key);
                    body.push(b':');
                    body.raw(value.text());
                }
            }
        }
        // Without it nobody can count what a stream used.
        if stream && !left_out("stream_options") {
            body.key("stream_options");
            body.open(b'{');
            let options = given("stream_options").filter(|options| options.kind() == Kind::Object);
            for (key, value) in options.map(Json::fields).unwrap_or_default() {
                if !key.is("include_usage") {
                    body.token(key);
                    body.push(b':');
                    body.raw(value.text());
                }
            }
            body.field("include_usage", Json::trusted("true"));
            body.close(b'}');
        }
        for (name, value) in &to.params {
            let name = if name == "max_completion_tokens" { "max_tokens" } else { name };
            if given(name).is_none() && !left_out(name) {
                body.field(name, Json::trusted(value));
            }
        }
        body.close(b'}');
        Ok(())
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        super::OPENAI.decode(body, sink)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        super::OPENAI.stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Endpoint, Request};
    use crate::json::Str;
    use crate::openai::Body;

    #[test]
    fn a_request_passes_but_for_what_is_ours() {
        let json = r#"{"id":"t","provider":"hosted_vllm","model":"base","base_url":"http://x/v1","params":{"max_tokens":9,"seed":1}}"#;
        let to = Target::from_json(json).unwrap();
        let text = br#"{"model":"mine","prompt":["a","b"],"seed":2,"suffix":"z","tags":["t"],"stream":true,"stream_options":{"x":1}}"#;
        let posted = Request::new(Endpoint::Completions, Body::read(text.to_vec()).unwrap());
        let asked = Asked { request: &posted, model: Str::literal("base"), headers: &[], previous: None };
        let mut out = Vec::new();
        COMPLETIONS.encode(&asked, &to, &mut out, &mut Vec::new()).unwrap();
        let wanted = r#"{"model":"base","prompt":["a","b"],"seed":2,"suffix":"z","stream":true,"stream_options":{"x":1,"include_usage":true},"max_tokens":9}"#;
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
