//! `vestibule adopt --revoke`: the old credentials end at their providers, which are asked by the tokens themselves; those of a
//! door at that door.
//!
//! Only after the backup and the new entries are written, and after somebody agreed, for nobody gives such a token back. A
//! token stands in what is sent and nowhere else: not in a message, nor in what is kept beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use net::Operators;
use scan::adopt::{Backup, Ended, Ending, Plan};
use scan::revocation::{NotAsked, Request};
use scan::{Finding, Report, Rules};
use serde_json::{Value, json};

use super::super::person::egress::egress;
use crate::output::printable;

mod ask;

use ask::ask;

/// The credentials that are replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old<'a> {
    pub(super) plan: &'a Plan,
    pub(super) report: &'a Report,
    pub(super) rules: &'a Rules,
}

/// What became of one.
#[derive(Debug)]
enum Became {
    /// It counts no more.
    Revoked,
    /// Its provider says something else.
    NotTaken(String),
    /// Nobody knows: no answer came.
    NoAnswer(String),
    /// Somebody said no.
    Declined,
    /// Nobody was asked.
    Left(NotAsked),
}

/// What became of each, by its number; empty if nothing was to.
#[derive(Debug, Default)]
pub(super) struct Fate(BTreeMap<usize, Became>);

impl Fate {
    /// Whether a provider was asked, and the credential may count all the same.
    pub(super) fn has_failed(&self) -> bool {
        let mut all = self.0.values();
        all.any(|became| matches!(became, Became::NotTaken(_) | Became::NoAnswer(_)))
    }
}

impl<'a> Old<'a> {
    /// Asks the providers, once somebody agreed.
    ///
    /// # Errors
    /// It cannot be noted what is asked; then nobody is.
    pub(super) async fn revoke(
        self,
        endings: Vec<Ending>,
        backup: &Backup,
        is_agreed: bool,
    ) -> anyhow::Result<Fate> {
        let (mut fate, mut requests) = (Fate::default(), Vec::new());
        for ending in endings {
            match ending.way {
                Ok(request) => requests.push((ending.credential, request)),
                Err(why) => {
                    fate.0.insert(ending.credential, Became::Left(why));
                }
            }
        }
        if requests.is_empty() {
            return Ok(fate);
        }
        if !is_agreed && !agreed(&requests) {
            fate.0
                .extend(requests.iter().map(|(at, _)| (*at, Became::Declined)));
            return Ok(fate);
        }
        // Noted before, so that a way back that is taken after a crash says what it may lead to.
        let asked = requests.iter().map(|(at, _)| (*at, false)).collect();
        backup.note(self.ended(&asked))?;
        let http = Operators::new(&egress())?;
        for (at, request) in &requests {
            fate.0.insert(*at, ask(&http, request).await);
        }
        let over = fate.0.iter().filter_map(|(at, became)| match became {
            Became::Revoked => Some((*at, true)),
            Became::NoAnswer(_) => Some((*at, false)),
            _ => None,
        });
        // What was noted before says less, and nothing that is wrong.
        let _ = backup.note(self.ended(&over.collect()));
        Ok(fate)
    }

    /// What is noted of those that are over for certain, and of those that may be.
    fn ended(self, credentials: &BTreeMap<usize, bool>) -> Vec<Ended> {
        let one = |finding: &Finding| {
            let is_certain = *credentials.get(&finding.credential)?;
            Some(Ended {
                title: self.title(finding),
                path: finding.shown.clone(),
                is_certain,
            })
        };
        self.replaced().filter_map(one).collect()
    }

    fn replaced(self) -> impl Iterator<Item = &'a Finding> {
        self.report
            .findings
            .iter()
            .filter(move |finding| scan::adopt::is_replaced(finding, self.plan))
    }

    fn title(self, finding: &Finding) -> String {
        let provider = finding.provider.as_deref().and_then(|id| self.rules.provider(id));
        provider.map_or_else(
            || finding.title.clone(),
            |provider| format!("{} {}", provider.title, finding.title),
        )
    }

    /// Where it is taken back by hand.
    fn by_hand(self, finding: &Finding) -> &'a str {
        let provider = finding.provider.as_deref().and_then(|id| self.rules.provider(id));
        provider
            .and_then(|provider| provider.revoke.as_deref())
            .unwrap_or("where it was given out")
    }

    /// What is said of all of them.
    pub(super) fn told(self, fate: &Fate) -> String {
        let (mut over, mut count) = (String::new(), String::new());
        for finding in self.replaced() {
            let title = format!("{} in {}", self.title(finding), finding.shown);
            let by_hand = self.by_hand(finding);
            let _ = match fate.0.get(&finding.credential) {
                Some(Became::Revoked) => write!(over, "\n  {title}"),
                Some(became) => match became.why() {
                    Some(why) => write!(count, "\n  {title}: {by_hand} ({why})"),
                    None => write!(count, "\n  {title}: {by_hand}"),
                },
                None => write!(count, "\n  {title}: {by_hand}"),
            };
        }
        let mut text = String::new();
        if !over.is_empty() {
            let _ = write!(text, "\nRevoked at their providers:{over}");
        }
        if !count.is_empty() {
            let _ = write!(
                text,
                "\nThese old credentials still count. Take each back:{count}"
            );
        }
        text.push_str(
            "\nThen `vestibule adopt --forget` deletes the backup that holds them; until then `vestibule adopt --undo` puts it back.",
        );
        text
    }

    /// The same for programs.
    pub(super) fn json(self, fate: &Fate) -> Vec<Value> {
        let one = |finding: &Finding| {
            let became = fate.0.get(&finding.credential);
            json!({
                "title": self.title(finding), "path": finding.shown, "rule": finding.rule,
                "revoke": self.by_hand(finding), "credential": finding.credential,
                "state": became.map_or("counts", Became::word), "why": became.and_then(Became::why),
            })
        };
        self.replaced().map(one).collect()
    }
}

impl Became {
    /// For programs.
    const fn word(&self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::NotTaken(_) => "not_taken",
            Self::NoAnswer(_) => "no_answer",
            Self::Declined => "declined",
            Self::Left(_) => "left",
        }
    }

    /// Why it counts, or may.
    fn why(&self) -> Option<String> {
        match self {
            Self::Revoked | Self::Declined => None,
            Self::NotTaken(answer) => Some(format!("its provider did not take it back: {answer}")),
            Self::NoAnswer(why) => Some(format!("its provider could not be asked: {why}")),
            Self::Left(why) => Some(why.to_string()),
        }
    }
}

/// Asks whether these may be asked. No answer is no.
fn agreed(requests: &[(usize, Request)]) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let hosts: BTreeSet<String> = requests.iter().map(|(_, request)| request.host()).collect();
    let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
    let what = match requests.len() {
        1 => "1 old credential".to_owned(),
        count => format!("{count} old credentials"),
    };
    let question = format!("Revoke {what} at {} for ever?", printable(&hosts));
    let confirm = dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact();
    confirm.unwrap_or(false)
}

/// What is said when an entry is back whose credential counts no more.
pub(super) fn warning(ended: &Ended) -> String {
    let Ended { title, path, .. } = ended;
    let was = if ended.is_certain { "was" } else { "may have been" };
    format!(
        "{title} in {path} {was} revoked at its provider: the entry is back, and does not work with it. `vestibule adopt` \
         replaces it again"
    )
}

/// The same for programs.
pub(super) fn undone_json(ended: &[Ended]) -> Vec<Value> {
    let one =
        |ended: &Ended| json!({ "title": ended.title, "path": ended.path, "certain": ended.is_certain });
    ended.iter().map(one).collect()
}
