use std::path::Path;

use super::*;
use crate::config::file;

fn composed(text: &str) -> Result<Snapshot, Problems> {
    let loaded = file::parse(
        text,
        Path::new("a.yaml"),
        "/nonexistent".into(),
        &Environment::default(),
    );
    compose(&loaded.unwrap(), &Environment::of([("TOKEN", "t0ken")]), None)
}

fn problems(text: &str) -> String {
    composed(text)
        .err()
        .map(|problems| problems.to_string())
        .unwrap_or_default()
}

#[test]
fn what_is_wrong_with_programs_without_a_person() {
    insta::assert_snapshot!(problems("
public_url: https://mcp.example.com
listen: 127.0.0.1:8080
trusted_issuers:
  ci: { issuer: https://ci.example.com }
  ourselves: { issuer: 'https://mcp.example.com' }
clients:
  public: { name: Public, client_credentials: { account: nightly, servers: [a] } }
  keyed:
    name: Keyed
    jwks_uri: https://a.example/jwks
    client_credentials: { account: nightly, servers: [], lifetime: 48h }
    token_exchange: { from: [a], to: [b, abroad] }
workloads:
  'a b': { issuer: ci, subjects: [x], account: nightly, servers: [a] }
  everybody: { issuer: ci, subjects: ['**'], account: nightly, servers: [a] }
  nobody: { issuer: ci, subjects: [], account: nightly, servers: [a] }
  own: { issuer: ourselves, subjects: [x], account: nightly, servers: [a] }
  stranger: { issuer: other, subjects: [x], claims: { '': x }, account: nightly, servers: [a] }
servers:
  a: { upstream: 'http://a/mcp', allow: [] }
  abroad: { upstream: 'http://a/mcp', allow: [], auth: issuer, issuer: ci }
"), @"
    clients.keyed.client_credentials.servers: must name a server
    clients.keyed.client_credentials.lifetime: may be `lifetimes.access_token` at most
    clients.keyed.token_exchange.to: there is no server called b
    clients.keyed.token_exchange.to: abroad takes no tokens of this door
    clients.public: needs secret_file, jwks_uri or jwks_file: who only says a name has proved nothing
    workloads.a b: \"a b\" is no server name: 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit
    workloads.everybody.subjects: a pattern of stars alone fits everybody whom the issuer vouches for; say who is meant
    workloads.nobody.subjects: must name somebody
    workloads.own.issuer: is this door itself
    workloads.stranger.claims.: \"\" names no claim; write its name, or a JSON pointer like /realm_access/roles
    workloads.stranger.issuer: there is no sound trusted issuer called other
    ");
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    insta::assert_snapshot!(problems("
public_url: http://mcp.example.com
listen: 0.0.0.0:80
default_server: nowhere
lifetimes: { access_token: 25h }
known_clients_file: known.json
clients:
  https://a.example/: { name: a, redirect_uris: [] }
  portal: { name: Portal, redirect_uris: ['javascript:alert(1)'] }
  other: { name: Other, redirect_uris: [], secret_file: secret, jwks_uri: https://a.example/jwks }
servers:
  ftp: { upstream: 'ftp://a/', allow: [] }
  login: { upstream: 'http://user:secret@a/', allow: [] }
  header:
    upstream: http://a/mcp
    allow: []
    credential: { headers: { 'a b': x, X-Unset: '${env:NOWHERE}', X-Open: '${env:TOKEN' } }
  unset:
    upstream: http://a/mcp
    allow: []
    credential: { headers: { X-Unset: '${env:NOWHERE}' } }
  authority: { upstream: 'https://a/mcp', allow: [], ca_file: ca.pem }
"), @"
    public_url: http://mcp.example.com is plain http, which is safe on this machine alone; tokens and passwords need https
    listen: 0.0.0.0:80 can be reached from other machines in plain http; give certificate files in `tls`, or list the proxy that ends TLS in `trusted_proxies`, or listen on 127.0.0.1
    lifetimes.access_token: an access token may live for 24h at most
    servers.authority: /nonexistent/ca.pem: I/O error: No such file or directory (os error 2)
    servers.ftp.upstream: must be an http or https URL
    servers.header.credential.headers.X-Open: ${ without }
    servers.header.credential.headers.a b: invalid HTTP header name
    servers.login.upstream: must not hold a user name or password; put the credential in `credential.headers`
    servers.unset.credential.headers: header x-unset: the environment variable NOWHERE is not set
    clients.https://a.example/: an id that is a URL belongs to a metadata document
    clients.other.redirect_uris: is missing; only a client with `device: true`, or one that acts for itself, can do without
    clients.portal.redirect_uris: javascript:alert(1): uses a scheme that is never allowed
    known_clients_file: /nonexistent/known.json: No such file or directory (os error 2)
    default_server: there is no server called nowhere
    ");
    insta::assert_snapshot!(problems("servers: {}"), @"public_url: is missing: it is the address under which people and clients reach this door, for example https://mcp.example.com");
}

#[test]
fn what_joins_the_record_is_checked() {
    insta::assert_snapshot!(problems("
public_url: https://mcp.example.com
servers: { gitea: { upstream: 'http://a/mcp', allow: [] } }
audit:
  arguments:
    - { server: gitea, tools: ['create_*'], keep: [owner, filter.state] }
    - { server: github, keep: [] }
    - { keep: [a..b, auth.api_key, auth_token, secret_key] }
"), @r#"
    audit.arguments[1].server: there is no server github
    audit.arguments[1].keep: must name 1 to 20 arguments
    audit.arguments[2].keep: "a..b" is no path; write one like owner or filter.state
    audit.arguments[2].keep: auth.api_key is the name of a credential, and none is ever written down
    audit.arguments[2].keep: auth_token is the name of a credential, and none is ever written down
    audit.arguments[2].keep: secret_key is the name of a credential, and none is ever written down
    "#);
}

/// MA-121, OS-1, TP-21.
#[test]
fn plain_http_is_for_this_machine_or_behind_a_listed_proxy() {
    let of = |text: &str| problems(text).is_empty();
    assert!(of("public_url: http://127.0.0.1:8080"));
    assert!(of("public_url: http://localhost:8080"));
    assert!(
        of("public_url: https://mcp.example.com"),
        "a proxy on this machine"
    );
    assert!(!of("public_url: http://mcp.example.com"));
    assert!(!of(
        "{public_url: https://mcp.example.com, listen: '0.0.0.0:8080'}"
    ));
    assert!(of(
        "{public_url: https://mcp.example.com, listen: '0.0.0.0:8080', trusted_proxies: [10.0.0.0/8]}"
    ));
    assert!(of(
        "{public_url: https://mcp.example.com, listen: '0.0.0.0:443', tls: {certificate_file: a, key_file: b}}"
    ));
}

/// DEC-20: its own limit.
#[test]
fn a_server_becomes_a_route() {
    let snapshot = composed(
        "
public_url: https://mcp.example.com
contact: ana
servers:
  gitea:
    upstream: http://gitea:8080/mcp
    allow: [{ groups: [developers], tools: all }, { people: [bob], tools: all }]
    signing: EdDSA
    body_limit: 1MiB
    assertion: {}
    credential: { headers: { Authorization: 'token ${env:TOKEN}' } }
",
    )
    .unwrap();
    let route = snapshot.routes.servers.get("gitea").unwrap();
    assert_eq!(route.resource.uri, "https://mcp.example.com/mcp/gitea");
    assert_eq!(route.resource.title, "gitea");
    assert_eq!(route.resource.algorithm, keys::Algorithm::EdDsa);
    assert_eq!(route.body_limit, 1 << 20);
    assert_eq!(route.contact.as_deref(), Some("ana"));
    let assertion = route.assertion.as_ref().unwrap();
    assert_eq!(
        (assertion.header.as_str(), assertion.audience.as_str()),
        ("x-mcp-assertion", "http://gitea:8080/mcp")
    );
    assert_eq!(route.credential.headers()[0].1, "token t0ken");
    assert_eq!(snapshot.settings.resources.len(), 1);
}

/// OS-8: a short secret could be guessed from its digest.
#[test]
fn a_configured_client_needs_a_long_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
public_url: https://mcp.example.com
clients:
  portal: { name: Portal, redirect_uris: ['https://portal.example/cb'], secret_file: secret }
";
    let loaded = file::parse(
        text,
        Path::new("a.yaml"),
        folder.path().to_owned(),
        &Environment::default(),
    )
    .unwrap();
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    let short = compose(&loaded, &Environment::default(), None)
        .err()
        .unwrap()
        .to_string();
    assert!(short.contains("32 random ones at least"), "{short}");
    std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let snapshot = compose(&loaded, &Environment::default(), None).unwrap();
    assert_eq!(snapshot.clients[0].secrets.len(), 1);
    assert!(
        snapshot.files.contains(&folder.path().join("secret")),
        "its change is noticed"
    );
}

/// MA-50: what is wrong with whose tokens a server takes.
#[test]
fn tokens_from_elsewhere_are_set_up_soundly_or_not_at_all() {
    let found = problems(
        "
public_url: https://mcp.example.com
default_server: abroad
clients:
  service-token: { name: a, redirect_uris: [] }
trusted_issuers:
  Bad Name: { issuer: https://a.example }
  plain: { issuer: http://a.example }
  odd: { issuer: https://a.example, algorithms: [HS256], typ: [], leeway: 6m, claims: { groups: '' } }
  corp: { issuer: https://login.example.com }
servers:
  abroad: { upstream: http://a/mcp, allow: [], auth: issuer, issuer: corp, audiences: [api] }
  twice: { upstream: http://a/mcp, allow: [], auth: both, issuer: corp, audiences: [api] }
  nobody: { upstream: http://a/mcp, allow: [], auth: both, issuer: nobody }
  unnamed: { upstream: http://a/mcp, allow: [], auth: both }
  idle: { upstream: http://a/mcp, allow: [], issuer: corp }
  closed: { upstream: http://a/mcp, allow: [], accept: [] }
  undated: { upstream: http://a/mcp, allow: [], accept: [legacy] }
  empty: { upstream: http://a/mcp, allow: [], accept: [legacy], legacy: { until: 2027-03-01 } }
  unlisted: { upstream: http://a/mcp, allow: [], legacy: { until: 2027-03-01 } }
  maps: { upstream: http://a/mcp, allow: [], accept: [legacy], legacy: { until: 2027-03-01, schemes: [Basic],
    headers: [cookie], upstream_check: { url: http://a/me } } }
",
    );
    for wanted in [
        "default_server: abroad takes no tokens of this door",
        "clients.service-token: this id stands for callers without a client",
        "trusted_issuers.Bad Name: ",
        "trusted_issuers.plain.issuer: must be an https URL",
        "trusted_issuers.odd.algorithms: must be some of",
        "trusted_issuers.odd.typ: must name",
        "trusted_issuers.odd.leeway: may be 5m at most",
        "trusted_issuers.odd.claims.groups: \"\" names no claim",
        "servers.twice.audiences: api means abroad already",
        "servers.nobody.issuer: there is no sound trusted issuer called nobody",
        "servers.unnamed.issuer: is missing",
        "servers.idle.auth: must be",
        "servers.closed.accept: must name",
        "servers.undated.accept: tokens of the time before need both",
        "servers.unlisted.accept: tokens of the time before need both",
        "servers.empty.legacy: names no token",
        "servers.maps.legacy.headers: cookie is not such a header",
        "servers.maps.legacy.schemes: Basic carries a password",
        "servers.maps.legacy.upstream_check: maps nobody",
    ] {
        assert!(found.contains(wanted), "{wanted}\n---\n{found}");
    }
}

/// What is wrong with the ways in is said before anybody is kept out, or let in who should not be.
#[test]
fn ways_in_are_set_up_soundly_or_not_at_all() {
    let alone = problems("{ public_url: https://mcp.example.com, sign_in: { passwords: false } }");
    assert!(
        alone.contains("sign_in.passwords: is false and there is no provider"),
        "{alone}"
    );
    let found = problems(
        "
public_url: https://mcp.example.com
trusted_issuers:
  both: { issuer: https://a.example }
sign_in:
  providers:
    Bad Name: { issuer: https://bad.example, client_id: door }
    plain: { issuer: http://a.example, client_id: '' }
    both: { issuer: https://b.example, client_id: door, domains: [example.com] }
    twice: { issuer: https://b.example, client_id: door, domains: [Example.COM, '@x', '*.y'] }
    bare: { issuer: https://c.example, client_id: door, authentication: basic, scopes: [profile], leeway: 6m }
    sly: { issuer: https://d.example, client_id: door, client_secret: '${env:TOKEN}', authentication: none }
    torn: { issuer: https://e.example, client_id: door, client_secret: a, client_secret_file: b, group_prefix: 'a' }
    unset: { issuer: https://f.example, client_id: door, client_secret: '${env:NOWHERE}', claims: { groups: '' } }
    gone: { issuer: https://g.example, client_id: door, client_secret_file: secret, lifetime: 0s, name: ' ' }
    nowhere: { client_id: door, hosted_domain: example, authorization_parameters: { state: x } }
    all: { preset: entra, issuer: https://login.microsoftonline.com/common/v2.0, client_id: door, api: https://a.example }
    keyless: { issuer: https://k.example, client_id: door, authentication: private_key_jwt }
    keyed: { issuer: https://l.example, client_id: door, client_key_file: none.pem, client_secret: a, authentication: post }
    hub: { preset: github, client_id: door, api: http://a.example, claims: { name: nick } }
",
    );
    for wanted in [
        "sign_in.providers.Bad Name: ",
        "sign_in.providers.plain.issuer: must be an https URL",
        "sign_in.providers.plain.client_id: is empty",
        "sign_in.providers.both: trusted_issuers has another issuer of this name",
        "sign_in.providers.twice.issuer: is that of both already",
        "sign_in.providers.twice.domains: Example.COM is of both already",
        "sign_in.providers.twice.domains: must be domains",
        "sign_in.providers.bare.authentication: needs a secret",
        "sign_in.providers.bare.scopes: must name openid",
        "sign_in.providers.bare.leeway: may be 5m at most",
        "sign_in.providers.sly.authentication: is none",
        "sign_in.providers.torn.client_secret: and client_secret_file exclude",
        "sign_in.providers.torn.group_prefix: must be",
        "sign_in.providers.unset.client_secret: the environment variable NOWHERE is not set",
        "sign_in.providers.unset.claims.groups: \"\" names no claim",
        "sign_in.providers.gone.client_secret_file: /nonexistent/secret",
        "sign_in.providers.gone.lifetime: must be longer",
        "sign_in.providers.gone.name: is empty",
        "sign_in.providers.nowhere.issuer: is missing",
        "sign_in.providers.nowhere.hosted_domain: must be a domain",
        "sign_in.providers.nowhere.authorization_parameters: state is this door's own",
        "sign_in.providers.all.issuer: is that of all tenants",
        "sign_in.providers.all.api: is GitHub's alone",
        "sign_in.providers.hub.api: must be an https URL",
        "sign_in.providers.hub.client_secret_file: is missing",
        "sign_in.providers.hub.kind: is github",
        "sign_in.providers.keyless.authentication: needs a key",
        "sign_in.providers.keyed.authentication: and client_key_file do not fit",
        "sign_in.providers.keyed.client_key_file: and a secret exclude",
    ] {
        assert!(found.contains(wanted), "{wanted}\n---\n{found}");
    }
    let good = composed(
        "
public_url: https://mcp.example.com
sign_in:
  passwords: false
  providers:
    local: { issuer: 'http://127.0.0.1:5556/dex', client_id: door, client_secret: '${env:TOKEN}' }
",
    )
    .unwrap();
    assert_eq!(good.ways.only().unwrap().title, "local");
    assert!(
        !format!("{:?}", good.ways).contains("t0ken"),
        "a secret does not print"
    );
}

/// A directory that would get passwords in the clear, or would find others than was typed, is not set up at all.
#[test]
fn directories_are_set_up_soundly_or_not_at_all() {
    let found = problems(
        "
public_url: https://mcp.example.com
trusted_issuers:
  both: { issuer: https://a.example }
sign_in:
  directories:
    Bad Name: { urls: ['ldaps://a.example'], user_base: dc=a }
    both: { urls: ['ldaps://a.example'], user_base: dc=a, group_base: dc=a, group_prefix: 'corp:' }
    plain: { urls: ['ldap://a.example', 'http://a.example', 'ldaps://a:b@a.example', 'ldaps://a.example/dc=a'], user_base: ' ' }
    twice: { urls: ['ldaps://a.example'], start_tls: true, user_base: dc=a, group_base: dc=a, group_prefix: 'corp:' }
    none: { urls: [], user_base: dc=a, bind_dn: cn=a, lifetime: 0s, name: ' ', require_groups: [a] }
    torn: { urls: ['ldaps://a.example'], user_base: dc=a, bind_password_file: secret, group_base: ' ', group_prefix: a }
    wide: { urls: ['ldaps://a.example'], user_base: dc=a, user_filter: '(uid=*{username}*)', attributes: { id: 'a)(b' } }
    deep: { urls: ['ldaps://a.example'], user_base: dc=a, group_base: dc=a, group_filter: '(memberUid={username})' }
    gone: { urls: ['ldaps://a.example'], user_base: dc=a, bind_dn: cn=a, bind_password_file: secret, ca_file: ca.pem }
",
    );
    for wanted in [
        "sign_in.directories.Bad Name: ",
        "sign_in.directories.both: a provider or a trusted issuer has this name",
        "sign_in.directories.plain.urls: ldap://a.example would get passwords in the clear",
        "sign_in.directories.plain.urls: \"http://a.example\" is no server",
        "sign_in.directories.plain.urls: \"ldaps://a:b@a.example\" is no server",
        "sign_in.directories.plain.urls: \"ldaps://a.example/dc=a\" is no server",
        "sign_in.directories.plain.user_base: is empty",
        "sign_in.directories.twice.start_tls: is for ldap:// alone",
        "sign_in.directories.twice.group_prefix: is that of both already",
        "sign_in.directories.none.urls: names no server",
        "sign_in.directories.none.bind_dn: needs a password",
        "sign_in.directories.none.group_base: is missing",
        "sign_in.directories.none.lifetime: must be longer",
        "sign_in.directories.none.name: is empty",
        "sign_in.directories.torn.bind_password_file: is nobody's",
        "sign_in.directories.torn.group_base: is empty",
        "sign_in.directories.torn.group_prefix: must be",
        "sign_in.directories.wide.user_filter: must have {username} as the whole of a value",
        "sign_in.directories.wide.attributes.id: \"a)(b\" names no attribute",
        "sign_in.directories.deep.nested_groups: must be false",
        "sign_in.directories.gone.bind_password_file: /nonexistent/secret",
        "sign_in.directories.gone.ca_file: /nonexistent/ca.pem",
    ] {
        assert!(found.contains(wanted), "{wanted}\n---\n{found}");
    }
    let good = composed(
        "
public_url: https://mcp.example.com
sign_in:
  passwords: false
  directories:
    here: { urls: ['ldap://127.0.0.1:389', 'ldap://localhost'], user_base: dc=a }
    wide: { urls: ['ldap://a.example'], danger_plain_text: true, user_base: dc=a }
    forest: { kind: active_directory, urls: ['ldaps://a.example'], user_base: dc=a, group_base: dc=a }
",
    )
    .unwrap();
    assert!(good.ways.ask_for_password() && good.ways.only().is_none());
    let forest = good.ways.directory("forest").unwrap();
    let settings = forest.means.ldap().unwrap().settings();
    assert_eq!(
        (forest.issuer.as_str(), settings.attributes.id.name()),
        ("ldap:forest", "objectGUID")
    );
    assert!(settings.user_filter.of("a*").contains("(sAMAccountName=a\\2a)"));
    let groups = settings.groups.as_ref().unwrap();
    assert!(
        groups
            .filter
            .of("cn=a", "")
            .contains("1.2.840.113556.1.4.1941:=cn=a")
            && !groups.nested
    );
}

/// A service that would get passwords in the clear, or would answer anybody, is not set up at all; nor is one with words in its
/// section that count for nothing there.
#[test]
fn services_are_set_up_soundly_or_not_at_all() {
    let found = problems(
        "
public_url: https://mcp.example.com
sign_in:
  directories:
    clear: { kind: http, url: 'http://a.example/check', lookup_url: 'ftp://a.example/', username: door, password_file: secret }
    nobody: { kind: http, url: 'https://a.example/check' }
    nowhere: { kind: http, username: 'a:b', password_file: secret }
    torn: { kind: http, url: 'https://a.example/#x', username: a, group_prefix: a, lifetime: 0s }
    lost: { kind: http, url: 'https://a:b@a.example/', password_file: secret }
    twice: { kind: http, url: 'https://a.example/', token_file: secret, username: a, password_file: secret }
    proxied: { kind: http, url: 'http://127.0.0.1/', token_file: secret, proxy: 'http://proxy.example:3128' }
    mixed: { kind: http, url: 'https://a.example/', token_file: secret, urls: ['ldaps://a.example'], user_base: dc=a, group_base: dc=a, bind_dn: cn=a, nested_groups: false, group_name: dn }
    other: { urls: ['ldaps://a.example'], user_base: dc=a, url: 'https://a.example/', token_file: secret, link_by_verified_email: true }
",
    );
    for wanted in [
        "sign_in.directories.clear.url: would get passwords in the clear",
        "sign_in.directories.clear.lookup_url: would get passwords in the clear",
        "sign_in.directories.clear.password_file: /nonexistent/secret",
        "sign_in.directories.nobody.token_file: is missing",
        "sign_in.directories.nowhere.url: is missing",
        "sign_in.directories.torn.url: has a fragment",
        "sign_in.directories.torn.username: needs a password",
        "sign_in.directories.torn.group_prefix: must be",
        "sign_in.directories.torn.lifetime: must be longer",
        "sign_in.directories.lost.url: has a name or a password in it",
        "sign_in.directories.lost.password_file: is nobody's",
        "sign_in.directories.twice.token_file: and username with password_file exclude each other",
        "sign_in.directories.proxied.proxy: would get passwords in the clear",
        "sign_in.directories.mixed.urls: is for LDAP",
        "sign_in.directories.mixed.user_base: is for LDAP",
        "sign_in.directories.mixed.group_base: is for LDAP",
        "sign_in.directories.mixed.bind_dn: is for LDAP",
        "sign_in.directories.mixed.nested_groups: is for LDAP",
        "sign_in.directories.mixed.group_name: is for LDAP",
        "sign_in.directories.other.url: is for kind: http",
        "sign_in.directories.other.token_file: is for kind: http",
        "sign_in.directories.other.link_by_verified_email: is for kind: http",
    ] {
        assert!(found.contains(wanted), "{wanted}\n---\n{found}");
    }
    assert!(!found.contains("a:b"), "a secret does not print: {found}");
}
