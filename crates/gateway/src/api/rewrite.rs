//! Addresses in an API's answers: those below its own base are below the door's, and its other internal ones are nobody's
//! business (TP-16). A relative one is taken for what it is at the upstream (RFC 3986 section 5): from the door's path, which
//! is another one, `../x` would lead out of the API. Whatever is elsewhere stays as it is; no credential of ours goes there, since it is the client who
//! follows.

use http::{HeaderMap, HeaderValue, header};
use url::Url;

/// From the upstream's addresses to the door's.
#[derive(Debug)]
pub(super) struct Rewrite<'a> {
    /// Where the API is.
    pub(super) upstream: &'a Url,
    /// What of it was asked for.
    pub(super) asked: &'a Url,
    /// Where it is here, without a slash at the end: `https://door.example/api/gitea`.
    pub(super) door: &'a str,
}

impl Rewrite<'_> {
    /// Rewrites the headers that hold addresses.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            if let Some(value) = headers.remove(&name)
                && let Some(there) = value.to_str().ok().and_then(|text| self.address(text))
                && let Ok(value) = HeaderValue::try_from(there)
            {
                headers.insert(name, value);
            }
        }
        let links: Vec<_> = headers.get_all(header::LINK).iter().cloned().collect();
        headers.remove(header::LINK);
        for value in links {
            let link = value.to_str().ok().and_then(|text| self.links(text));
            if let Some(value) = link.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.append(header::LINK, value);
            }
        }
    }

    /// The address as clients have it. None if they must not have it.
    fn address(&self, text: &str) -> Option<String> {
        let url = self.asked.join(text).ok()?;
        if url.origin() != self.upstream.origin() {
            return Some(elsewhere(text, &url));
        }
        let base = self.upstream.path().trim_end_matches('/');
        let rest = url.path().strip_prefix(base)?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let fragment = url
            .fragment()
            .map(|fragment| format!("#{fragment}"))
            .unwrap_or_default();
        Some(format!("{}{rest}{query}{fragment}", self.door))
    }

    /// Each address between angle brackets (RFC 8288 section 3). One that must not be had takes the whole field with it.
    fn links(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            let (address, behind) = after.split_once('>')?;
            out.push_str(before);
            out.push('<');
            out.push_str(&self.address(address)?);
            out.push('>');
            rest = behind;
        }
        out.push_str(rest);
        Some(out)
    }
}

/// An address of another server: as it came (it may be signed), unless programs read it in different ways. Browsers take `\`
/// for `/`, and find the name of a server behind `https:` alone.
fn elsewhere(text: &str, url: &Url) -> String {
    let behind = text
        .strip_prefix("//")
        .or_else(|| text.split_once("://").map(|(_, behind)| behind));
    let is_clear = behind.is_some_and(|behind| !behind.starts_with('/'))
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_clear { text } else { url.as_str() }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(upstream: &str, text: &str) -> Option<String> {
        let upstream = Url::parse(upstream).unwrap();
        let asked = upstream.join("one/two?x=1").unwrap();
        let rewrite = Rewrite {
            upstream: &upstream,
            asked: &asked,
            door: "https://door.example/api/x",
        };
        rewrite.address(text)
    }

    #[test]
    fn what_is_below_the_base_is_below_the_door() {
        let (root, below) = ("http://git.internal:3000/", "http://git.internal:3000/git/");
        for (upstream, text, expected) in [
            (
                root,
                "http://git.internal:3000/a/b?x=1#y",
                Some("https://door.example/api/x/a/b?x=1#y"),
            ),
            (root, "/a/b", Some("https://door.example/api/x/a/b")),
            (root, "b?page=2", Some("https://door.example/api/x/one/b?page=2")),
            (root, "?page=2", Some("https://door.example/api/x/one/two?page=2")),
            (root, "..", Some("https://door.example/api/x/")),
            (root, "../../../mcp/x", Some("https://door.example/api/x/mcp/x")),
            (root, "/%2e%2e/mcp/x", Some("https://door.example/api/x/mcp/x")),
            (below, "../../admin", None),
            (below, "../../git/b", Some("https://door.example/api/x/b")),
            (below, "..\\..\\admin", None),
            (below, "\\admin", None),
            (root, "\\\\host\\x", Some("http://host/x")),
            (root, "/\\host/x", Some("http://host/x")),
            (root, "https:host/x", Some("https://host/x")),
            (root, "https:///host/x", Some("https://host/x")),
            (root, "\t//host/x", Some("http://host/x")),
            (root, "http:b", Some("https://door.example/api/x/one/b")),
            (
                root,
                "//git.internal:3000/a",
                Some("https://door.example/api/x/a"),
            ),
            (root, "https://cdn.example/a", Some("https://cdn.example/a")),
            (root, "//cdn.example/a", Some("//cdn.example/a")),
            (
                root,
                "http://git.internal:3001/a",
                Some("http://git.internal:3001/a"),
            ),
            (root, "/a/../b", Some("https://door.example/api/x/b")),
            (below, "/git/a", Some("https://door.example/api/x/a")),
            (
                below,
                "http://git.internal:3000/git",
                Some("https://door.example/api/x"),
            ),
            (below, "/gitother/a", None),
            (below, "http://git.internal:3000/admin", None),
        ] {
            assert_eq!(location(upstream, text).as_deref(), expected, "{upstream} {text}");
        }
    }

    #[test]
    fn links_are_rewritten_each() {
        let upstream = Url::parse("http://git.internal:3000/api/").unwrap();
        let rewrite = Rewrite {
            upstream: &upstream,
            asked: &upstream,
            door: "https://door.example/api/x",
        };
        let text = r#"<http://git.internal:3000/api/r?page=2>; rel="next", </api/r?page=9>; rel="last""#;
        assert_eq!(
            rewrite.links(text).as_deref(),
            Some(
                r#"<https://door.example/api/x/r?page=2>; rel="next", <https://door.example/api/x/r?page=9>; rel="last""#
            )
        );
        assert_eq!(rewrite.links("<http://git.internal:3000/admin>; rel=x"), None);
        assert_eq!(rewrite.links("<unfinished"), None);
    }
}
