//! The record as a file that proves itself: JSON lines, signed at the end.
//!
//! ```text
//! {"vestibule_audit_export":1,"made_at":…,"key":{…},"seal":…,"chains":[{"chain":…,"first":…,"previous":…}]}
//! {"block":{"chain":…,"number":…,…,"hash":…,"key":…,"signature":…}}
//! {"event":{…},"person":{…}}
//! …
//! {"end":{"chains":[{"chain":…,"first":…,"last":…,"blocks":…,"events":…,"hash":…}],"sha256":…},"signature":…}
//! ```
//!
//! `event` and `person` are the lines of the block's body and of what it says about people, byte for byte; `person`
//! is `null` where it was erased. `sha256` is of all lines before the last, each with its line feed, but without what
//! follows `"person":` in an event's line, so that a person can be erased in a file too. `signature` is of
//! `"vestibule audit export 1\0"` and the text of `end`. `seal` is the public key sealed under the master key: who has
//! that needs no other proof of whose key it is.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use keys::digest::Sha256;
use keys::{Purpose, Sealer, VerifyingKey};
use model::{Timestamp, World};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use store::{AuditBlock, AuditChain, AuditSignature, Store, StoreError};
use uuid::Uuid;

use crate::proof::Proof;
use crate::signer::{Signer, Trusted};

/// The format that is written and read.
pub const FORMAT: u32 = 1;
/// Blocks that are read at once.
const PAGE: i64 = 32;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format.
    pub vestibule_audit_export: u32,
    /// When it was made.
    pub made_at: String,
    /// The public key of the deployment, as a JWK.
    pub key: Value,
    /// The same, sealed under the master key.
    pub seal: String,
    /// The chains, and where they begin.
    pub chains: Vec<Beginning>,
}

/// Where a chain begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// Which.
    pub chain: Uuid,
    /// Number of its first block.
    pub first: i64,
    /// Hash of the block before that, in hex.
    pub previous: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockLine {
    pub(crate) block: BlockHead,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockHead {
    chain: Uuid,
    number: i64,
    first_at: i64,
    last_at: i64,
    pub(crate) events: i64,
    sequence: i64,
    reserved: i64,
    previous: String,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl From<&AuditBlock> for BlockHead {
    fn from(block: &AuditBlock) -> Self {
        let signature = block.signature.as_ref();
        Self {
            chain: block.chain,
            number: block.number,
            first_at: block.first_at.as_millis(),
            last_at: block.last_at.as_millis(),
            events: block.events,
            sequence: block.sequence,
            reserved: block.reserved,
            previous: HEXLOWER.encode(&block.previous),
            hash: HEXLOWER.encode(&block.hash),
            key: signature.map(|signature| signature.kid.clone()),
            signature: signature.map(|signature| BASE64.encode(&signature.bytes)),
        }
    }
}

impl BlockHead {
    /// The block, without its lines.
    pub(crate) fn block(self) -> Option<AuditBlock> {
        let digest = |text: &str| HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok();
        let signature = match (self.key, self.signature) {
            (Some(kid), Some(signature)) => Some(AuditSignature {
                kid,
                bytes: BASE64.decode(signature.as_bytes()).ok()?,
            }),
            (None, None) => None,
            _ => return None,
        };
        Some(AuditBlock {
            chain: self.chain,
            number: self.number,
            first_at: Timestamp::from_millis(self.first_at),
            last_at: Timestamp::from_millis(self.last_at),
            events: self.events,
            sequence: self.sequence,
            reserved: self.reserved,
            previous: digest(&self.previous)?,
            hash: digest(&self.hash)?,
            signature,
            body: String::new(),
            personal: String::new(),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventLine<'a> {
    #[serde(borrow)]
    pub(crate) event: &'a RawValue,
    #[serde(borrow)]
    pub(crate) person: Option<&'a RawValue>,
}

/// What an event's line holds before the person.
pub(crate) fn event_part(event: &str) -> String {
    format!("{{\"event\":{event},\"person\":")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndLine<'a> {
    #[serde(borrow)]
    pub(crate) end: &'a RawValue,
    pub(crate) signature: String,
}

/// What the last line says, and signs.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub(crate) chains: Vec<Ending>,
    pub(crate) sha256: String,
}

/// What there is of a chain.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ending {
    pub(crate) chain: Uuid,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) blocks: i64,
    pub(crate) events: i64,
    pub(crate) hash: String,
}

/// What is signed at the end.
pub(crate) fn signed_end(end: &str) -> Vec<u8> {
    [b"vestibule audit export 1\0", end.as_bytes()].concat()
}

const SEAL: Purpose<'static> = Purpose {
    purpose: "audit public key",
    owner: "",
};

/// The public key that a header's seal holds, if it was sealed under this master key.
pub fn unseal(sealer: &Sealer, header: &Header) -> Option<VerifyingKey> {
    let text = sealer.open_ticket(&SEAL, &header.seal).ok()?;
    VerifyingKey::from_jwk(&serde_json::from_str(&text).ok()?)
}

/// Lines, and the digest of what they say.
#[derive(Debug, Default)]
struct Lines {
    text: String,
    digest: Sha256,
}

impl Lines {
    fn line(&mut self, text: &str) {
        self.digest.update(text.as_bytes());
        self.digest.update(b"\n");
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn event(&mut self, line: &str, personal: &str) {
        // What is no JSON was no event of ours. It goes out as a text, and the hash of the block tells.
        let part = event_part(&as_json(line));
        self.digest.update(part.as_bytes());
        self.digest.update(b"\n");
        let person = if personal.is_empty() {
            "null".to_owned()
        } else {
            as_json(personal)
        };
        self.text.push_str(&part);
        self.text.push_str(&person);
        self.text.push_str("}\n");
    }

    fn block(&mut self, block: &AuditBlock) {
        let head = BlockLine {
            block: BlockHead::from(block),
        };
        self.line(&to_json(&head));
        let mut personal = block.personal.split_terminator('\n');
        for line in block.body.lines() {
            self.event(line, personal.next().unwrap_or_default());
        }
    }
}

fn as_json(line: &str) -> String {
    match serde_json::from_str::<&RawValue>(line) {
        Ok(_) => line.to_owned(),
        Err(_) => Value::from(line).to_string(),
    }
}

/// Our own types: writing them cannot fail.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The whole record on its way out, piece by piece.
#[derive(Debug)]
pub struct Export {
    signer: Arc<Signer>,
    lines: Lines,
    /// The chains that are left, the next one last.
    left: Vec<AuditChain>,
    pages: Option<Pages>,
    /// It only counts here.
    counts: Proof,
    is_over: bool,
}

impl Export {
    /// Of everything that there is now.
    pub async fn begin(
        world: &World,
        store: &dyn Store,
        signer: Arc<Signer>,
        sealer: &Sealer,
    ) -> Result<Self, StoreError> {
        let mut left = store.audit_chains().await?;
        let jwk = signer.public().jwk();
        let mut header = Header {
            vestibule_audit_export: FORMAT,
            made_at: world.now().to_string(),
            seal: sealer.ticket(&SEAL, &jwk.to_string()),
            key: jwk,
            chains: Vec::new(),
        };
        for chain in &left {
            if let Some(first) = store.audit_block(chain.chain, chain.first).await? {
                header.chains.push(Beginning {
                    chain: chain.chain,
                    first: chain.first,
                    previous: HEXLOWER.encode(&first.previous),
                });
            }
        }
        let mut lines = Lines::default();
        lines.line(&to_json(&header));
        left.reverse();
        Ok(Self {
            signer,
            lines,
            left,
            pages: None,
            counts: Proof::new(Trusted::default(), true),
            is_over: false,
        })
    }

    /// The next lines; `None` after the last.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<String>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        loop {
            if self.pages.is_none() {
                self.pages = self.left.pop().map(|chain| Pages::of(&chain));
            }
            let Some(pages) = &mut self.pages else { break };
            let Some(blocks) = pages.next(store).await? else {
                self.pages = None;
                continue;
            };
            for block in &blocks {
                self.counts.count(block);
                self.lines.block(block);
            }
            return Ok(Some(std::mem::take(&mut self.lines.text)));
        }
        self.is_over = true;
        let end = End {
            chains: self
                .counts
                .counts()
                .into_values()
                .map(|(ending, _)| ending)
                .collect(),
            sha256: HEXLOWER.encode(&self.lines.digest.clone().finish()),
        };
        let end = to_json(&end);
        let signature = BASE64.encode(&self.signer.sign(&signed_end(&end)));
        let mut text = std::mem::take(&mut self.lines.text);
        let last = format!("{{\"end\":{end},\"signature\":\"{signature}\"}}\n");
        text.push_str(&last);
        Ok(Some(text))
    }
}

/// Reads a chain page by page.
#[derive(Debug)]
pub(crate) struct Pages {
    chain: Uuid,
    next: i64,
    last: i64,
}

impl Pages {
    pub(crate) fn of(chain: &AuditChain) -> Self {
        Self {
            chain: chain.chain,
            next: chain.first,
            last: chain.last,
        }
    }

    /// The next blocks; `None` after the last.
    pub(crate) async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<AuditBlock>>, StoreError> {
        let blocks = store
            .audit_chain_blocks(self.chain, self.next, self.last, PAGE)
            .await?;
        let Some(last) = blocks.last() else {
            return Ok(None);
        };
        self.next = last.number + 1;
        Ok(Some(blocks))
    }
}
