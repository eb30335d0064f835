//! Service tokens of a door in somebody's configuration: the door itself ends them, and nobody else is shown one.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use vestibule::operator::Answer;

use super::{Person, states};
use crate::rig::foreign::{Answers, Listener};
use crate::rig::{Door, door};

impl Person {
    /// Cursor's entry for a server, with this token.
    fn shows(&self, url: &str, token: &str) -> String {
        let entry = json!({ "url": url, "headers": { "Authorization": format!("Bearer {token}") } });
        let text = json!({ "mcpServers": { "robot": entry } }).to_string();
        self.write(".cursor/mcp.json", &text);
        text
    }

    /// What is told, without the token in any of it.
    async fn adopts(&self, url: &str, token: &str, code: i32) -> Value {
        let said = self.json(&["adopt", "--revoke", "--door", url], code).await;
        let kept = std::fs::read_to_string(self.path(".cursor/mcp.json")).unwrap();
        assert!(kept.contains(url), "{kept}");
        assert!(
            !format!("{said}{kept}").contains(&token[token.len() / 2..]),
            "{said}{kept}"
        );
        said
    }
}

async fn token(door: &Door) -> String {
    let words = [
        "token",
        "create",
        "--owner",
        "ana",
        "--server",
        "fixture",
        "--expires",
        "30d",
    ];
    match door.operate(&words).await.unwrap() {
        Answer::Done { item, .. } => item["token"].as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn status(door: &Door, token: &str) -> u16 {
    let call = door::call("fixture", "echo", json!({ "text": "x" }));
    door.ask(call.bearer(token)).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_is_revoked_by_the_door_that_gave_it_out() {
    let door = Door::open().await;
    let (person, url) = (Person::new(), format!("{}/mcp/fixture", door.url));
    let (mine, other) = (token(&door).await, token(&door).await);
    let before = person.shows(&url, &mine);
    assert_eq!(status(&door, &mine).await, 200);
    let said = person.adopts(&url, &mine, 0).await;
    assert_eq!(states(&said), ["revoked"], "{said}");
    assert_eq!(
        (status(&door, &mine).await, status(&door, &other).await),
        (401, 200)
    );
    let revoked = door.audit("service_token_revoked").await;
    assert_eq!(
        (revoked.len(), &revoked[0]["operator"]),
        (1, &Value::Null),
        "{revoked:?}"
    );
    // The way back says where it leads.
    let said = person.says(&["adopt", "--undo"], 0).await;
    assert!(
        said.contains("Vestibule service token in .cursor/mcp.json was revoked"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(person.path(".cursor/mcp.json")).unwrap(),
        before
    );
}

/// A file of Goose's, as Windows writes it: what is around the entry stays, byte by byte, and comes back so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_in_yaml_is_revoked_and_the_file_is_the_one_it_was() {
    let door = Door::open().await;
    let (person, url) = (Person::new(), format!("{}/mcp/fixture", door.url));
    let (mine, path) = (token(&door).await, ".config/goose/config.yaml");
    let around = |entry: &str| {
        let memory = "  memory: {type: builtin, enabled: true}\n";
        format!("# é\nGOOSE_MODEL: x\nextensions:\n  robot: # mine\n    enabled: true\n{entry}    name: robot\n{memory}")
            .replace('\n', "\r\n")
    };
    let last = format!("    type: streamable_http\n    uri: {url}\n");
    let before = around(&format!(
        "    headers:\n      Authorization: Bearer {mine} # old\n{last}"
    ));
    person.write(path, &before);
    let said = person.json(&["adopt", "--revoke", "--door", &url], 0).await;
    assert_eq!(states(&said), ["revoked"], "{said}");
    assert!(!said.to_string().contains(&mine[mine.len() / 2..]), "{said}");
    let read = || std::fs::read_to_string(person.path(path)).unwrap();
    assert_eq!(read(), around(&last));
    assert_eq!(status(&door, &mine).await, 401);
    person.says(&["adopt", "--undo"], 0).await;
    assert_eq!(read(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_that_does_not_answer_leaves_the_service_token_in_doubt() {
    let mut door = Door::open().await;
    let (person, url) = (Person::new(), format!("{}/mcp/fixture", door.url));
    let mine = token(&door).await;
    person.shows(&url, &mine);
    door.stop().await;
    let said = person.adopts(&url, &mine, 1).await;
    assert_eq!(states(&said), ["no_answer"], "{said}");
}

/// Whoever answers for a server may name anybody, but not have a token sent there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_token_is_not_shown_to_a_host_that_its_server_names() {
    let heard = Arc::new(Mutex::new(String::new()));
    let listen = async |answer: Box<Answers>| {
        let heard = Arc::clone(&heard);
        let answers = move |request: &str| {
            heard.lock().unwrap().push_str(request);
            answer(request)
        };
        Listener::start(Arc::new(answers)).await
    };
    let thief = listen(Box::new(|_| Some((200, String::new())))).await;
    let revoke = format!("http://{}/revoke", thief.address);
    let server = listen(Box::new(move |request| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let issuer = format!("http://{host}");
        let metadata = json!({
            "resource": format!("{issuer}/mcp/fixture"), "authorization_servers": [issuer], "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
            "code_challenge_methods_supported": ["S256"], "revocation_endpoint": revoke,
        });
        let is_asked = request.starts_with("GET /.well-known/");
        Some(if is_asked { (200, metadata.to_string()) } else { (401, String::new()) })
    }))
    .await;
    let mine = model::OpaqueToken::from_random(model::TokenKind::Service, &[7; 32]);
    let (person, url) = (Person::new(), format!("http://{}/mcp/fixture", server.address));
    person.shows(&url, mine.expose());
    let said = person.adopts(&url, mine.expose(), 0).await;
    assert_eq!(states(&said), ["left"], "{said}");
    assert_eq!(
        said["revoke"][0]["why"],
        "the server of its entry names a revocation endpoint on another host"
    );
    let heard = heard.lock().unwrap();
    assert!(
        heard.contains("/.well-known/oauth-authorization-server"),
        "{heard}"
    );
    assert!(
        !heard.contains(mine.expose()) && !heard.contains("/revoke"),
        "{heard}"
    );
}
