//! What a request wishes of the choice of its target: tags, and what keeps it on one target. Clients say it in headers or
//! in the body, by LiteLLM's names.

use crate::config::StickyKey;
use crate::json::{Json, Str};
use crate::openai::Body;
use crate::route::{Wishes, sticky, tags};

/// The header of tags, comma-separated.
const TAGS: &str = "x-litellm-tags";
/// The headers in which clients name their session, LiteLLM's own first.
const SESSIONS: &[&str] = &["x-litellm-session-id", "x-litellm-trace-id", "x-session-id"];
/// More tags than this, or longer ones, nobody has.
const MAX_TAGS: usize = 64;
/// Where LiteLLM's clients put what is for the gateway.
const METADATA: &[&str] = &["metadata", "litellm_metadata"];

/// Which wishes the config honours.
#[derive(Debug, Default)]
pub(super) struct Honoured {
    pub tags: bool,
    /// The keys of routes that say nothing else.
    pub sticky: Vec<StickyKey>,
    /// The keys of any route.
    pub all: Vec<StickyKey>,
}

/// What a request's head wishes.
#[derive(Clone, Debug, Default)]
pub struct HeadWishes {
    tags: Vec<String>,
    /// For each key of the config and its routes.
    sticky: Vec<(StickyKey, Option<u64>)>,
}

impl Honoured {
    /// Reads a head.
    pub fn of_head(&self, headers: &[(String, String)]) -> HeadWishes {
        let header = |name: &str| {
            let value = headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            value.filter(|value| !value.is_empty())
        };
        let key = |key: &StickyKey| {
            let value = match key {
                StickyKey::Session => SESSIONS.iter().find_map(|name| header(name)),
                StickyKey::Header(name) => header(name),
                StickyKey::User => None,
            };
            (key.clone(), value.map(|value| sticky::hash(value.as_bytes())))
        };
        let listed = header(TAGS).filter(|_| self.tags).unwrap_or_default();
        HeadWishes {
            tags: tags::listed(listed).take(MAX_TAGS).collect(),
            sticky: self.all.iter().map(key).collect(),
        }
    }

    /// Adds what the body wishes, for a route with keys of its own or without.
    pub fn with_body(&self, head: &HeadWishes, body: Option<&Body>, own: Option<&[StickyKey]>) -> Wishes {
        let mut wishes = Wishes { tags: head.tags.clone(), ..Wishes::default() };
        let keys = own.unwrap_or(&self.sticky);
        if !self.tags && keys.is_empty() {
            return wishes;
        }
        let field = |name: &str| body?.field(name);
        let metadata = |name: &str| METADATA.iter().find_map(|place| field(place)?.field(name));
        if self.tags {
            let lists = [field("tags"), metadata("tags")];
            let items = lists.into_iter().flatten().flat_map(Json::items);
            let tags = items.filter_map(Json::as_str).map(|tag| Str::plain(tag).into_owned());
            wishes.tags.extend(tags.filter(|tag| !tag.is_empty()).take(MAX_TAGS));
        }
        let said = |value: Option<Json<'_>>| {
            let text = value.and_then(Json::as_str).map(Str::plain).filter(|text| !text.is_empty())?;
            Some(sticky::hash(text.as_bytes()))
        };
        wishes.sticky = keys.iter().find_map(|key| {
            let named = head.sticky.iter().find(|(known, _)| known == key);
            named.and_then(|(_, value)| *value).or_else(|| match key {
                StickyKey::Session => {
                    said(field("litellm_session_id")).or_else(|| said(metadata("session_id")))
                }
                StickyKey::User => said(field("user")),
                StickyKey::Header(_) => None,
            })
        });
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(honoured: &Honoured, headers: &[(&str, &str)], body: &str) -> Wishes {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let body = Body::read(body.as_bytes().to_vec()).unwrap();
        honoured.with_body(&honoured.of_head(&headers), Some(&body), None)
    }

    #[test]
    fn tags_stand_in_three_places() {
        let honoured = Honoured { tags: true, ..Honoured::default() };
        let body = r#"{"tags":["b"],"metadata":{"tags":["c",7,""]}}"#;
        assert_eq!(wishes(&honoured, &[("x-litellm-tags", "a, a2")], body).tags, ["a", "a2", "b", "c"]);
        assert!(wishes(&honoured, &[], r#"{"tags":"b","metadata":3}"#).tags.is_empty());
        assert!(wishes(&Honoured::default(), &[("x-litellm-tags", "a")], body).tags.is_empty());
    }

    #[test]
    fn the_first_key_that_a_request_has_keeps_it() {
        let sticky = vec![StickyKey::Header("x-tenant".to_owned()), StickyKey::Session, StickyKey::User];
        let honoured = Honoured { tags: false, all: sticky.clone(), sticky };
        let of = |headers: &[(&str, &str)], body: &str| wishes(&honoured, headers, body).sticky;
        let hash = |text: &str| Some(sticky::hash(text.as_bytes()));
        let body = r#"{"user":"u","metadata":{"session_id":"s"}}"#;
        assert_eq!(of(&[("x-tenant", "t"), ("x-session-id", "x")], body), hash("t"));
        assert_eq!(of(&[("x-session-id", "x")], body), hash("x"));
        assert_eq!(of(&[], body), hash("s"));
        assert_eq!(of(&[], r#"{"litellm_session_id":"l","user":"u"}"#), hash("l"));
        assert_eq!(of(&[], r#"{"user":"u"}"#), hash("u"));
        assert_eq!(of(&[], r#"{"user":""}"#), None);
        let body = Body::read(body.as_bytes().to_vec()).unwrap();
        let own = honoured.with_body(&honoured.of_head(&[]), Some(&body), Some(&[StickyKey::User]));
        assert_eq!(own.sticky, hash("u"));
    }
}
