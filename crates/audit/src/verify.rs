//! Verifying a whole record: the one in the database, or an export of it.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use data_encoding::{BASE64, HEXLOWER};
use keys::digest::Sha256;
use store::{AuditBlock, Store, StoreError};
use uuid::Uuid;

use crate::export::{
    BlockHead, BlockLine, End, EndLine, Ending, EventLine, FORMAT, Header, Pages, event_part, signed_end,
};
use crate::proof::{Proof, Report};
use crate::signer::Trusted;

/// How often it is begun anew because old blocks were deleted meanwhile.
const ATTEMPTS: u8 = 3;

/// Verifies what the database holds. `told` hears how many blocks have been looked at.
pub async fn store(
    store: &dyn Store,
    trusted: &Trusted,
    allow_erased: bool,
    told: &mut (dyn FnMut(i64) + Send),
) -> Result<Report, StoreError> {
    for attempt in 1.. {
        let chains = store.audit_chains().await?;
        let mut proof = Proof::new(trusted.clone(), allow_erased);
        let mut seen = 0;
        for learning in [true, false] {
            for chain in &chains {
                let mut pages = Pages::of(chain);
                while let Some(blocks) = pages.next(store).await? {
                    for block in &blocks {
                        if learning {
                            proof.learn(block);
                        } else {
                            proof.check(block);
                        }
                    }
                    seen += i64::try_from(blocks.len()).unwrap_or(0);
                    told(seen / 2);
                }
            }
        }
        let after: BTreeMap<_, _> = store
            .audit_chains()
            .await?
            .into_iter()
            .map(|chain| (chain.chain, chain.first))
            .collect();
        let is_same = chains
            .iter()
            .all(|chain| after.get(&chain.chain).is_none_or(|first| *first == chain.first));
        if is_same || attempt == ATTEMPTS {
            return Ok(proof.finish());
        }
    }
    Ok(Report::default())
}

/// The first line of an export.
pub fn header(mut file: impl BufRead) -> io::Result<Option<Header>> {
    let mut line = String::new();
    file.read_line(&mut line)?;
    Ok(serde_json::from_str(line.trim_end()).ok())
}

/// Verifies an export, which `open` opens. It is read twice.
pub fn file<R: BufRead>(
    open: impl Fn() -> io::Result<R>,
    trusted: &Trusted,
    allow_erased: bool,
) -> io::Result<Report> {
    let mut proof = Proof::new(trusted.clone(), allow_erased);
    let mut first = Reader::new(open()?);
    while let Some(item) = first.next()? {
        if let Item::Block(block) = item {
            proof.learn(&block);
        }
    }
    let mut reader = Reader::new(open()?);
    let (mut header, mut end, mut at) = (None, None, 0_u64);
    while let Some(item) = reader.next()? {
        at += 1;
        if end.is_some() {
            proof.wrong(format!("line {}: something follows the last line", reader.number));
        }
        match item {
            Item::Header(found) if at == 1 => header = Some(found),
            Item::Header(_) => proof.wrong(format!("line {}: a second beginning", reader.number)),
            Item::Block(block) => proof.check(&block),
            Item::End(found, signature) => end = Some((found, signature, reader.digest_before())),
            Item::Odd(why) => proof.wrong(why),
        }
    }
    let counted = proof.counts();
    match &header {
        Some(header) => check_header(&mut proof, header, trusted, &counted),
        None => proof.wrong("the beginning of the file is missing"),
    }
    match end {
        Some((text, signature, digest)) => {
            check_end(&mut proof, &text, &signature, digest, trusted, &counted);
        }
        None => proof.wrong("the end of the file is missing"),
    }
    Ok(proof.finish())
}

/// What there is of each chain.
type Counted = BTreeMap<Uuid, (Ending, String)>;

fn check_header(proof: &mut Proof, header: &Header, trusted: &Trusted, counted: &Counted) {
    if header.vestibule_audit_export > FORMAT {
        proof.wrong(format!(
            "the file has format {}; this version reads format {FORMAT}: update vestibule",
            header.vestibule_audit_export
        ));
    }
    let key = keys::VerifyingKey::from_jwk(&header.key);
    if key.is_none_or(|key| trusted.find(key.kid()).is_none()) {
        proof.wrong("the file names another key than the one to be trusted");
    }
    for listed in &header.chains {
        match counted.get(&listed.chain) {
            None => proof.wrong(format!("chain {} is missing from the file", listed.chain)),
            Some((ending, previous)) => {
                if ending.first != listed.first || *previous != listed.previous {
                    proof.wrong(format!(
                        "chain {} begins with block {}; the first line says {}",
                        listed.chain, ending.first, listed.first
                    ));
                }
            }
        }
    }
    for id in counted.keys() {
        if !header.chains.iter().any(|listed| listed.chain == *id) {
            proof.wrong(format!("the first line of the file does not know chain {id}"));
        }
    }
}

fn check_end(
    proof: &mut Proof,
    text: &str,
    signature: &str,
    digest: [u8; 32],
    trusted: &Trusted,
    counted: &Counted,
) {
    let bytes = BASE64.decode(signature.as_bytes()).unwrap_or_default();
    if !trusted.any_verifies(&signed_end(text), &bytes) {
        proof.wrong("the last line of the file is not signed by the key to be trusted");
    }
    let Ok(end) = serde_json::from_str::<End>(text) else {
        return proof.wrong("the last line of the file cannot be read");
    };
    if end.sha256 != HEXLOWER.encode(&digest) {
        proof.wrong("the file is not what was written: its last line has the digest of another");
    }
    let there: Vec<_> = counted.values().map(|(ending, _)| ending).collect();
    if there != end.chains.iter().collect::<Vec<_>>() {
        proof.wrong("the last line of the file counts other blocks and events than there are");
    }
}

enum Item {
    Header(Header),
    Block(AuditBlock),
    End(String, String),
    Odd(String),
}

/// Reads an export, piece by piece.
struct Reader<R> {
    lines: R,
    /// Number of the line that was read last.
    number: u64,
    /// A line that belongs to the next piece.
    ahead: Option<String>,
    digest: Sha256,
    /// The digest before the line that was read last.
    before: Sha256,
}

impl<R: BufRead> Reader<R> {
    fn new(lines: R) -> Self {
        Self {
            lines,
            number: 0,
            ahead: None,
            digest: Sha256::new(),
            before: Sha256::new(),
        }
    }

    fn digest_before(&self) -> [u8; 32] {
        self.before.clone().finish()
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        if let Some(line) = self.ahead.take() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        if self.lines.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        // A line that broke off, or that holds other than text, is like no line that was written.
        let line = match String::from_utf8(bytes) {
            Ok(mut line) if line.ends_with('\n') => {
                line.pop();
                line
            }
            Ok(line) => format!("{line} (broken off)"),
            Err(_) => String::from("(no text)"),
        };
        Ok(Some(line))
    }

    fn take_in(&mut self, part: &str) {
        self.before = self.digest.clone();
        self.digest.update(part.as_bytes());
        self.digest.update(b"\n");
    }

    fn next(&mut self) -> io::Result<Option<Item>> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        self.take_in(&line);
        if let Some(head) = exactly::<BlockLine>(&line) {
            return self.block(head.block).map(Some);
        }
        if let Some(header) = exactly::<Header>(&line) {
            return Ok(Some(Item::Header(header)));
        }
        if let Ok(end) = serde_json::from_str::<EndLine<'_>>(&line)
            && serde_json::to_string(&end).is_ok_and(|text| text == line)
        {
            return Ok(Some(Item::End(end.end.get().to_owned(), end.signature)));
        }
        let what = match serde_json::from_str::<EventLine<'_>>(&line) {
            Ok(_) => "an event that belongs to no block",
            Err(_) => "cannot be read",
        };
        Ok(Some(Item::Odd(format!("line {}: {what}", self.number))))
    }

    /// The block of this head, with the lines that follow it.
    fn block(&mut self, head: BlockHead) -> io::Result<Item> {
        let at = self.number;
        let events = head.events;
        let Some(mut block) = head.block() else {
            return Ok(Item::Odd(format!("line {at}: a block that cannot be read")));
        };
        let mut count = 0;
        while count < events {
            let Some(line) = self.line()? else { break };
            let Some((event, person)) = parts(&line) else {
                self.ahead = Some(line);
                break;
            };
            self.take_in(&event_part(event));
            block.body.push_str(event);
            block.body.push('\n');
            block.personal.push_str(person);
            block.personal.push('\n');
            count += 1;
        }
        Ok(Item::Block(block))
    }
}

/// Reads a line that is exactly what would have been written.
fn exactly<T: serde::de::DeserializeOwned + serde::Serialize>(line: &str) -> Option<T> {
    let value: T = serde_json::from_str(line).ok()?;
    (serde_json::to_string(&value).ok()? == line).then_some(value)
}

/// Event and person of a line that is exactly what would have been written.
fn parts(line: &str) -> Option<(&str, &str)> {
    let read: EventLine<'_> = serde_json::from_str(line).ok()?;
    let (event, person) = (
        read.event.get(),
        read.person.map_or("null", |person| person.get()),
    );
    if line != format!("{}{person}}}", event_part(event)) {
        return None;
    }
    Some((event, if person == "null" { "" } else { person }))
}

#[cfg(test)]
mod tests;
