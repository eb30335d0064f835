//! What the door says of itself where it is the client: a Client ID Metadata Document for the provider of a connector that
//! registers itself. Its own address is what the door is called there.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use vault::Who;

use crate::fallback;
use crate::metadata::json;
use crate::router::Web;

/// `GET /connect/client/{connector}`.
pub async fn show(State(web): State<Arc<Web>>, Path(name): Path<String>) -> Response {
    let connectors = web.parts.connections.connectors();
    let oauth = connectors
        .find(&name)
        .and_then(|connector| connector.oauth.as_ref());
    let Some((oauth, Who::Registers(how))) = oauth.map(|oauth| (oauth, &oauth.who)) else {
        return fallback::json_not_found();
    };
    let Some(document) = how.says(oauth.scope()) else {
        return fallback::json_not_found();
    };
    json(document.to_string(), "public, max-age=300", None)
}
