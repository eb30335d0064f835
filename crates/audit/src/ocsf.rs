//! Events as the Open Cybersecurity Schema Framework has them: Authentication (3002) for signing in and out, API
//! Activity (6003) for everything else. What has no attribute there is below `unmapped`.

use serde_json::{Map, Value, json};

use crate::event::{CallOutcome, What};
use crate::reading::Entry;

/// The version of the schema.
const VERSION: &str = "1.3.0";

/// One event. `row` is the same with names.
pub(crate) fn event(entry: &Entry, row: &Map<String, Value>, version: &str) -> Value {
    let text = |member: &str| row.get(member).filter(|value| !value.is_null()).cloned();
    let (class, activity) = class(&entry.what);
    let failed = has_failed(&entry.what);
    let user = prune(json!({ "uid": text("account"), "name": text("user") }));
    let source = match text("address") {
        Some(address) => json!({ "ip": address }),
        None => json!({ "name": "vestibule" }),
    };
    let mut event = json!({
        "class_uid": class,
        "category_uid": class / 1000,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "time": entry.at.as_millis(),
        "severity_id": if failed { 2 } else { 1 },
        "status_id": if failed { 2 } else { 1 },
        "status_code": text("reason"),
        "metadata": {
            "uid": entry.id.to_string(),
            "version": VERSION,
            "product": { "name": "Vestibule", "vendor_name": "Vestibule", "version": version },
            "event_code": text("event"),
        },
        "src_endpoint": source,
        "http_request": text("user_agent").map(|agent| json!({ "user_agent": agent })),
        "unmapped": rest(row),
    });
    if class == 3002 {
        event["user"] = user;
        event["service"] = json!({ "name": "vestibule" });
        event["session"] = text("session").map_or(Value::Null, |session| json!({ "uid": session }));
        event["is_remote"] = Value::from(true);
    } else {
        event["actor"] = prune(json!({
            "user": user,
            "app_uid": text("client"),
            "app_name": app_name(row),
        }));
        event["api"] = api(entry, &text);
        event["resources"] = match (text("server"), text("target")) {
            (Some(server), Some(target)) => json!([{ "name": target, "namespace": server }]),
            (Some(server), None) => json!([{ "name": server }]),
            _ => Value::Null,
        };
        if let What::Call { microseconds, .. } = entry.what {
            event["duration"] = Value::from(microseconds / 1000);
        }
    }
    prune(event)
}

/// What the program is called. Only what somebody vouches for is a name; what it says of itself is marked.
fn app_name(row: &Map<String, Value>) -> Option<String> {
    let text = |member: &str| row.get(member).and_then(Value::as_str);
    let name = text("client_name").or_else(|| text("agent"))?;
    Some(match text("client_vouched_by") {
        Some("nobody") => format!("{name} (unverified)"),
        _ => name.to_owned(),
    })
}

fn api(entry: &Entry, text: &impl Fn(&str) -> Option<Value>) -> Value {
    let operation = text("method")
        .or_else(|| text("command"))
        .or_else(|| text("event"));
    let service = text("server").unwrap_or_else(|| Value::from("vestibule"));
    let code = text("status").filter(|code| *code != json!(0));
    prune(json!({
        "operation": operation,
        "service": { "name": service },
        "request": { "uid": entry.id.to_string() },
        "response": { "code": code, "error": text("reason") },
    }))
}

/// Class and activity. Of most calls nobody can say whether they create, read or change something.
fn class(what: &What) -> (i64, i64) {
    match what {
        What::SignedIn { .. } | What::SignInRefused { .. } => (3002, 1),
        What::SignedOut { .. } => (3002, 2),
        What::SecondFactorAsked { .. } => (3002, 99),
        What::Call { method, .. } => match method.as_deref() {
            Some("resources/read" | "prompts/get" | "tools/list" | "resources/list" | "prompts/list") => {
                (6003, 2)
            }
            _ => (6003, 99),
        },
        What::ClientRegistered { .. } | What::TokensIssued { .. } | What::ConsentGiven { .. } => (6003, 1),
        What::PasswordSet { .. } | What::GroupChanged { .. } => (6003, 3),
        What::GrantEnded { .. } | What::ApprovalTakenBack { .. } | What::TokenRevoked { .. } => (6003, 4),
        _ => (6003, 99),
    }
}

fn has_failed(what: &What) -> bool {
    match what {
        What::Call { outcome, .. } => *outcome != CallOutcome::Answered,
        What::SignInRefused { .. }
        | What::ClientRefused { .. }
        | What::ClientDocumentFailed { .. }
        | What::AuthorizationRefused { .. }
        | What::GrantRefused { .. }
        | What::UserCodeRefused { .. }
        | What::ConnectionRefused { .. }
        | What::RecordCut { .. }
        | What::EventsLost { .. } => true,
        _ => false,
    }
}

/// What the schema has no place for.
fn rest(row: &Map<String, Value>) -> Value {
    const MAPPED: [&str; 18] = [
        "id",
        "at",
        "event",
        "account",
        "user",
        "username",
        "address",
        "user_agent",
        "session",
        "client",
        "client_name",
        "server",
        "target",
        "method",
        "status",
        "reason",
        "microseconds",
        "agent",
    ];
    let rest = row
        .iter()
        .filter(|(member, _)| !MAPPED.contains(&member.as_str()));
    Value::Object(
        rest.map(|(member, value)| (member.clone(), value.clone()))
            .collect(),
    )
}

/// Without members that say nothing.
fn prune(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        for member in members.values_mut() {
            *member = prune(member.take());
        }
        members.retain(|_, member| {
            !member.is_null() && member.as_object().is_none_or(|inner| !inner.is_empty())
        });
    }
    value
}
