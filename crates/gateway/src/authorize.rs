//! The step that decides: does the token reach this far, may this person use this server, and may they do what
//! the message asks for?

use std::net::IpAddr;
use std::sync::Arc;

use audit::event::Judged;
use model::Timestamp;
use policy::{Act, Annotations, Client, Decision, Outcome, Principal};
use protocol::Issuer;
use protocol::mcp::list::{self, List};

use crate::caller::Caller;
use crate::catalogue::{Catalogue, Item, Pinning};
use crate::insufficient_user_authentication::InsufficientUserAuthentication;
use crate::message::{Asked, Element, Read};
use crate::quota::Taking;
use crate::refusal::{Absent, Refusal, not_allowed, tell};
use crate::route::Route;
use crate::step_up::Lacking;

mod decide;
mod edit;

pub(crate) use decide::{in_other_words, is_too_long, of_uri};
use edit::without;

/// Who asks, of which server, from where and when.
pub(crate) struct About<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) route: &'a Arc<Route>,
    pub(crate) issuer: &'a Issuer,
    pub(crate) caller: &'a Caller,
    pub(crate) address: IpAddr,
    pub(crate) now: Timestamp,
}

/// By which rules something was decided; joins the record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ruling {
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    /// What rules that are only tried would have refused, and which.
    pub(crate) shadow: Option<String>,
    /// What was decided about each message of a batch.
    pub(crate) messages: Vec<Judged>,
}

/// What goes on.
pub(crate) struct Verdict {
    /// The message, without what was taken out of it. Nothing is left of a batch of which all was refused.
    pub(crate) read: Option<Read>,
    /// Answers to the messages of a batch that were refused.
    pub(crate) told: Vec<String>,
}

/// Whether the server may be used at all. The scope is asked first: a person who could get it is told so (DEC-17).
pub(crate) fn enter(about: &About<'_>, ruling: &mut Ruling) -> Result<(), Refusal> {
    if !about.caller.proof.reaches() {
        return Err(Refusal::Scope);
    }
    let connect = about.decide(Act::Connect, None);
    ruling.note(&connect, Act::Connect);
    if connect.outcome != Outcome::Allowed {
        return Err(not_allowed(about.route));
    }
    match about.caller.unmet(&about.route.resource, about.now) {
        Some(demand) => Err(Refusal::InsufficientUserAuthentication(
            InsufficientUserAuthentication::of(about.caller, about.route, demand),
        )),
        None => Ok(()),
    }
}

/// Decides about what is asked for there.
///
/// What is allowed takes of the quotas; what is refused takes nothing. By which rules is noted in `ruling`.
pub(crate) fn authorize(
    about: &About<'_>,
    taking: &mut Taking<'_>,
    ruling: &mut Ruling,
    read: Option<Read>,
) -> Result<Verdict, Refusal> {
    let told = Vec::new();
    let Some(mut read) = read else {
        return Ok(Verdict { read, told });
    };
    // In a batch there is no narrowing: one resource too many refuses the message.
    let listens = read.method.as_deref() == Some("subscriptions/listen");
    let narrows = listens && !read.is_batch;
    if narrows {
        read.bytes = about.narrow(&read, ruling);
    }
    let (mut refused, mut kept) = (Vec::new(), Vec::new());
    for (at, element) in read.elements.iter().enumerate() {
        if read.is_batch {
            ruling.rule = None;
        }
        let judged = if narrows {
            None
        } else {
            about.judge(&read, element, ruling)
        };
        let refusal = judged.or_else(|| taking.message(about, element, listens).err());
        if read.is_batch {
            let judged = noted(&read, element, refusal.as_ref(), ruling);
            ruling.messages.push(judged);
        }
        if refusal.is_none() && element.may_begin().is_some() {
            kept.push((at, about.kept(&read, element)));
        }
        refused.extend(refusal.map(|refusal| (at, refusal)));
    }
    for (at, arguments) in kept {
        if let Some(begins) = read.elements.get_mut(at).and_then(Element::may_begin_mut) {
            begins.arguments = arguments;
        }
    }
    if !read.is_batch {
        return match refused.pop() {
            Some((_, refusal)) => Err(refusal),
            None => Ok(Verdict {
                read: Some(read),
                told,
            }),
        };
    }
    let told = refused.iter().filter_map(|(at, refusal)| {
        let waiting = read.elements.get(*at)?.waiting.as_ref()?;
        Some(tell(refusal, waiting, read.modern))
    });
    let told: Vec<_> = told.collect();
    if !refused.is_empty() {
        let gone: Vec<_> = refused.iter().map(|(at, _)| *at).collect();
        read.bytes = without(&read, &gone);
    }
    Ok(Verdict {
        read: Some(read),
        told,
    })
}

/// What was decided about a message of a batch.
fn noted(read: &Read, element: &Element, refusal: Option<&Refusal>, ruling: &Ruling) -> Judged {
    let name = element.named.as_deref().unwrap_or_default();
    Judged {
        message: name.chars().take(LONGEST_NOTED).collect(),
        refused: refusal.map(Refusal::reason),
        rule: ruling.rule.clone(),
        arguments: element.digest(&read.bytes),
    }
}

impl About<'_> {
    /// Whether a list may show an entry to this caller. What the server says of it is learned on the way. One that
    /// cannot be read is not shown.
    pub(crate) fn shows(&self, list: List, text: &str) -> bool {
        if let Some(known) = self.catalogue.recognise(self.route.shelf(), list, text) {
            return self.shows_entry(list, &known.name, Some(&known));
        }
        let Some(entry) = list::entry(text, list) else {
            return false;
        };
        let known = self
            .catalogue
            .learn(self.route.shelf(), self.route.pinning, list, &entry);
        self.shows_entry(list, &entry.name, known.as_deref())
    }

    fn shows_entry(&self, list: List, name: &str, known: Option<&Item>) -> bool {
        let act = match list {
            List::Tools => Act::CallTool(name),
            List::Prompts => Act::GetPrompt(name),
            List::Resources | List::Templates => Act::ReadResource(name),
            // Nobody knows whose it is.
            List::Tasks => return false,
        };
        !self.holds(list, known) && self.could_be_shown(act)
    }

    /// Whether the policy could allow it under some circumstances.
    pub(crate) fn could_be_shown(&self, act: Act<'_>) -> bool {
        let policy = &self.route.resource.policy;
        let shown = |act: Act<'_>| policy.shows(self.principal(), act, self.annotations(act));
        !is_too_long(act) && shown(act) && in_other_words(act, |uri| shown(Act::ReadResource(uri)))
    }

    pub(crate) fn principal(&self) -> Principal<'_> {
        let id = self.caller.proof.client();
        Principal {
            username: &self.caller.account.username,
            groups: &self.caller.account.groups,
            client: Some(Client {
                id,
                host: host(id),
                scope: self.caller.proof.scope(),
            }),
        }
    }

    /// What the server says of a tool, if it is believed. An unknown tool is one of which nothing is said.
    pub(crate) fn annotations(&self, act: Act<'_>) -> Annotations {
        let Act::CallTool(name) = act else {
            return Annotations::default();
        };
        if !self.route.trust_annotations {
            return Annotations::default();
        }
        let known = self.catalogue.find(self.route.shelf(), List::Tools, name);
        known.map(|item| item.annotations).unwrap_or_default()
    }

    /// Whether an entry is hidden because it is not what was accepted (TP-119). Resources come and go by their
    /// nature; what a model takes for instructions does not.
    fn holds(&self, list: List, known: Option<&Item>) -> bool {
        self.route.pinning == Pinning::Hold
            && matches!(list, List::Tools | List::Prompts)
            && known.is_none_or(Item::is_changed)
    }

    /// The same for what is called.
    pub(crate) fn is_held(&self, act: Act<'_>) -> bool {
        let (list, name) = match act {
            Act::CallTool(name) => (List::Tools, name),
            Act::GetPrompt(name) | Act::CompletePrompt(name) => (List::Prompts, name),
            _ => return false,
        };
        if self.route.pinning != Pinning::Hold {
            return false;
        }
        let known = self.catalogue.find(self.route.shelf(), list, name);
        // Of a server that never listed anything nobody knows what is new.
        self.catalogue.has_seen(self.route.shelf(), list) && self.holds(list, known.as_deref())
    }

    /// The refusal of a message, if something that it asks for is not allowed.
    fn judge(&self, read: &Read, element: &Element, ruling: &mut Ruling) -> Option<Refusal> {
        let (body, mut tasks) = (&read.bytes, element.tasks());
        if let Some(refusal) = tasks.find_map(|asked| self.judge_task(asked, read.modern, ruling)) {
            return Some(refusal);
        }
        element.asked.iter().find_map(|asked| {
            let arguments = asked.arguments(body);
            let decision = self.decide(asked.act(), arguments);
            ruling.note(&decision, asked.act());
            let refusal = self.refusal(&decision, asked, arguments);
            if refusal.is_none() && self.is_held(asked.act()) {
                return Some(Refusal::Held(
                    Absent::of(asked.act()),
                    asked.act().name().to_owned(),
                ));
            }
            refusal
        })
    }

    /// How a decision is said (DEC-16).
    fn refusal(&self, decision: &Decision, asked: &Asked, arguments: Option<&str>) -> Option<Refusal> {
        let act = asked.act();
        let refusal = match decision.outcome {
            Outcome::Allowed => return None,
            Outcome::Hidden => Refusal::Absent(Absent::of(act), act.name().to_owned()),
            Outcome::Refused => self.not_now(decision),
        };
        let Some(scopes) = self.lacking(act, arguments) else {
            return Some(refusal);
        };
        let lacking = Lacking::new(self, scopes, act, refusal);
        Some(Refusal::Lacking(Box::new(lacking)))
    }

    /// How it is said that something is not allowed under these circumstances.
    pub(crate) fn not_now(&self, decision: &Decision) -> Refusal {
        let advice = decision.advice.as_deref().unwrap_or(
            "The rules allow this only under conditions that this request does not meet, such as its arguments, where it comes from, or when.",
        );
        Refusal::NotNow {
            advice: advice.to_owned(),
            contact: self.route.contact.clone(),
        }
    }
}

/// So much of a message's name joins the record.
const LONGEST_NOTED: usize = 200;

/// The host that vouches for a client: that of its metadata document.
pub fn host(client: &str) -> &str {
    let rest = client.strip_prefix("https://").unwrap_or_default();
    rest.split(['/', ':']).next().unwrap_or_default()
}

impl Ruling {
    /// Takes over who decided. The last word on a message is the one that counts.
    pub(crate) fn note(&mut self, decision: &Decision, act: Act<'_>) {
        self.rule = decision.rule.as_deref().map(str::to_owned);
        if let Some(shadow) = &decision.shadow {
            let rule = shadow.rule.as_deref().unwrap_or("no rule allows it");
            self.shadow = Some(
                format!("{} {}: {rule}", act.method(), act.name())
                    .trim_end()
                    .to_owned(),
            );
        }
    }
}
