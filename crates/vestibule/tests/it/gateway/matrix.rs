//! Methods × eras × decisions × framings: what may be done, what may not be known of and what is only refused at this
//! moment is told apart in the same way everywhere (TP-99 to TP-112, DEC-16, DEC-19).

use serde_json::{Value, json};

use crate::rig::{Ask, Door, Plan, door, scripted::Scripted};

const ADVICE: &str = "Only from the office.";

/// Of each kind of thing one may be used, and one from elsewhere alone; of a third no rule says anything.
fn rules(upstream: &Scripted) -> String {
    format!(
        r#"
  matrix:
    upstream: {}
    allow:
      - groups: [developers]
        tools: [allowed]
        prompts: [allowed]
        resources: ["test://allowed"]
      - groups: [developers]
        tools: [later]
        prompts: [later]
        resources: ["test://later"]
        when: {{ networks: [192.0.2.0/24] }}
        advice: {ADVICE}
"#,
        upstream.url()
    )
}

async fn opened() -> (Door, Scripted, String) {
    let upstream = Scripted::start().await;
    let plan = Plan {
        servers: rules(&upstream),
        ..Plan::default()
    };
    let door = Door::with(plan).await;
    let token = door.token_for("matrix").await;
    (door, upstream, token)
}

/// A method that is aimed at something, and what that is called when it is not there.
#[derive(Clone, Copy)]
struct Aimed {
    method: &'static str,
    params: fn(&str) -> Value,
    absent: &'static str,
}

fn by_name(name: &str) -> Value {
    json!({ "name": name, "arguments": {} })
}

fn by_uri(name: &str) -> Value {
    json!({ "uri": format!("test://{name}") })
}

fn prompt(name: &str) -> Value {
    json!({ "ref": { "type": "ref/prompt", "name": name }, "argument": { "name": "a", "value": "" } })
}

fn resource(name: &str) -> Value {
    json!({ "ref": { "type": "ref/resource", "uri": format!("test://{name}") }, "argument": { "name": "a", "value": "" } })
}

const AIMED: [Aimed; 6] = [
    aimed("tools/call", by_name, "tool: "),
    aimed("prompts/get", by_name, "prompt: "),
    aimed("resources/read", by_uri, "resource: test://"),
    aimed("resources/subscribe", by_uri, "resource: test://"),
    aimed("completion/complete", prompt, "prompt: "),
    aimed("completion/complete", resource, "resource: test://"),
];

const fn aimed(method: &'static str, params: fn(&str) -> Value, absent: &'static str) -> Aimed {
    Aimed {
        method,
        params,
        absent,
    }
}

/// Methods that list, with the member that holds the entries and the one that names them.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
];

const MODERN: &str = "2026-07-28";
const ERAS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", MODERN];

/// How an upstream frames its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Json,
    Events,
    Lines,
}

const FRAMINGS: [Framing; 3] = [Framing::Json, Framing::Events, Framing::Lines];

impl Framing {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// Lets the upstream say these messages.
    fn said_by(self, upstream: &Scripted, messages: &[Value]) {
        let framed = |before: &str, after: &str| {
            let each = messages.iter().map(Value::to_string);
            each.flat_map(|said| [before.to_owned(), said, after.to_owned()])
                .collect::<String>()
        };
        let body = match (self, messages) {
            (Self::Json, [only]) => only.to_string(),
            (Self::Json, several) => json!(several).to_string(),
            (Self::Events, _) => framed("event: message\ndata: ", "\n\n"),
            (Self::Lines, _) => framed("", "\n"),
        };
        let media_type = format!("Content-Type: {}", self.media_type());
        upstream.answers("200 OK", &[&media_type], &body);
    }
}

/// The messages of a body, whatever frames them.
fn messages(body: &str) -> Vec<Value> {
    let texts = body
        .lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    let values = texts.filter_map(|text| serde_json::from_str::<Value>(text).ok());
    let each = values.flat_map(|value| match value {
        Value::Array(several) => several,
        one => vec![one],
    });
    each.collect()
}

fn request(era: &str, token: &str, method: &str, params: Value) -> Ask {
    if era == MODERN {
        return door::modern("matrix", method, params).bearer(token);
    }
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    legacy(era, token, &body)
}

fn legacy(era: &str, token: &str, body: &Value) -> Ask {
    Ask::json("/mcp/matrix", body)
        .bearer(token)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", era)
}

fn result(id: u32) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": { "resultType": "complete", "vendor": [id] } })
}

/// How it is said that something is not there, for all that the caller may know.
fn unknown(answer: &Value, aimed: Aimed, era: &str) {
    let is_resource = aimed.absent.starts_with("resource");
    let code = if is_resource && era != MODERN {
        -32002
    } else {
        -32602
    };
    let text = format!("Unknown {}hidden", aimed.absent);
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["message"]),
        (&json!(code), &json!(text)),
        "{era} {}: {answer}",
        aimed.method
    );
}

/// How it is said that something is not possible at this moment: to a model where one asked, else to the program.
fn not_now(answer: &Value, aimed: Aimed, era: &str) {
    let said = if aimed.method == "tools/call" {
        assert_eq!(answer["result"]["isError"], true, "{era}: {answer}");
        &answer["result"]["content"][0]["text"]
    } else {
        assert_eq!(answer["error"]["code"], 40_300, "{era}: {answer}");
        &answer["error"]["message"]
    };
    let said = said.as_str().unwrap_or_default();
    assert!(said.starts_with(ADVICE), "{era} {}: {answer}", aimed.method);
}

/// What is allowed goes through unchanged in every framing, and what is not never reaches the upstream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_method_is_decided_alike_in_every_era_and_framing() {
    let (door, upstream, token) = opened().await;
    for era in ERAS {
        for aimed in AIMED {
            let asked = |name: &str| door.ask(request(era, &token, aimed.method, (aimed.params)(name)));
            for framing in FRAMINGS {
                framing.said_by(&upstream, &[result(7)]);
                let before = upstream.heard();
                let reply = asked("allowed").await;
                assert_eq!(
                    (reply.status, reply.header("content-type")),
                    (200, Some(framing.media_type())),
                    "{era} {} {framing:?}: {reply:?}",
                    aimed.method
                );
                assert_eq!(messages(&reply.body), [result(7)], "{era} {}", aimed.method);
                assert_eq!(upstream.heard(), before + 1);

                let hidden = asked("hidden").await;
                assert_eq!(hidden.status, 200, "{era} {}: {hidden:?}", aimed.method);
                unknown(&hidden.json(), aimed, era);
                let later = asked("later").await;
                assert_eq!(later.status, 200, "{era} {}: {later:?}", aimed.method);
                not_now(&later.json(), aimed, era);
                assert_eq!(upstream.heard(), before + 1, "{era} {}", aimed.method);
            }
        }
    }
}

/// A list shows what may be used now or under other circumstances, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_list_is_filtered_alike_in_every_era_and_framing() {
    let (door, upstream, token) = opened().await;
    for era in ERAS {
        for (method, list, member) in LISTS {
            let name = |name: &str| match member {
                "name" => name.to_owned(),
                _ => format!("test://{name}"),
            };
            let entries =
                ["allowed", "hidden", "later"].map(|entry| json!({ member: name(entry), "vendor": 1.0e5 }));
            let listed = |entries: &[&Value]| json!({ "jsonrpc": "2.0", "id": 7, "result": { "resultType": "complete", list: entries, "nextCursor": "2" } });
            let [allowed, hidden, later] = &entries;
            for framing in FRAMINGS {
                framing.said_by(&upstream, &[listed(&[allowed, hidden, later])]);
                let reply = door.ask(request(era, &token, method, json!({}))).await;
                assert_eq!(
                    (reply.status, reply.header("content-type")),
                    (200, Some(framing.media_type())),
                    "{era} {method} {framing:?}: {reply:?}"
                );
                assert_eq!(
                    messages(&reply.body),
                    [listed(&[allowed, later])],
                    "{era} {method} {framing:?}"
                );
            }
        }
    }
}

/// TP-26: in the one era that has batches, each of their messages is decided as it would be alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_a_batch_is_decided_as_if_it_were_alone() {
    let (door, upstream, token) = opened().await;
    let era = "2025-03-26";
    for aimed in AIMED {
        let message = |id: u32, name: &str| json!({ "jsonrpc": "2.0", "id": id, "method": aimed.method, "params": (aimed.params)(name) });
        let batch = json!([message(1, "allowed"), message(2, "hidden"), message(3, "later")]);
        for framing in [Framing::Json, Framing::Events] {
            framing.said_by(&upstream, &[result(1)]);
            let reply = door.ask(legacy(era, &token, &batch)).await;
            assert_eq!(reply.status, 200, "{} {framing:?}: {reply:?}", aimed.method);
            let answers = messages(&reply.body);
            assert_eq!(answers.len(), 3, "{} {framing:?}: {answers:?}", aimed.method);
            let of = |id: u32| answers.iter().find(|answer| answer["id"] == id).unwrap();
            assert_eq!(*of(1), result(1));
            unknown(of(2), aimed, era);
            not_now(of(3), aimed, era);
        }
    }
}
