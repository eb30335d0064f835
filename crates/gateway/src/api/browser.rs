//! Keeps browsers away from APIs.
//!
//! A page or a script of an upstream would be one of the door's own origin, with the session of whoever looks at it; and a
//! browser that once was told a password sends it along with whatever another site makes it ask for. So whatever a browser
//! asks for as part of a page is refused, and so is every page of another site.

use http::{HeaderMap, HeaderValue, header};

use crate::refusal::Refusal;
use crate::route::Routes;

/// Refuses what a browser asks for that is no `fetch` of our own pages, or of those that the operator listed (Fetch
/// Metadata, W3C).
pub(super) fn check(routes: &Routes, headers: &HeaderMap) -> Result<(), Refusal> {
    let said = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let is_part_of_a_page = said("sec-fetch-dest").is_some_and(|dest| dest != b"empty");
    let navigates = said("sec-fetch-mode").is_some_and(|mode| mode == b"navigate");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let is_known = |value: &HeaderValue| {
        let origin = value.to_str().ok().and_then(|text| text.parse().ok());
        origin.is_some_and(|origin| routes.origin_is_allowed(&origin))
    };
    // Without an `Origin`, a site that is not ours asks for something as an image would be.
    let is_foreign = headers.get(header::ORIGIN).is_none()
        && said("sec-fetch-site").is_some_and(|site| site != b"same-origin" && site != b"none");
    if is_part_of_a_page || navigates || is_foreign || !origins.all(is_known) {
        return Err(Refusal::Origin);
    }
    Ok(())
}

/// What of an answer would change the door's own origin, not just this answer.
pub(super) fn is_of_the_origin(name: &str) -> bool {
    matches!(
        name,
        "accept-ch"
            | "content-security-policy"
            | "content-security-policy-report-only"
            | "nel"
            | "report-to"
            | "reporting-endpoints"
            | "service-worker-allowed"
            | "set-login"
            | "speculation-rules"
    )
}

/// Should one be shown all the same, it is nobody's page and runs nothing.
pub(super) fn disarm(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
}
