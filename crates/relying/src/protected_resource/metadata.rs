//! The two documents: of the server (RFC 9728) and of its authorization server (RFC 8414, OpenID Connect Discovery).

use http::StatusCode;
use net::operators::CallError;
use serde_json::Value;
use url::Url;

use super::{DiscoveryError, shown};
use crate::challenge::Challenge;
use crate::discovery::{self, FetchError};
use crate::outward::Outward;

/// The server's metadata: where the challenge says and nowhere else, or where the standard says (MA-18). None if it has
/// none.
pub(super) async fn resource_metadata(
    http: &impl Outward,
    server: &Url,
    challenge: &Challenge,
) -> Result<Option<Value>, DiscoveryError> {
    let places = match &challenge.resource_metadata {
        Some(place) => {
            let place = Url::parse(place).ok().filter(|place| may_send(server, place));
            vec![place.ok_or_else(|| DiscoveryError::Resource {
                url: shown(server),
                resource: challenge.resource_metadata.clone().unwrap_or_default(),
            })?]
        }
        None => well_known(server, "oauth-protected-resource"),
    };
    let is_named = challenge.resource_metadata.is_some();
    for place in places {
        match discovery::fetch(http, &place).await {
            Ok(document) => {
                let resource = document["resource"].as_str().unwrap_or_default();
                if covers(resource, server) {
                    return Ok(Some(document));
                }
                return Err(DiscoveryError::Resource {
                    url: shown(server),
                    resource: resource.chars().take(200).collect(),
                });
            }
            Err(FetchError::Status { status, .. }) if !is_named && !is_trouble(status) => {}
            Err(FetchError::Json(_)) if !is_named => {}
            Err(error) => {
                return Err(DiscoveryError::Unreachable {
                    url: shown(&place),
                    why: error.to_string(),
                });
            }
        }
    }
    Ok(None)
}

/// Whether an answer says that there is trouble, and nothing of whether there is a document: whoever took it for none would go to
/// another authorization server than the one that the document names (MA-18, MA-20).
fn is_trouble(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// Whether a server may send us there: over TLS, and to this machine only from this machine, so that nobody far away
/// has us ask what listens here (MA-147).
fn may_send(server: &Url, to: &Url) -> bool {
    discovery::is_safe(to) && (to.scheme() == "https" || server.scheme() == "http")
}

/// Whether what the metadata calls the resource is this server, or a place that it is in: many servers name their origin,
/// and the official clients take that.
fn covers(resource: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let path = resource.path().trim_end_matches('/');
    let rest = server.path().strip_prefix(path);
    resource.origin() == server.origin()
        && resource.fragment().is_none()
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && (resource.query().is_none() || resource.query() == server.query())
}

/// A well-known document: with the path inserted, then at the root.
fn well_known(url: &Url, name: &str) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let mut paths = vec![format!("/.well-known/{name}{path}")];
    if !path.is_empty() {
        paths.push(format!("/.well-known/{name}"));
    }
    paths.into_iter().map(|path| at(url, &path)).collect()
}

fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

/// The authorization server's metadata, in the order of MA-66. It says itself whose it is (MA-67).
pub async fn metadata(http: &impl Outward, server: &Url, issuer: &str) -> Result<Value, DiscoveryError> {
    let bad = |why: String| DiscoveryError::Issuer {
        issuer: issuer.chars().take(200).collect(),
        why,
    };
    let url = Url::parse(issuer).ok().filter(|url| may_send(server, url));
    let url = url.ok_or_else(|| bad("it has no https address".to_owned()))?;
    // Where there was trouble at one place, that the others have nothing says nothing.
    let (mut trouble, mut last) = (None, String::new());
    for place in metadata_places(&url) {
        match discovery::fetch(http, &place).await {
            Ok(document) if document["issuer"] == issuer => return Ok(document),
            Ok(document) => {
                let said = document["issuer"].as_str().unwrap_or_default();
                let said: String = said.chars().take(200).collect();
                return Err(bad(format!("its metadata is of {said:?}")));
            }
            // A password that a proxy refused is not said again: companies lock accounts over that.
            Err(error @ FetchError::Call(CallError::Proxy(_))) => return Err(bad(error.to_string())),
            Err(error) if is_in_the_way(&error) => trouble = trouble.or(Some(error.to_string())),
            Err(error) => last = error.to_string(),
        }
    }
    Err(bad(trouble.unwrap_or(last)))
}

/// Whether it was trouble that kept us from a document, as it would not be if there were none.
fn is_in_the_way(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status, .. } => is_trouble(*status),
        FetchError::Json(_) => false,
        _ => true,
    }
}

fn metadata_places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    paths.into_iter().map(|path| at(issuer, &path)).collect()
}

/// Nobody goes for a code without proof keys (MA-73).
pub(super) fn usable(document: &Value, issuer: &str) -> Result<(), DiscoveryError> {
    let methods = document["code_challenge_methods_supported"].as_array();
    if methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        Ok(())
    } else {
        Err(DiscoveryError::Issuer {
            issuer: issuer.chars().take(200).collect(),
            why: "it does not say that it knows PKCE with S256".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::{Egress, Operators};
    use serde_json::json;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn texts(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
    }

    #[test]
    fn ma_18_ma_66_documents_are_looked_for_in_the_order_of_the_standard() {
        assert_eq!(
            texts(&well_known(
                &url("https://a.example/srv/mcp?x=1"),
                "oauth-protected-resource"
            )),
            [
                "https://a.example/.well-known/oauth-protected-resource/srv/mcp",
                "https://a.example/.well-known/oauth-protected-resource",
            ]
        );
        assert_eq!(
            texts(&metadata_places(&url("https://a.example/t1"))),
            [
                "https://a.example/.well-known/oauth-authorization-server/t1",
                "https://a.example/.well-known/openid-configuration/t1",
                "https://a.example/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(metadata_places(&url("https://a.example")).len(), 2);
    }

    #[test]
    fn ma_19_metadata_of_another_server_is_no_use() {
        let server = url("https://a.example/srv/mcp");
        for resource in [
            "https://a.example/srv/mcp",
            "https://a.example/srv/",
            "https://A.example",
            "https://a.example:443/srv/mcp/",
        ] {
            assert!(covers(resource, &server), "{resource}");
        }
        for resource in [
            "https://b.example/srv/mcp",
            "https://a.example/srv/mc",
            "https://a.example/srv/mcp/x",
            "http://a.example/srv/mcp",
            "https://a.example:8443/srv",
            "https://a.example/srv/mcp#f",
            "",
            "mcp",
        ] {
            assert!(!covers(resource, &server), "{resource}");
        }
    }

    #[test]
    fn ma_147_nobody_far_away_sends_us_to_this_machine() {
        let (far, near) = (url("https://a.example/mcp"), url("http://127.0.0.1:8000/mcp"));
        let local = url("http://127.0.0.1:9000/x");
        assert!(may_send(&near, &local) && may_send(&near, &far) && may_send(&far, &far));
        assert!(!may_send(&far, &local));
    }

    /// What comes of it where the three places answer so, one after the other; 0 hangs up.
    async fn found(statuses: [u16; 3]) -> Result<Value, DiscoveryError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/t1", listener.local_addr().unwrap());
        let server = url(&issuer);
        let document = json!({ "issuer": issuer }).to_string();
        let answering = async {
            for status in statuses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                if status > 0 {
                    let length = document.len();
                    let text = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}"
                    );
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            }
            std::future::pending::<()>().await;
        };
        let egress = Egress {
            connect_time: Duration::from_secs(3),
            ..Egress::default()
        };
        let http = Operators::new(&egress).unwrap();
        tokio::select! {
            found = metadata(&http, &server, &issuer) => found,
            () = answering => unreachable!(),
        }
    }

    /// Whoever reads "not found" looks for a document that is there.
    #[tokio::test]
    async fn ma_66_trouble_at_one_place_is_not_hidden_by_nothing_at_another() {
        for (statuses, told) in [
            ([503, 404, 404], "503"),
            ([404, 429, 404], "429"),
            ([404, 502, 503], "502"),
            ([404, 404, 408], "408"),
            ([404, 404, 410], "410"),
        ] {
            let error = found(statuses).await.unwrap_err().to_string();
            assert!(
                error.contains(&format!("answered {told}")),
                "{statuses:?}: {error}"
            );
        }
        let broken = found([0, 404, 404]).await.unwrap_err().to_string();
        assert!(!broken.contains("404"), "{broken}");
        assert!(found([503, 404, 200]).await.is_ok(), "what is there counts");
    }

    #[test]
    fn ma_73_without_pkce_nobody_goes_on() {
        let issuer = "https://a.example";
        assert!(
            usable(
                &json!({ "code_challenge_methods_supported": ["plain", "S256"] }),
                issuer
            )
            .is_ok()
        );
        for document in [
            json!({}),
            json!({ "code_challenge_methods_supported": ["plain"] }),
        ] {
            assert!(usable(&document, issuer).is_err());
        }
    }
}
