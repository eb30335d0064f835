//! Protected resource metadata (RFC 9728) at every place where clients look (CC-10 to CC-17, MA-8 to MA-17).

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use net::{Body, body};
use protocol::Origin;
use protocol::metadata::{ProtectedResourceMetadata, paths};

use crate::cors;
use crate::refusal::{Circumstances, Refusal, json};
use crate::route::{Leg, Routes};

/// Whether a path is one of ours to answer.
pub fn is_metadata(path: &str) -> bool {
    path == paths::RESOURCE_METADATA
        || path
            .strip_prefix(paths::RESOURCE_METADATA)
            .is_some_and(|rest| rest.starts_with('/'))
        || (path.starts_with("/mcp/") && path.ends_with(paths::RESOURCE_METADATA))
}

/// Answers a metadata request. Authentication is not needed, a token is ignored, any query is tolerated.
pub fn answer<B>(routes: &Routes, origin: &Origin, request: &Request<B>) -> Response<Body> {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return cors::preflight(request.headers()),
        _ => return Refusal::Method("GET, HEAD, OPTIONS").answer(&Circumstances::default()),
    }
    let Some(document) = document(routes, origin, request.uri().path(), request.uri().query()) else {
        return Refusal::UnknownRoute.answer(&Circumstances::default());
    };
    let text = serde_json::to_string(&document).unwrap_or_default();
    let length = text.len();
    let mut response = json(StatusCode::OK, text);
    if request.method() == Method::HEAD {
        *response.body_mut() = body::empty();
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    cors::allow(headers);
    response
}

/// The document for a well-known path, whose `resource` is spelled as it was asked for (DEC-10, CC-11).
fn document(
    routes: &Routes,
    origin: &Origin,
    path: &str,
    query: Option<&str>,
) -> Option<ProtectedResourceMetadata> {
    let endpoint = match path.strip_prefix(paths::RESOURCE_METADATA) {
        Some("" | "/") => {
            // A root document may claim the bare origin and nothing else (MA-12).
            let resource = origin.to_string();
            return Some(ProtectedResourceMetadata::new(
                &routes.issuer,
                resource,
                &routes.title,
            ));
        }
        Some(endpoint) => endpoint,
        None => path.strip_suffix(paths::RESOURCE_METADATA)?,
    };
    let route = match (routes.find(endpoint), routes.find_api(endpoint)) {
        (Some((route, Leg::Endpoint)), _) => route,
        (_, Some((route, rest))) if rest.trim_matches('/').is_empty() => route,
        _ => return None,
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let resource = format!("{origin}{endpoint}{query}");
    let title = &route.resource.title;
    Some(match &route.trust {
        Some(trust) if trust.alone => {
            let issuer = &trust.issuer.trust.issuer;
            ProtectedResourceMetadata::of_issuer(issuer, route.scope(), resource, title)
        }
        // Where both are taken, clients sign in here: one document names one authorization server (CC-13).
        _ => ProtectedResourceMetadata::new(&routes.issuer, resource, title),
    })
}

/// The URL of the document that fits a request's spelling (CC-14).
pub(crate) fn url_for(origin: &Origin, path: &str, query: Option<&str>) -> String {
    let query = query
        .map(|query| format!("?{}", query.replace(',', "%2C")))
        .unwrap_or_default();
    format!("{origin}{}{path}{query}", paths::RESOURCE_METADATA)
}
