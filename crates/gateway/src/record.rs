//! The last step: what went through, or did not, joins the audit record when the answer has ended.

use std::sync::Arc;

use audit::{CallOutcome, Chosen, Person, Recorder, Seat, What};
use data_encoding::HEXLOWER;
use model::World;

use crate::api::Progress;
use crate::authorize::Ruling;
use crate::doubt::Doubt;
use crate::exchange::Exchange;
use crate::in_flight::InFlight;
use crate::message::Read;
use crate::metrics::OUTCOMES;
use crate::quota::Held;
use crate::refusal::Refusal;
use crate::share::Place;
use crate::trace::{Call, Span};

/// Records an exchange when it is dropped, whatever ended it.
#[derive(Debug)]
pub(crate) struct Record {
    exchange: Option<Exchange>,
    /// As what it is counted while it is under way.
    listens: bool,
    recorder: Recorder,
    /// Room for the event; given back once that was handed over.
    _seat: Seat,
    world: World,
    pub(crate) outcome: CallOutcome,
    pub(crate) status: u16,
    pub(crate) reason: Option<String>,
    pub(crate) bytes_out: u64,
    /// By which rules it was decided.
    pub(crate) ruling: Ruling,
    /// Answers to messages of a batch that were refused while others went through.
    pub(crate) told: Vec<String>,
    /// What it takes up for as long as it is under way.
    pub(crate) under_way: Option<Arc<UnderWay>>,
    /// Its ids, which its session must not use for something else meanwhile.
    pub(crate) ids: Vec<InFlight>,
    /// Its span, if somebody collects them.
    pub(crate) span: Option<Box<dyn Span>>,
    /// How much of a request that is forwarded as it comes has come.
    pub(crate) uploaded: Option<Arc<Progress>>,
    /// Looks whether it failed, if it went with a person's own credential.
    pub(crate) doubt: Option<Doubt>,
}

/// What a call takes up until it has ended at its server, even if its caller has gone away before.
#[derive(Debug)]
#[expect(dead_code, reason = "they are given back when they are dropped")]
pub(crate) struct UnderWay {
    /// What counts against quotas.
    pub(crate) held: Vec<Held>,
    /// Its place at an upstream that takes only so many.
    pub(crate) place: Option<Place>,
}

impl Record {
    /// Of an exchange that is under way; until told otherwise, its caller has gone away.
    pub(crate) fn new(exchange: Exchange, recorder: Recorder, seat: Seat, world: World) -> Self {
        exchange.route.metrics.under_way(exchange.is_listening(), 1);
        Self {
            listens: exchange.is_listening(),
            exchange: Some(exchange),
            recorder,
            _seat: seat,
            world,
            outcome: CallOutcome::Abandoned,
            status: 0,
            reason: None,
            bytes_out: 0,
            ruling: Ruling::default(),
            told: Vec::new(),
            under_way: None,
            ids: Vec::new(),
            span: None,
            uploaded: None,
            doubt: None,
        }
    }

    /// The exchange.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    /// The exchange, before anything went through.
    pub(crate) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_mut()
    }

    /// Takes over what was noted about calls that may begin tasks.
    pub(crate) fn decided(&mut self, read: Option<&Read>) {
        let begins = |read: &&Read| read.elements.iter().any(|element| element.may_begin().is_some());
        if let (Some(exchange), Some(read)) = (&mut self.exchange, read.filter(begins)) {
            exchange.waiting = read.waiting().cloned().collect();
        }
    }

    /// Takes note that it turned out to be one that listens.
    pub(crate) fn note_kind(&mut self) {
        let Some(exchange) = self
            .exchange
            .as_ref()
            .filter(|exchange| exchange.is_listening() != self.listens)
        else {
            return;
        };
        exchange.route.metrics.under_way(self.listens, -1);
        self.listens = !self.listens;
        exchange.route.metrics.under_way(self.listens, 1);
    }

    /// Counts what of the upstream's answer goes out, and looks at it.
    pub(crate) fn passes(&mut self, bytes: &[u8]) {
        self.bytes_out += bytes.len() as u64;
        if let Some(doubt) = &mut self.doubt {
            doubt.failure.look(bytes);
        }
    }

    /// Notes that it ended with a refusal.
    pub(crate) fn refused(&mut self, refusal: &Refusal, status: u16) {
        self.outcome = match refusal {
            Refusal::Upstream(_) => CallOutcome::UpstreamFailed,
            _ => CallOutcome::Refused,
        };
        self.reason = Some(refusal.reason());
        self.status = status;
    }
}

impl Record {
    /// Makes durable that a call was let through, if that must be before it goes on.
    pub(crate) async fn admitted(&self) -> Result<(), Refusal> {
        let Some(exchange) = self.exchange.as_ref().filter(|_| self.recorder.is_strict()) else {
            return Ok(());
        };
        let proof = exchange.caller.proof.recorded();
        let what = What::CallAdmitted {
            call: exchange.reference,
            server: exchange.route.name().clone(),
            account: Some(exchange.caller.account.id),
            client: proof.client,
            client_name: proof.client_name,
            client_vouched_by: proof.client_vouched_by,
            grant: proof.grant,
            token: proof.token,
            proof: proof.proof,
            method: exchange.method.clone(),
            target: exchange.target.clone(),
            arguments: exchange.arguments.clone(),
            rule: self.ruling.rule.clone(),
            policy: Some(exchange.route.resource.policy.revision().to_owned()),
        };
        self.recorder
            .record(what, person(exchange, exchange.chosen.clone()));
        self.recorder.flush().await.map_err(|_| Refusal::Unavailable)
    }
}

fn person(exchange: &Exchange, chosen: Chosen) -> Person {
    Person {
        username: Some(exchange.caller.account.username.to_string()),
        address: Some(exchange.address),
        user_agent: exchange.user_agent.clone(),
        upstream_account: exchange.upstream_account.clone(),
        chosen_arguments: chosen,
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        if let Some(uploaded) = &self.uploaded {
            uploaded.stop();
            exchange.bytes_in = uploaded.bytes();
        }
        let took = self.world.elapsed().saturating_sub(exchange.started);
        let metrics = &exchange.route.metrics;
        metrics.under_way(self.listens, -1);
        let counted = Some(took).filter(|_| !self.listens);
        metrics.ended(self.outcome, counted, exchange.bytes_in, self.bytes_out);
        if let Some(span) = self.span.take() {
            span.end(&call(&exchange, self));
        }
        let chosen = std::mem::take(&mut exchange.chosen);
        let person = person(&exchange, chosen);
        let proof = exchange.caller.proof.recorded();
        let what = What::Call {
            server: exchange.route.name().clone(),
            account: Some(exchange.caller.account.id),
            client: proof.client,
            client_name: proof.client_name,
            client_vouched_by: proof.client_vouched_by,
            grant: proof.grant,
            token: proof.token,
            proof: proof.proof,
            method: exchange.method,
            target: exchange.target.clone(),
            agent: exchange.agent,
            arguments: exchange.arguments,
            trace: exchange.trace.map(|trace| HEXLOWER.encode(&trace.trace_id)),
            messages: std::mem::take(&mut self.ruling.messages),
            outcome: self.outcome,
            status: self.status,
            reason: self.reason.take(),
            microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            bytes_in: exchange.bytes_in,
            bytes_out: self.bytes_out,
            rule: self.ruling.rule.take(),
            policy: Some(exchange.route.resource.policy.revision().to_owned()),
            shadow: self.ruling.shadow.take(),
        };
        self.recorder.record_as(exchange.reference, &what, &person);
    }
}

fn call<'a>(exchange: &'a Exchange, record: &'a Record) -> Call<'a> {
    let known = OUTCOMES.iter().find(|(outcome, _)| *outcome == record.outcome);
    Call {
        server: exchange.route.name().as_str(),
        method: exchange.method.as_deref().unwrap_or_default(),
        target: exchange.target.as_deref(),
        outcome: known.map_or("", |(_, word)| *word),
        failed: record.outcome == CallOutcome::UpstreamFailed,
        status: record.status,
        reason: record.reason.as_deref(),
        reference: exchange.reference,
    }
}
