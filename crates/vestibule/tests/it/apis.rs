//! Plain HTTP APIs through the same door: who, which method, which path; what comes back, and what never does.

mod deciding;
mod helper;
mod own;
mod passing;
mod paths;
mod programs;
mod streaming;

use fixture::HttpApi;
use net::Tasks;

use crate::rig::door::CREDENTIAL;
use crate::rig::{Ask, Door, Plan, Reply};

/// Every request is allowed, by a token in either place.
const ALL: &str = "    basic: true\n    allow: [{ groups: [developers], requests: all }]\n";

/// A door before an API, with these lines of its configuration.
async fn opened(lines: &str) -> (Door, HttpApi) {
    with(lines, "", Plan::default()).await
}

/// The same, with the base of the API behind this path.
async fn with(lines: &str, base: &str, plan: Plan) -> (Door, HttpApi) {
    let shared = format!("Bearer {CREDENTIAL}");
    let api = HttpApi::start(&[&shared], Tasks::new()).await.unwrap();
    let servers = format!(
        "  forge:\n    kind: api\n    title: Forge\n    upstream: {}{base}\n{lines}    credential: {{ headers: {{ Authorization: \"Bearer ${{file:credential}}\" }} }}\n",
        api.url()
    );
    let door = Door::with(Plan { servers, ..plan }).await;
    (door, api)
}

/// Somebody's token for it.
async fn token(door: &Door, username: &str) -> String {
    let mut app = door.app().await;
    app.resource = format!("{}/api/forge", door.url);
    app.sign_in(door, username).await.access
}

async fn ask(door: &Door, token: &str, method: &str, rest: &str) -> Reply {
    door.ask(Ask::new(method, &format!("/api/forge{rest}")).bearer(token))
        .await
}
