//! Where a token says what: names of claims, and reading them without believing more than they say.

use std::str::FromStr;

use model::{GroupName, Timestamp};
use serde_json::Value;
use thiserror::Error;

/// Groups of one token that are looked at.
pub(crate) const MOST_GROUPS: usize = 1000;

/// A claim: a name, or a JSON pointer (RFC 6901) into what nests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(String);

/// A text that names no claim.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("{0:?} names no claim; write its name, or a JSON pointer like /realm_access/roles")]
pub struct BadClaim(String);

impl FromStr for ClaimPath {
    type Err = BadClaim;
    fn from_str(text: &str) -> Result<Self, BadClaim> {
        if text.is_empty() || text == "/" || text.len() > 200 {
            return Err(BadClaim(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl ClaimPath {
    /// What a token says there.
    pub fn of<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        if self.0.starts_with('/') {
            claims.pointer(&self.0)
        } else {
            claims.get(&self.0)
        }
    }

    /// A text there.
    pub fn text(&self, claims: &Value) -> Option<String> {
        let text = self.of(claims)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.chars().take(300).collect())
    }

    /// The words there: those of a text, or of a list of texts.
    pub fn words(&self, claims: &Value) -> Vec<String> {
        match self.of(claims) {
            Some(Value::String(text)) => text.split_ascii_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the claim was left out because it is too long for a token, and is to be asked for elsewhere (OpenID Connect
    /// Core section 5.6.2), as Entra ID does with many groups.
    pub(crate) fn is_elsewhere(&self, claims: &Value) -> bool {
        self.of(claims).is_none() && claims["_claim_names"].get(&self.0).is_some()
    }

    /// Whether it is the claim of this name.
    pub fn is(&self, name: &str) -> bool {
        self.0 == name
    }

    /// The names there in the issuer's own words: a list, or one.
    pub fn names(&self, claims: &Value) -> Vec<String> {
        let named: Vec<_> = match self.of(claims) {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(MOST_GROUPS).collect(),
            _ => Vec::new(),
        };
        let mut names: Vec<String> = named.into_iter().map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The groups there: a list of names, or one. What can be no name of a group is left out.
    pub fn groups(&self, claims: &Value) -> Vec<GroupName> {
        let names = self.names(claims);
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// Which claims say what, beside those that the standards fix. What is not named is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimNames {
    /// What the person is called, for an account that is made.
    pub username: Option<ClaimPath>,
    /// What others read, for an account that is made.
    pub name: Option<ClaimPath>,
    /// Their address, for an account that is made.
    pub email: Option<ClaimPath>,
    /// Their groups.
    pub groups: Option<ClaimPath>,
    /// What the token was granted.
    pub scopes: Option<ClaimPath>,
}

/// A `NumericDate` (RFC 7519 section 2), whole or not.
pub(crate) fn time(claims: &Value, name: &str) -> Option<Timestamp> {
    let value = claims.get(name)?;
    let seconds = match value.as_i64() {
        Some(seconds) => seconds,
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and far past any date")]
        None => value.as_f64().filter(|seconds| seconds.is_finite())? as i64,
    };
    (seconds >= 0).then(|| Timestamp::from_seconds(seconds))
}

/// `aud`: a text or a list of texts (RFC 7519 section 4.1.3).
pub(crate) fn audiences(claims: &Value) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_found_by_name_and_by_pointer() {
        let claims = json!({ "https://a.example/groups": ["x"], "realm": { "roles": ["b", "a", "a", "", 7] }, "scp": "r w" });
        let path = |text: &str| text.parse::<ClaimPath>().unwrap();
        let names = |path: &ClaimPath| {
            path.groups(&claims)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&path("https://a.example/groups")), ["x"]);
        assert_eq!(names(&path("/realm/roles")), ["a", "b"]);
        assert!(names(&path("/realm")).is_empty() && names(&path("none")).is_empty());
        assert_eq!(path("scp").words(&claims), ["r", "w"]);
        assert!("".parse::<ClaimPath>().is_err());
    }

    #[test]
    fn times_are_numbers_and_nothing_else() {
        let at = |value: Value| time(&json!({ "exp": value }), "exp");
        assert_eq!(at(json!(7)), Some(Timestamp::from_seconds(7)));
        assert_eq!(at(json!(7.9)), Some(Timestamp::from_seconds(7)));
        for bad in [json!("7"), json!(null), json!(-1), json!([7])] {
            assert_eq!(at(bad.clone()), None, "{bad}");
        }
        assert_eq!(time(&json!({}), "exp"), None);
    }
}
