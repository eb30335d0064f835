//! The providers at their public addresses, which a proxy of the company leads to.

use std::collections::BTreeSet;

use super::*;
use crate::rig::connect_proxy::{ConnectProxy, THROUGH};
use crate::rig::tls::certificate;

const HOSTS: [&str; 3] = ["api.github.com", "gitlab.com", "slack.com"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_public_providers_are_revoked_there_through_the_proxy() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    let (tls, authority) = certificate(&HOSTS);
    let proxy = ConnectProxy::before(providers.listener.address, tls, |_| THROUGH).await;
    let servers = [
        ("github", json!({ "GITHUB_TOKEN": person.tokens.github })),
        ("gitlab", json!({ "GITLAB_TOKEN": person.tokens.gitlab })),
        ("slack", json!({ "SLACK_BOT_TOKEN": person.tokens.slack })),
    ];
    person.servers(".cursor/mcp.json", &servers);
    person.write("authority.pem", &authority);
    let mut command = person.command(&[&ADOPT[..], &["--yes", "--json"]].concat());
    command
        .env("HTTPS_PROXY", format!("http://{}", proxy.address))
        .env("SSL_CERT_FILE", person.path("authority.pem"));
    let said: Value = serde_json::from_str(&person.ends(command, 0).await).unwrap();
    assert_eq!(states(&said), ["revoked"; 3], "{said}");
    assert_eq!(providers.valid(), BTreeSet::new());
    let heads = proxy.heads();
    let asked: Vec<_> = heads.iter().filter_map(|head| head.lines().next()).collect();
    assert_eq!(asked, HOSTS.map(|host| format!("CONNECT {host}:443 HTTP/1.1")));
    let heard = [
        "POST /credentials/revoke",
        "DELETE /api/v4/personal_access_tokens/self",
        "POST /api/auth.revoke",
    ];
    assert_eq!(providers.heard(), heard);
}
