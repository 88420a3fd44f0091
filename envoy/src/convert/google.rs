//! Google's credential for a target, from wherever LiteLLM's users have it: in the config, in a variable, or in a file that
//! either names. The filter can't read files, so a file's content goes where the config's other secrets go.

use std::path::Path;

use dragoman_core::provider::auth::google::CREDENTIALS;
use serde_json::Value;

use crate::check::Environment;
use crate::check::environment::reference;

/// The variable in which Google's own tools look for the file.
const USUAL: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// A credential that has been found.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential {
    /// This variable holds its JSON.
    Variable(String),
    /// Its JSON, on one line.
    Json(String),
}

/// The credential that `given` (`vertex_credentials`) means; `None` where there is none, so that the machine's metadata
/// server is asked.
///
/// # Errors
/// What is wrong with it, for the config's author.
pub fn credential(given: Option<&Value>, environment: &Environment) -> Result<Option<Credential>, String> {
    let text = match given {
        None | Some(Value::Null) => match environment.value(USUAL) {
            Some(value) => value,
            None => return Ok(None),
        },
        Some(Value::String(text)) => match reference(text) {
            Some(name) => match environment.value(name) {
                Some(value) if !is_json(&value) => value,
                _ => return Ok(Some(Credential::Variable(name.to_owned()))),
            },
            None => text.clone(),
        },
        Some(object @ Value::Object(_)) => object.to_string(),
        Some(_) => return Err("is neither a credential's JSON nor a file's path".to_owned()),
    };
    if is_json(&text) {
        return one_line(&text).map(Some);
    }
    let path = Path::new(text.trim());
    let content = std::fs::read_to_string(path)
        .map_err(|error| format!("names the file {}, which can't be read: {error}", path.display()))?;
    one_line(&content).map(Some)
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn one_line(text: &str) -> Result<Credential, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "service_account" | "authorized_user") {
        return Err(format!(
            "is of type '{kind}': give a service account's key, or set vertex_token_source: envoy and let Envoy's \
             credential_injector add the token ({CREDENTIALS} is not read then)"
        ));
    }
    Ok(Credential::Json(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_wherever_it_is() {
        let key = serde_json::json!({"type": "service_account", "client_email": "e"});
        let file = std::env::temp_dir().join(format!("dragoman-credential-{}.json", std::process::id()));
        std::fs::write(&file, serde_json::to_string_pretty(&key).unwrap()).unwrap();
        let path = file.display().to_string();
        let (held, named) = (key.to_string(), path.clone());
        let environment = Environment::of(move |name| match name {
            "HELD" => Some(held.clone()),
            "NAMED" | USUAL => Some(named.clone()),
            _ => None,
        });
        let of = |given: Value| credential(Some(&given), &environment);
        let json = Some(Credential::Json(key.to_string()));
        for given in
            [key.clone(), Value::Null, path.into(), key.to_string().into(), "os.environ/NAMED".into()]
        {
            assert_eq!(
                of(given.clone()),
                Ok(json.as_ref().map(|_| Credential::Json(key.to_string()))),
                "{given}"
            );
        }
        assert_eq!(of("os.environ/HELD".into()), Ok(Some(Credential::Variable("HELD".to_owned()))));
        assert_eq!(of("os.environ/NONE".into()), Ok(Some(Credential::Variable("NONE".to_owned()))));
        assert_eq!(credential(None, &Environment::of(|_| None)), Ok(None));
        assert!(of("/no/such/file.json".into()).unwrap_err().contains("/no/such/file.json"));
        assert!(
            of(serde_json::json!({"type": "external_account"})).unwrap_err().contains("external_account")
        );
        assert!(of(1.into()).is_err());
        std::fs::remove_file(file).unwrap();
    }
}
