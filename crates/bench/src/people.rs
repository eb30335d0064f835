//! People who sign in as people do: the real pages, the real forms, consent, code, token.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, BufWriter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::house::{CLIENT, REDIRECT};
use crate::http_client::{Connection, Reply, encoded};

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery staple";
/// The account that is there before it is multiplied.
pub const FIRST: &str = "person-0";

/// A verifier and its challenge (RFC 7636 appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// `bench sign-in`.
#[derive(Debug, Args)]
pub struct SignIn {
    /// Where the door listens
    #[arg(long)]
    pub address: SocketAddr,
    /// How it is known
    #[arg(long)]
    pub url: String,
    /// The server that the tokens are for
    #[arg(long, default_value = "bench")]
    pub server: String,
    /// How many people
    #[arg(long, default_value_t = 64)]
    pub people: u32,
    /// The file to write
    #[arg(long)]
    pub out: PathBuf,
}

impl SignIn {
    /// Signs them in, one after the other.
    ///
    /// # Errors
    /// If somebody cannot.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut out = String::new();
        for number in 0..self.people {
            let mut person = Person::sign_in(self.address, &self.url, number).await?;
            let tokens = person.tokens(&self.server).await?;
            writeln!(out, "{} {}", tokens.access, tokens.refresh)?;
        }
        std::fs::write(&self.out, out)?;
        Ok(())
    }
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Tokens {
    /// Reads them from an answer.
    ///
    /// # Errors
    /// If it is none.
    pub fn of(reply: &Reply) -> anyhow::Result<Self> {
        ensure!(reply.status == 200, "no tokens: {} {}", reply.status, reply.body);
        let said: Value = serde_json::from_str(&reply.body)?;
        let text = |member: &str| {
            said[member]
                .as_str()
                .map(str::to_owned)
                .context("a token is missing")
        };
        Ok(Self {
            access: text("access_token")?,
            refresh: text("refresh_token")?,
        })
    }
}

/// Somebody with a browser.
#[derive(Debug)]
pub struct Person {
    browser: Connection,
    cookies: BTreeMap<String, String>,
    url: String,
    /// How often they asked for a code. Asking for the same again a moment later gives the same code (CC-51).
    asked: u32,
}

impl Person {
    /// Person `number` signs in.
    ///
    /// # Errors
    /// If they cannot.
    pub async fn sign_in(address: SocketAddr, url: &str, number: u32) -> anyhow::Result<Self> {
        let host = url.split("://").nth(1).unwrap_or(url);
        let mut this = Self {
            browser: Connection::open(address, host).await?,
            cookies: BTreeMap::new(),
            url: url.to_owned(),
            asked: 0,
        };
        let page = this.get("/sign-in").await?;
        let token = field(&page.body, "/sign-in", "token")?;
        let username = format!("person-{number}");
        let fields = [
            ("token", token.as_str()),
            ("username", &username),
            ("password", PASSWORD),
        ];
        let reply = this.submit("/sign-in", &fields).await?;
        ensure!(reply.status == 303, "{username} cannot sign in: {}", reply.body);
        Ok(this)
    }

    /// Approves the client for a server, and gets the code.
    ///
    /// # Errors
    /// If it is not given.
    pub async fn code(&mut self, server: &str) -> anyhow::Result<String> {
        let resource = format!("{}/mcp/{server}", self.url);
        self.asked += 1;
        let state = format!("state-{}", self.asked);
        let query = encoded(&[
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("state", &state),
            ("scope", "mcp offline_access"),
            ("resource", &resource),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let mut reply = self.get(&format!("/authorize?{query}")).await?;
        if reply.status == 200 {
            let transaction = field(&reply.body, "/consent", "transaction")?;
            let token = field(&reply.body, "/consent", "token")?;
            let fields = [
                ("transaction", transaction.as_str()),
                ("token", &token),
                ("answer", "approve"),
            ];
            reply = self.submit("/consent", &fields).await?;
        }
        let back = reply
            .headers
            .get("location")
            .and_then(|value| value.to_str().ok());
        let code = back.and_then(|back| back.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")));
        match code {
            Some(code) => Ok(code.to_owned()),
            None => bail!("no code: {} {back:?} {}", reply.status, reply.body),
        }
    }

    /// From approval to tokens.
    ///
    /// # Errors
    /// If they are not given.
    pub async fn tokens(&mut self, server: &str) -> anyhow::Result<Tokens> {
        let code = self.code(server).await?;
        Tokens::of(&self.browser.send_form("/token", &[], &redemption(&code)).await?)
    }

    async fn get(&mut self, target: &str) -> anyhow::Result<Reply> {
        let cookies = self.cookie_header();
        let reply = self
            .browser
            .ask("GET", target, &[("cookie", &cookies)], "")
            .await?;
        self.keep_cookies(&reply);
        Ok(reply)
    }

    async fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> anyhow::Result<Reply> {
        let (cookies, url) = (self.cookie_header(), self.url.clone());
        let headers = [
            ("cookie", cookies.as_str()),
            ("origin", &url),
            ("sec-fetch-site", "same-origin"),
        ];
        let reply = self.browser.send_form(target, &headers, fields).await?;
        self.keep_cookies(&reply);
        Ok(reply)
    }

    fn cookie_header(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, reply: &Reply) {
        for value in reply.headers.get_all("set-cookie") {
            let pair = value
                .to_str()
                .ok()
                .and_then(|text| text.split(';').next()?.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The form that redeems a code.
pub fn redemption(code: &str) -> [(&str, &str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT),
    ]
}

/// The form that refreshes.
pub fn refreshing(token: &str) -> [(&str, &str); 3] {
    [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", CLIENT),
    ]
}

/// The value of a hidden field of the form with this action.
fn field(page: &str, action: &str, name: &str) -> anyhow::Result<String> {
    let form = page.split(&format!("action=\"{action}")).nth(1);
    let value = form
        .unwrap_or_default()
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .with_context(|| format!("the page has no field {name}: {page}"))?;
    Ok(value.replace("&#38;", "&").replace("&#61;", "="))
}

/// Writes a backup in which the account [`FIRST`] is there `count` times, with all that it has, under other names.
///
/// # Errors
/// If the first is not there, or the files cannot be read or written.
pub fn multiply(from: &Path, to: &Path, count: u32) -> anyhow::Result<()> {
    let lines: Vec<String> = BufReader::new(std::fs::File::open(from)?)
        .lines()
        .collect::<Result<_, _>>()?;
    let [head, rows @ .., _foot] = lines.as_slice() else {
        bail!("{} is no backup", from.display());
    };
    let mut out = crate::house::Archive::new(BufWriter::new(std::fs::File::create(to)?));
    out.line(head)?;
    let first = rows
        .iter()
        .find(|row| row.contains(&format!("\"{FIRST}\"")))
        .context("the account to multiply is not there")?;
    let first: Value = serde_json::from_str(first)?;
    let mut ids = vec![
        first["row"]["id"]
            .as_str()
            .context("an account without an id")?
            .to_owned(),
    ];
    for row in rows {
        out.row(row)?;
        // What was recorded of the first stays what it is.
        if row.contains("\"audit_blocks\"") || !ids.iter().any(|id| row.contains(id)) {
            continue;
        }
        // What belongs to a grant of the first is multiplied too.
        let parsed: Value = serde_json::from_str(row)?;
        ids.extend(parsed["row"]["id"].as_str().map(str::to_owned));
        for number in 1..count {
            out.row(&renumbered(row, number)?)?;
        }
    }
    out.finish()
}

/// A row of the first account as one of another: every id of its own and the name differ in their number.
fn renumbered(row: &str, number: u32) -> anyhow::Result<String> {
    let mut value: Value = serde_json::from_str(row)?;
    if let Some(members) = value["row"].as_object_mut() {
        for (name, member) in members.iter_mut() {
            let Some(text) = member.as_str() else { continue };
            let renumbered = match name.as_str() {
                "username" => format!("person-{number}"),
                "id" | "account_id" | "grant_id" | "session_id" | "account" | "grant" | "session" => {
                    let head = text.get(..text.len().saturating_sub(8)).unwrap_or_default();
                    format!("{head}{number:08x}")
                }
                "digest" => digest(text, number),
                _ => continue,
            };
            *member = json!(renumbered);
        }
    }
    Ok(value.to_string())
}

/// Another text of the same alphabet and length.
fn digest(text: &str, number: u32) -> String {
    let number = format!("{number:08x}");
    let rest = text.get(number.len()..).unwrap_or_default();
    format!("{number}{rest}")
}
