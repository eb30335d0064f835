//! The journey of a request through the door, from step to step.

use std::net::IpAddr;
use std::sync::Arc;

use audit::Chosen;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, request};
use http_body::Body as _;
use hyper::body::Incoming;
use net::{Body, body};
use protocol::{TraceParent, TraceState};
use tracing::{debug, warn};

use crate::authorize::{About, Verdict};
use crate::caller::Caller;
use crate::connection::{Opens, Worn, goes_without};
use crate::exchange::{Exchange, user_agent};
use crate::gateway::Gateway;
use crate::in_flight::InFlight;
use crate::legacy_sse::Mailbox;
use crate::listening::Seat;
use crate::message::{Read, Unreadable, Waiting};
use crate::quota::{Held, Taking};
use crate::record::{Record, UnderWay};
use crate::refusal::{Circumstances, Refusal, UpstreamTrouble};
use crate::route::{Leg, Route, Routes, Transport};
use crate::share::{Concurrency, Place};
use crate::trace::TraceContext;
use crate::{
    answer, authorize, credential, last_known, legacy_sse, message, metadata, names, on_record, session,
    trace,
};

impl Gateway {
    /// The caller is known: from here on everything is recorded.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        routes: &Routes,
        route: &Arc<Route>,
        leg: Leg<'_>,
        (head, incoming): (&request::Parts, Incoming),
        caller: Caller,
        address: IpAddr,
    ) -> Response<Body> {
        // One event for the call, and before it, if it must be durable first, that it was let through.
        let events = if self.parts.recorder.is_strict() { 2 } else { 1 };
        let Ok(seat) = self.parts.recorder.ready(events).await else {
            return self.refuse(&Refusal::Unavailable, &Circumstances::default());
        };
        let exchange = self.begin(route, caller, (&head.method, &head.headers), address);
        let mut record = Record::new(
            exchange,
            self.parts.recorder.clone(),
            seat,
            self.parts.world.clone(),
        );
        let ticket = match leg {
            Leg::Message(ticket) => Some(ticket),
            Leg::Endpoint => None,
        };
        match self.pass(routes, route, leg, (head, incoming), &mut record).await {
            Ok(passed) => {
                let listens = record.exchange().is_some_and(Exchange::is_listening);
                let answer = answer::answer(self, passed, record).await;
                self.on_record(answer, listens).await
            }
            Err(refusal) => {
                let resource_metadata =
                    metadata::url_for(routes.origins.public(), &format!("/mcp/{}", route.name()), None);
                let circumstances = Circumstances {
                    waiting: record
                        .exchange()
                        .map(|exchange| exchange.waiting.clone())
                        .unwrap_or_default(),
                    is_batch: record.exchange().is_some_and(|exchange| exchange.is_batch),
                    modern: record.exchange().is_some_and(|exchange| exchange.modern),
                    resource_metadata: Some(&resource_metadata),
                    scope: route.scope(),
                    reference: record.exchange().map(|exchange| exchange.reference),
                };
                let response = self.refuse(&refusal, &circumstances);
                debug!(server = %route.name(), refusal = refusal.slug(), reference = ?circumstances.reference, "refused");
                record.refused(&refusal, response.status().as_u16());
                let response = match (ticket, record.exchange()) {
                    (Some(ticket), Some(exchange)) if response.status().is_success() => {
                        let caller = &exchange.caller;
                        Box::pin(legacy_sse::on_the_stream(self, route, caller, ticket, response)).await
                    }
                    _ => response,
                };
                drop(record);
                self.settled(response).await
            }
        }
    }

    /// What is known of a request before it is read.
    pub(crate) fn begin(
        &self,
        route: &Arc<Route>,
        caller: Caller,
        (method, headers): (&Method, &HeaderMap),
        address: IpAddr,
    ) -> Exchange {
        Exchange {
            route: Arc::clone(route),
            caller,
            reference: self.parts.recorder.reference(),
            address,
            user_agent: user_agent(headers),
            started: self.parts.world.elapsed(),
            method: Some(method.to_string()),
            target: None,
            waiting: Vec::new(),
            is_batch: false,
            modern: false,
            watches: Vec::new(),
            own: None,
            bytes_in: 0,
            agent: None,
            arguments: None,
            chosen: Chosen::Nothing,
            upstream_account: None,
            trace: trace::parent(headers),
        }
    }

    /// Lets an answer out, the last of it once it is on record if that must be first.
    pub(crate) async fn on_record(&self, answer: Response<Body>, listens: bool) -> Response<Body> {
        let recorder = &self.parts.recorder;
        if !recorder.is_strict() {
            return answer;
        }
        if answer.body().is_end_stream() {
            return Box::pin(self.settled(answer.map(|_| body::empty()))).await;
        }
        let is_live = listens || answer::is_event_stream(answer.headers());
        answer.map(|body| on_record::then_the_last(body, recorder.clone(), is_live))
    }

    /// Lets out what is on record once it is durable, if it must be.
    pub(crate) async fn settled(&self, response: Response<Body>) -> Response<Body> {
        let recorder = &self.parts.recorder;
        if recorder.is_strict() && recorder.flush().await.is_err() {
            return self.refuse(&Refusal::Unavailable, &Circumstances::default());
        }
        response
    }

    /// Decides. Gives what goes on, and what it takes up of quotas.
    async fn judge(
        &self,
        routes: &Routes,
        route: &Arc<Route>,
        caller: &Caller,
        head: &request::Parts,
        mut read: Option<Read>,
        record: &mut Record,
    ) -> Result<(Verdict, Vec<Held>), Refusal> {
        let address = record.exchange().ok_or(Refusal::Unavailable)?.address;
        let about = About {
            catalogue: self.catalogue(),
            route,
            issuer: &routes.issuer,
            caller,
            address,
            now: self.now(),
        };
        let mut taking = Taking {
            quotas: &self.quotas,
            now: self.elapsed(),
            held: Vec::new(),
        };
        match authorize::enter(&about, &mut record.ruling) {
            Err(Refusal::NotAllowed(contact)) => return Err(not_allowed_by_method(&head.method, contact)),
            entered => entered?,
        }
        // Only who may come in can make the door ask the database whose a task is.
        if let Some(read) = &mut read {
            let own = self.know_tasks(route, caller, read).await?;
            if let Some(exchange) = record.exchange_mut() {
                exchange.own = own;
            }
        }
        let verdict = match authorize::authorize(&about, &mut taking, &mut record.ruling, read) {
            Ok(verdict) => verdict,
            Err(refusal) => {
                return Err(Box::pin(self.step_up(route, caller, &head.headers, refusal)).await);
            }
        };
        if head.method == Method::GET {
            taking.stream(&about)?;
        }
        Ok((verdict, taking.held))
    }

    async fn pass(
        self: &Arc<Self>,
        routes: &Routes,
        route: &Arc<Route>,
        leg: Leg<'_>,
        (head, incoming): (&request::Parts, Incoming),
        record: &mut Record,
    ) -> Result<Passed, Refusal> {
        let allow = match (route.transport, &leg) {
            (Transport::Streamable, _) => "POST, GET, DELETE, OPTIONS",
            (Transport::Sse, Leg::Endpoint) => "GET, OPTIONS",
            (Transport::Sse, Leg::Message(_)) => "POST, OPTIONS",
        };
        if !allow.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Refusal::Method(allow));
        }
        let read = match head.method {
            Method::POST => Some(read(route, &head.headers, incoming, record).await?),
            _ => None,
        };
        let trace_state = self.trace(&head.headers, read.as_ref(), record);
        let Some(exchange) = record.exchange() else {
            return Err(Refusal::Unavailable);
        };
        let caller = exchange.caller.clone();
        // The stateless era has none, and the legacy transport has its own.
        let in_sessions =
            route.transport == Transport::Streamable && !read.as_ref().is_some_and(|read| read.modern);
        let session = if in_sessions {
            session::of(self.sealer(), route, &caller, &head.headers)
        } else {
            Ok(None)
        };
        if let (Ok(Some(session)), Some(exchange)) = (&session, record.exchange_mut()) {
            exchange.agent = exchange.agent.take().or_else(|| session.agent.clone());
        }
        if let (Leg::Message(ticket), Some(exchange)) = (&leg, record.exchange_mut()) {
            exchange.agent = self.agent_on_stream(route, &caller, ticket, exchange.agent.take());
        }
        let (verdict, held) = self.judge(routes, route, &caller, head, read, record).await?;
        let mut told = verdict.told;
        let read = verdict.read;
        record.decided(read.as_ref());
        if read.as_ref().is_some_and(|read| read.bytes.is_empty()) {
            return Err(Refusal::Told(told));
        }
        // Nothing reaches a server, and nobody is told anything, that is not on record, if it must be.
        record.admitted().await?;
        if let Leg::Message(ticket) = leg
            && !told.is_empty()
            && self.tell_on_stream(route, &caller, ticket, &told)
        {
            told.clear();
        }
        record.told = told;
        let wanted = last_known::wanted(read.as_ref(), route);
        let opens = Opens::of(read.as_ref(), session.as_ref().ok().and_then(Option::as_ref));
        let worn = self
            .wear(routes, &caller, (goes_without(read.as_ref()), &opens), record)
            .await?;
        let mut journey = Journey {
            routes,
            route,
            caller: &caller,
            worn,
            opens,
            under_way: None,
            method: &head.method,
            headers: &head.headers,
            trace: record.span.as_ref().map(|span| span.context()),
            trace_state,
        };
        let mut place = None;
        if let Some(limit) = route.concurrency
            && read.as_ref().is_some_and(Read::asks)
            && !record.exchange().is_none_or(Exchange::is_listening)
        {
            place = Some(Box::pin(self.place(&journey, limit)).await?);
        }
        journey.under_way = Some(Arc::new(UnderWay { held, place }));
        record.under_way.clone_from(&journey.under_way);
        let passed = match leg {
            Leg::Message(ticket) => Box::pin(self.legacy_message(&journey, ticket, read)).await?,
            Leg::Endpoint if route.transport == Transport::Sse => {
                Box::pin(self.legacy_stream(&journey)).await?
            }
            Leg::Endpoint => match self.streamable(&journey, read, session?).await {
                Err(refusal @ Refusal::Upstream(UpstreamTrouble::Unreachable)) => {
                    let copy = wanted.and_then(|list| self.last_known(list, record));
                    return copy.ok_or(refusal);
                }
                outcome => outcome?,
            },
        };
        self.hold_back(&journey, passed, record).await
    }

    /// Waits for a place at an upstream that takes only so many calls, for as long as the caller's right to it lasts.
    pub(crate) async fn place(&self, journey: &Journey<'_>, limit: Concurrency) -> Result<Place, Refusal> {
        let share = &journey.route.share;
        let waits = async { Ok(share.enter(journey.caller.account.id, limit).await) };
        self.while_it_counts(journey, waits).await?.ok_or(Refusal::Busy)
    }

    /// Begins a span, if somebody collects them. Gives what its caller says beside the trace.
    pub(crate) fn trace(
        &self,
        headers: &HeaderMap,
        read: Option<&Read>,
        record: &mut Record,
    ) -> Option<TraceState> {
        let tracing = self.parts.tracing.as_ref()?;
        let context = TraceContext::of(headers, read);
        record.span = Some(tracing.begin(context.as_ref()));
        context?.state.filter(|_| {
            let strip = record.exchange().map(|exchange| &exchange.route.strip);
            !strip
                .into_iter()
                .flatten()
                .any(|stripped| stripped.covers(&names::TRACESTATE))
        })
    }

    /// Names the caller to the upstream, and the span that calls.
    pub(crate) fn dress(&self, headers: &mut HeaderMap, journey: &Journey<'_>) -> Result<(), Refusal> {
        if let Some(worn) = &journey.worn {
            worn.put_on(headers);
        }
        credential::identify(headers, journey.route, journey.caller, &journey.routes.issuer);
        trace::tell(headers, journey.trace.as_ref(), journey.trace_state.as_ref());
        if let Some(assertion) = &journey.route.assertion {
            let (issuer, keys, world) = (&journey.routes.issuer, &self.parts.key_ring, &self.parts.world);
            credential::assert(headers, assertion, journey.caller, issuer, keys, world).map_err(|error| {
                warn!(%error, "an identity assertion cannot be signed");
                Refusal::Unavailable
            })?;
        }
        Ok(())
    }
}

/// What the steps after authorization need.
pub(crate) struct Journey<'a> {
    pub(crate) routes: &'a Routes,
    pub(crate) route: &'a Arc<Route>,
    pub(crate) caller: &'a Caller,
    /// The caller's own credential, if the server is shown one.
    pub(crate) worn: Option<Worn>,
    /// Whether the client opens addresses.
    pub(crate) opens: Opens,
    /// What it takes up.
    pub(crate) under_way: Option<Arc<UnderWay>>,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    /// Our span, if somebody collects them.
    pub(crate) trace: Option<TraceParent>,
    /// What goes with it.
    pub(crate) trace_state: Option<TraceState>,
}

/// A request that came through, with the upstream's answer.
pub(crate) struct Passed {
    /// Its head, cleaned.
    pub(crate) parts: http::response::Parts,
    /// Its body.
    pub(crate) body: PassedBody,
    /// What goes out before the body.
    pub(crate) first: Bytes,
    /// What of the body has come already.
    pub(crate) rest: Bytes,
    /// The place that a listening stream holds.
    pub(crate) listening: Option<Seat>,
    /// What a stream of the legacy transport says besides what the upstream says.
    pub(crate) mailbox: Option<Mailbox>,
    /// The ids under which its session asks.
    pub(crate) ids: Vec<InFlight>,
}

/// The body of an answer.
pub(crate) enum PassedBody {
    /// As it comes.
    Incoming(Incoming),
    /// Held back, and made into what the caller may see.
    Whole(Bytes),
}

/// Reads the message, and lets the record know what it was even if it goes no further.
async fn read(
    route: &Route,
    headers: &HeaderMap,
    incoming: Incoming,
    record: &mut Record,
) -> Result<Read, Refusal> {
    let outcome = message::read(route, headers, incoming).await;
    let Some(exchange) = record.exchange_mut() else {
        return Err(Refusal::Unavailable);
    };
    match outcome {
        Ok(read) => {
            exchange.say(&read);
            record.note_kind();
            Ok(read)
        }
        Err(Unreadable { refusal, id, modern }) => {
            exchange.waiting = id.iter().map(|id| Waiting::new(id, None)).collect();
            exchange.modern = modern;
            Err(refusal)
        }
    }
}

/// Said in the way that clients of each kind of request can take (CC-5, CC-95).
fn not_allowed_by_method(method: &Method, contact: Option<String>) -> Refusal {
    match *method {
        Method::GET => Refusal::Method("POST, DELETE, OPTIONS"),
        Method::DELETE => Refusal::Session,
        _ => Refusal::NotAllowed(contact),
    }
}
