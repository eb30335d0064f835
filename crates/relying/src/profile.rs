//! Who came, as the provider describes them.

use model::Timestamp;
use serde_json::Value;

use crate::address::is_address;
use crate::claims::{ClaimNames, ClaimPath, time};
use crate::logout_token::LONGEST_SID;

/// Methods of one proof that are kept.
const MOST_METHODS: usize = 20;

/// Somebody who proved at a provider who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Their `sub`.
    pub subject: String,
    /// What they are called there.
    pub username: Option<String>,
    /// What others read there.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Whether the provider says that the address is theirs.
    pub email_verified: bool,
    /// Their groups there, in the provider's words.
    pub groups: Vec<String>,
    /// When they proved it.
    pub auth_time: Option<Timestamp>,
    /// The class of the proof.
    pub acr: Option<String>,
    /// The methods, separated by spaces.
    pub amr: Option<String>,
    /// `sid`: the session there, by which the provider may say that it has ended.
    pub sid: Option<String>,
}

impl Profile {
    /// Whether something that the configuration names is not there.
    pub(crate) fn lacks(claims: &Value, names: &ClaimNames) -> bool {
        let named = [&names.username, &names.name, &names.email, &names.groups];
        named.into_iter().flatten().any(|path| path.of(claims).is_none())
    }

    /// Adds what userinfo says; what the ID token says counts more. Whether an address is verified is said of the
    /// address that stands beside it and of no other.
    pub(crate) fn add(claims: &mut Value, more: Value) {
        let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) else {
            return;
        };
        let is_other = claims
            .get("email")
            .is_some_and(|email| Some(email) != more.get("email"));
        for (name, value) in more {
            if !(is_other && name == "email_verified") {
                claims.entry(name).or_insert(value);
            }
        }
    }

    /// Reads claims that have been checked.
    pub(crate) fn read(claims: &Value, names: &ClaimNames) -> Self {
        let text = |path: &Option<ClaimPath>| path.as_ref().and_then(|path| path.text(claims));
        // `email_verified` speaks of `email` alone, wherever the configuration takes addresses from.
        let is_email = names.email.as_ref().is_some_and(|path| path.is("email"));
        let email = text(&names.email).filter(|email| is_address(email));
        let methods = claims["amr"].as_array().map(Vec::as_slice).unwrap_or_default();
        let methods: Vec<_> = methods
            .iter()
            .filter_map(Value::as_str)
            .take(MOST_METHODS)
            .collect();
        let words = |text: String| (!text.is_empty()).then(|| text.chars().take(200).collect());
        Self {
            subject: claims["sub"].as_str().unwrap_or_default().to_owned(),
            username: text(&names.username),
            name: text(&names.name),
            email_verified: is_email && email.is_some() && claims["email_verified"] == Value::Bool(true),
            email,
            groups: names
                .groups
                .as_ref()
                .map(|path| path.names(claims))
                .unwrap_or_default(),
            auth_time: time(claims, "auth_time"),
            acr: words(claims["acr"].as_str().unwrap_or_default().to_owned()),
            amr: words(methods.join(" ")),
            sid: claims["sid"]
                .as_str()
                .filter(|sid| !sid.is_empty() && sid.len() <= LONGEST_SID)
                .map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(email: &str) -> ClaimNames {
        ClaimNames {
            email: Some(email.parse().unwrap()),
            groups: Some("groups".parse().unwrap()),
            ..ClaimNames::default()
        }
    }

    /// An address that nobody vouches for must never look like one that somebody does.
    #[test]
    fn verified_is_said_of_one_address_alone() {
        let read = |claims: Value, email: &str| Profile::read(&claims, &names(email)).email_verified;
        assert!(read(json!({ "email": "a@b", "email_verified": true }), "email"));
        for no in [json!(false), json!("true"), json!(1), Value::Null] {
            assert!(!read(json!({ "email": "a@b", "email_verified": no }), "email"));
        }
        let two = json!({ "email": "a@b", "upn": "c@d", "email_verified": true });
        assert!(!read(two, "upn"), "it is not the upn that was verified");
        assert!(!read(
            json!({ "email": "nobody", "email_verified": true }),
            "email"
        ));

        let mut claims = json!({ "sub": "1", "email": "boss@b" });
        Profile::add(
            &mut claims,
            json!({ "sub": "1", "email": "a@b", "email_verified": true, "groups": ["x"] }),
        );
        assert!(
            !read(claims.clone(), "email"),
            "what userinfo verifies is another address"
        );
        assert_eq!(Profile::read(&claims, &names("email")).groups, ["x"]);
        let mut claims = json!({ "sub": "1" });
        Profile::add(
            &mut claims,
            json!({ "sub": "1", "email": "a@b", "email_verified": true }),
        );
        assert!(read(claims, "email"));
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        assert!(Profile::lacks(&json!({ "email": "a@b" }), &names("email")));
        assert!(!Profile::lacks(
            &json!({ "email": "a@b", "groups": [] }),
            &names("email")
        ));
    }
}
