//! The journey of a request to an API, from step to step.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Uri, request, response};
use hyper::body::Incoming;
use net::{Body, body};
use policy::{Act, Decision, Outcome};
use tracing::debug;
use url::Url;

use super::answer::{answer, clean};
use super::entry::Entered;
use super::forward::outgoing;
use super::refusal::Plain;
use super::rewrite::Rewrite;
use super::target::{self, Target};
use super::upload::Progress;
use crate::authorize::{self, About};
use crate::connection::{Opens, Worn};
use crate::exchange::{LONGEST, shortened};
use crate::gateway::Gateway;
use crate::journey::Journey;
use crate::quota::{Held, Taking};
use crate::record::{Record, UnderWay};
use crate::refusal::{Refusal, UpstreamTrouble};
use crate::step_up::Lacking;
use crate::{forward, metadata};

/// An answer of which the head has come.
struct Came {
    parts: response::Parts,
    incoming: Incoming,
    /// What was asked.
    uri: Uri,
}

impl Gateway {
    /// The caller is known: from here on everything is recorded.
    pub(super) async fn admit_api(
        self: &Arc<Self>,
        entered: Entered<'_>,
        head: &request::Parts,
        incoming: Incoming,
    ) -> Response<Body> {
        let plain = Plain::of(&head.headers);
        let events = if self.parts.recorder.is_strict() { 2 } else { 1 };
        let Ok(seat) = self.parts.recorder.ready(events).await else {
            return self.refuse_plainly(&Refusal::Unavailable, &plain);
        };
        let (route, caller) = (entered.route, entered.caller.clone());
        let exchange = self.begin(route, caller, (&head.method, &head.headers), entered.address);
        let reference = exchange.reference;
        let world = self.parts.world.clone();
        let mut record = Record::new(exchange, self.parts.recorder.clone(), seat, world);
        match self.pass_api(&entered, head, incoming, &mut record).await {
            Ok(Came {
                mut parts,
                incoming,
                uri,
            }) => {
                if let Some(progress) = &record.uploaded {
                    self.watch_over(route, &entered.caller, progress);
                }
                let door = format!("{}{}", entered.origin, route.path());
                let asked = Url::parse(&uri.to_string());
                clean(
                    &mut parts,
                    &Rewrite {
                        upstream: &route.upstream,
                        asked: asked.as_ref().unwrap_or(&route.upstream),
                        door: &door,
                    },
                );
                let answer = answer(self, parts, incoming, record).await;
                self.on_record(answer, false).await
            }
            Err(refusal) => {
                let url = metadata::url_for(entered.origin, &route.path(), None);
                let plain = Plain {
                    resource_metadata: Some(&url),
                    route: Some(route),
                    reference: Some(reference),
                    ..plain
                };
                let response = self.refuse_plainly(&refusal, &plain);
                debug!(server = %route.name(), refusal = refusal.slug(), %reference, "refused");
                record.refused(&refusal, response.status().as_u16());
                drop(record);
                self.settled(response).await
            }
        }
    }

    async fn pass_api(
        &self,
        entered: &Entered<'_>,
        head: &request::Parts,
        incoming: Incoming,
        record: &mut Record,
    ) -> Result<Came, Refusal> {
        let (routes, route, caller) = (entered.routes, entered.route, &entered.caller);
        if let Some(exchange) = record.exchange_mut() {
            // Until it is known what it means, as it came; never the query, where people put what is secret.
            exchange.target = Some(shortened(entered.rest, LONGEST));
        }
        let trace_state = self.trace(&head.headers, None, record);
        let target = match self.judge_request(entered, head, record).await {
            Ok(judged) => judged,
            Err(refusal) => {
                // Whoever was told to wait for a word has it in the refusal.
                if !head.headers.contains_key(http::header::EXPECT) {
                    body::pass_over(incoming).await;
                }
                return Err(refusal);
            }
        };
        let (target, held) = target;
        // Nothing reaches a server that is not on record, if it must be.
        record.admitted().await?;
        let opens = Opens::Session(false);
        let worn = self.wear(routes, caller, (false, &opens), record).await?;
        // What an API answers is not read.
        record.doubt = None;
        let mut journey = Journey {
            routes,
            route,
            caller,
            worn,
            opens,
            under_way: None,
            method: &head.method,
            headers: &head.headers,
            trace: record.span.as_ref().map(|span| span.context()),
            trace_state,
        };
        let mut place = None;
        if let Some(limit) = route.concurrency {
            place = Some(self.place(&journey, limit).await?);
        }
        journey.under_way = Some(Arc::new(UnderWay { held, place }));
        record.under_way.clone_from(&journey.under_way);
        let uri = target.uri(route, head.uri.query())?;
        self.fetch(&journey, uri, (head, incoming), record).await
    }

    /// Reads what is asked for and decides. Gives what it takes up of quotas.
    async fn judge_request(
        &self,
        entered: &Entered<'_>,
        head: &request::Parts,
        record: &mut Record,
    ) -> Result<(Target, Vec<Held>), Refusal> {
        let (route, caller) = (entered.route, &entered.caller);
        let about = About {
            catalogue: self.catalogue(),
            route,
            issuer: &entered.routes.issuer,
            caller,
            address: entered.address,
            now: self.now(),
        };
        authorize::enter(&about, &mut record.ruling)?;
        let api = route.api.as_ref().ok_or(Refusal::UnknownRoute)?;
        let target = target::read(api, head, entered.rest)?;
        if let Some(exchange) = record.exchange_mut() {
            exchange.target = Some(shortened(target.path.as_str(), LONGEST));
        }
        let act = Act::Request(&target.request);
        let decision = about.decide(act, None);
        record.ruling.note(&decision, act);
        if let Some(refusal) = about.refuse_request(&decision, act) {
            return Err(self.step_up(route, caller, &head.headers, refusal).await);
        }
        let mut taking = Taking {
            quotas: &self.quotas,
            now: self.elapsed(),
            held: Vec::new(),
        };
        taking.request(&about)?;
        Ok((target, taking.held))
    }

    /// Asks the upstream; once more with a renewed credential, if it refused the one before and the request can be sent
    /// again (CC-105).
    async fn fetch(
        &self,
        journey: &Journey<'_>,
        uri: Uri,
        (head, incoming): (&request::Parts, Incoming),
        record: &mut Record,
    ) -> Result<Came, Refusal> {
        let route = journey.route;
        let mut headers = outgoing(journey.headers, route);
        self.dress(&mut headers, journey)?;
        let progress = Arc::new(Progress::default());
        record.uploaded = Some(Arc::clone(&progress));
        let loading = async { Ok(self.load(route, head, incoming, &progress).await) };
        let load = self.while_it_counts(journey, loading).await??;
        let (body, again) = load.into_body();
        let first = (headers.clone(), body);
        let mut response = self.send_api(journey, &uri, first, &progress).await?;
        let mut renewed: Option<Worn> = None;
        if let Some(bytes) = again
            && response.status() == StatusCode::UNAUTHORIZED
            && let Some(worn) = self.wear_anew(journey).await?
        {
            worn.put_on(&mut headers);
            progress.whole(bytes.len(), self.elapsed());
            response = self
                .send_api(journey, &uri, (headers, again_body(bytes)), &progress)
                .await?;
            renewed = Some(worn);
        }
        let (parts, incoming) = response.into_parts();
        // 403 is the API's own word to its user. 401 would be taken for one about the door's token.
        if matches!(
            parts.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        ) {
            let worn = renewed.as_ref().or(journey.worn.as_ref());
            let trouble = UpstreamTrouble::Credential;
            return Err(self.troubled(journey, worn, trouble, parts.status).await);
        }
        if parts.status.is_informational() {
            return Err(Refusal::Upstream(UpstreamTrouble::Broken));
        }
        Ok(Came { parts, incoming, uri })
    }

    async fn send_api(
        &self,
        journey: &Journey<'_>,
        uri: &Uri,
        (headers, body): (HeaderMap, Body),
        progress: &Progress,
    ) -> Result<Response<Incoming>, Refusal> {
        let request = forward::request(journey.method.clone(), uri.clone(), headers, body);
        // What goes wrong with the request itself is no trouble of the upstream's.
        let sending = async { Ok(self.call_api(journey.route, request, progress).await) };
        self.while_it_counts(journey, sending).await?
    }
}

fn again_body(bytes: Bytes) -> Body {
    if bytes.is_empty() {
        body::empty()
    } else {
        body::full(bytes)
    }
}

impl About<'_> {
    /// How a decision about a request is said.
    fn refuse_request(&self, decision: &Decision, act: Act<'_>) -> Option<Refusal> {
        let refusal = match decision.outcome {
            Outcome::Allowed => return None,
            Outcome::Hidden => Refusal::NoRule {
                request: act.name().to_owned(),
                contact: self.route.contact.clone(),
            },
            Outcome::Refused => self.not_now(decision),
        };
        let Some(scopes) = self.lacking(act, None) else {
            return Some(refusal);
        };
        Some(Refusal::Lacking(Box::new(Lacking::new(
            self, scopes, act, refusal,
        ))))
    }
}
