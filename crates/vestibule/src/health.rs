//! Whether the process lives, and whether it can serve, with the reasons.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use net::{Body, Tasks, body};
use serde_json::json;

/// Answers load balancers and orchestrators.
#[derive(Clone, Debug)]
pub struct Health {
    tasks: Tasks,
    /// Whether the database answered when it was last asked.
    database: Arc<AtomicBool>,
}

impl Health {
    /// Nothing is wrong yet.
    pub fn new(tasks: Tasks) -> Self {
        Self {
            tasks,
            database: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Notes whether the database answered.
    pub fn note_database(&self, answered: bool) {
        self.database.store(answered, Ordering::Relaxed);
    }

    /// Why requests should go elsewhere; nothing if they should come.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.tasks.is_shutting_down() {
            reasons.push("shutting down".to_owned());
        }
        // Why it does not is in the log: anybody may ask here.
        if !self.database.load(Ordering::Relaxed) {
            reasons.push("the database does not answer".to_owned());
        }
        reasons
    }

    /// The answer to `/healthz` and `/readyz`; nothing for other paths.
    pub fn answer(&self, path: &str) -> Option<Response<Body>> {
        match path {
            "/healthz" => Some(json_answer(StatusCode::OK, &json!({ "status": "ok" }))),
            "/readyz" => {
                let reasons = self.reasons();
                let status = if reasons.is_empty() {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                let word = if reasons.is_empty() { "ready" } else { "not ready" };
                Some(json_answer(
                    status,
                    &json!({ "status": word, "reasons": reasons }),
                ))
            }
            _ => None,
        }
    }
}

/// A small JSON answer that nobody keeps.
pub(crate) fn json_answer(status: StatusCode, json: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from(json.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}
