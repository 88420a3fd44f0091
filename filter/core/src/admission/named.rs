//! What a request calls the model that it asks for: a name, or names of which the first that there is counts and the others
//! stand in for it. Clients list them as LiteLLM's do, `"a,b"`, or as JSON does, `["a", "b"]`.

use super::Gateway;
use crate::client::Request;
use crate::error::Error;

/// The models that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// As the client has said it, a list with commas.
    pub asked: String,
    /// The one that is tried first.
    pub model: String,
    /// Those that stand in for it; empty where no list is given.
    pub others: Vec<String>,
    /// Whether the body says it otherwise than by that one's name.
    pub differs: bool,
}

impl Gateway {
    /// The models that a request asks for. Where there is none of them, the first is still named, for the refusal.
    ///
    /// # Errors
    /// A client error when it names none.
    pub fn named(&self, request: &Request) -> Result<Named, Error> {
        let list = request.models()?;
        let asked = match &list {
            Some(names) => names.join(","),
            None => request.model()?.plain().into_owned(),
        };
        let known = match &list {
            Some(names) => self.routes.known(names.iter().map(String::as_str)),
            None => self.routes.listed(&asked),
        };
        let mut known = known.into_iter().map(str::to_owned);
        let model = known.next().unwrap_or_else(|| asked.clone());
        let others = known.collect();
        Ok(Named { differs: list.is_some() || model != asked, asked, model, others })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::openai::Body;

    fn gateway() -> Gateway {
        let route =
            |name: &str| format!(r#"{{"name": "{name}", "targets": [{{"target": "t", "cluster": "c"}}]}}"#);
        let config = format!(
            r#"{{"role": "gateway", "targets": [{{"id": "t", "provider": "openai", "model": "gpt"}}],
                "routes": [{}, {}, {}]}}"#,
            route("a"),
            route("b"),
            route("c,d")
        );
        Gateway::check(serde_json::from_str(&config).unwrap(), &|_| None).unwrap()
    }

    fn named(model: &str) -> Result<Named, String> {
        let body = Body::read(format!(r#"{{"model": {model}}}"#).into_bytes()).unwrap();
        gateway().named(&Request::new(Endpoint::Chat, body)).map_err(|error| error.message)
    }

    #[test]
    fn one_name_or_a_list_of_them() {
        let found = |model: &str| {
            let Named { asked, model, others, differs } = named(model).unwrap();
            (asked, model, others.join(" "), differs)
        };
        let is = |asked: &str, model: &str, others: &str, differs: bool| {
            (asked.to_owned(), model.to_owned(), others.to_owned(), differs)
        };
        assert_eq!(found(r#""a""#), is("a", "a", "", false));
        assert_eq!(found(r#""x, b,a""#), is("x, b,a", "b", "a", true));
        assert_eq!(found(r#"["x", "b", "a", "b"]"#), is("x,b,a,b", "b", "a", true));
        assert_eq!(found(r#"["a"]"#), is("a", "a", "", true));
        assert_eq!(found(r#"["c,d", "a"]"#), is("c,d,a", "c,d", "a", true));
        assert_eq!(found(r#"["x"]"#), is("x", "x", "", true));
        for wrong in ["[]", "[1]", r#"["a", ""]"#, r#"["a", null]"#] {
            assert_eq!(named(wrong).unwrap_err(), "'model' must be a list of models' names.", "{wrong}");
        }
        assert_eq!(named("7").unwrap_err(), "'model' must be a model's name.");
    }
}
