//! The rooms of the house and the direction of their arrows (docs/internals/architecture.md).

use anyhow::{bail, ensure};
use serde_json::Value;

use crate::command::{cargo, output};

/// From the top of the house to the bottom. A room may depend on rooms below it alone.
const HOUSE: [&str; 20] = [
    "vestibule",
    "sample",
    "client",
    "scan",
    "web",
    "gateway",
    "issuer",
    "people",
    "vault",
    "policy",
    "audit",
    "relying",
    "ldap",
    "store-sqlite",
    "store-postgres",
    "store",
    "keys",
    "net",
    "protocol",
    "model",
];
/// They may depend on everything, and rooms depend on them in their tests alone.
const BESIDE: [&str; 4] = ["bench", "testkit", "fixture", "xtask"];
/// What a room must not know, as the libraries that would make it known.
const STRANGERS: [(&str, &[&str]); 10] = [
    ("gateway", &["askama", "axum", "sqlx"]),
    ("issuer", &["askama", "axum", "hyper", "sqlx"]),
    ("policy", &["axum", "http", "hyper", "sqlx", "tokio"]),
    ("relying", &["axum", "sqlx"]),
    ("client", &["askama", "axum", "sqlx"]),
    ("scan", &["askama", "axum", "http", "hyper", "sqlx", "tokio"]),
    ("ldap", &["axum", "http", "hyper", "sqlx"]),
    ("keys", &["axum", "http", "hyper", "sqlx"]),
    ("protocol", &["axum", "hyper", "sqlx", "tokio"]),
    ("model", &["axum", "http", "hyper", "serde_json", "sqlx", "tokio"]),
];

/// Fails if an arrow points up, or a room knows what it must not know.
pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if BESIDE.contains(&name) {
            continue;
        }
        let Some(floor) = floor(name) else {
            bail!("{name} has no floor in the house; give it one in xtask/src/arrows.rs");
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        for dependency in dependencies.filter(|dependency| dependency["kind"].as_str() != Some("dev")) {
            let target = dependency["name"].as_str().unwrap_or_default();
            let stranger = STRANGERS
                .iter()
                .any(|(room, strangers)| *room == name && strangers.contains(&target));
            let up = self::floor(target).is_some_and(|below| below <= floor);
            if stranger || up || BESIDE.contains(&target) {
                wrong.push(format!("{name} -> {target}"));
            }
        }
    }
    ensure!(
        wrong.is_empty(),
        "arrows that must not be:\n  {}",
        wrong.join("\n  ")
    );
    Ok(())
}

fn floor(name: &str) -> Option<usize> {
    HOUSE.iter().position(|room| *room == name)
}
