//! Requests for a response that a target has made and keeps: to read, delete or cancel it, or to list what it was asked.

use super::seal::{Opened, Seal};
use crate::error::{Error, Kind};

/// A request for a kept response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The method.
    pub method: &'static str,
    /// What the id says.
    pub opened: Opened,
    /// What stands behind the id in the path: nothing, `/cancel`, `/input_items`.
    pub rest: &'static str,
    /// What stands behind the path's `?`, if anything does.
    pub query: String,
}

/// What can be done with a kept response: method, and what stands behind the id in the path.
const ACTIONS: &[(&str, &str)] = &[("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")];

impl Stored {
    /// Reads a request whose path goes on behind `responses/`. `None` when it is for no response.
    ///
    /// # Errors
    /// A client error when the method is wrong, or the id is none that `seal` has made.
    pub fn read(method: &str, path: &str, query: &str, seal: &Seal) -> Option<Result<Self, Error>> {
        let (id, rest) = path.split_at_checked(path.find('/').unwrap_or(path.len()))?;
        if id.is_empty() || !ACTIONS.iter().any(|(_, known)| *known == rest) {
            return None;
        }
        let Some((method, rest)) = ACTIONS.iter().find(|action| **action == (method, rest)) else {
            let message = format!("Not allowed to {method} here.");
            return Some(Err(Error::client(Kind::InvalidRequest, message)
                .status(405)
                .code("method_not_allowed")));
        };
        let found = seal.open(id).filter(|opened| opened.native.is_some());
        let opened = found.ok_or_else(|| not_found(id, seal));
        Some(opened.map(|opened| Self { method, opened, rest, query: query.to_owned() }))
    }

    /// Whether events are asked for.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.query.split('&').any(|pair| pair.eq_ignore_ascii_case("stream=true"))
    }
}

/// Why there is no response of this id.
pub(crate) fn not_found(id: &str, seal: &Seal) -> Error {
    let short: String = id.chars().take(80).collect();
    let error = |why: &str| {
        Error::client(Kind::NotFound, format!("Response with id '{short}' not found{why}."))
            .typed("invalid_request_error")
            .param("id")
    };
    match seal.open(id) {
        Some(_) => error(": the provider that made it keeps no responses").code("response_not_stored"),
        None => error("").code("response_not_found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_response_is_reached_by_its_id() {
        let seal = Seal::of(Some("k"));
        let id = seal.kept("t", "resp_1");
        let read = |method: &str, path: &str| Stored::read(method, path, "stream=true", &seal);
        let stored = read("GET", &format!("{id}/input_items")).unwrap().unwrap();
        assert_eq!((stored.method, stored.rest), ("GET", "/input_items"));
        assert_eq!(stored.opened, Opened { target: "t".into(), native: Some("resp_1".into()) });
        assert!(stored.stream());
        assert!(read("POST", &format!("{id}/cancel")).unwrap().is_ok());
        assert_eq!(read("POST", &id).unwrap().unwrap_err().http_status(), 405);
        for none in ["", "/cancel", &format!("{id}/what"), &format!("{id}/cancel/x")] {
            assert!(read("GET", none).is_none(), "{none}");
        }
        for (wrong, code) in
            [("resp_1", "response_not_found"), (&seal.forgotten("t", "1"), "response_not_stored")]
        {
            let error = read("GET", wrong).unwrap().unwrap_err();
            assert_eq!((error.http_status(), error.code.as_deref()), (404, Some(code)));
        }
    }
}
