//! Streamable HTTP: requests, listening streams and the end of a session, in every revision that has it
//! (mcp-transport-proxying sections 3 and 4).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use net::body;
use protocol::mcp::elicitation;
use tracing::debug;

use crate::gateway::Gateway;
use crate::journey::{Journey, Passed, PassedBody};
use crate::listening::Seat;
use crate::message::Read;
use crate::refusal::Refusal;
use crate::session::{self, Beginning, Session};
use crate::{answer, credential, forward, names};

impl Gateway {
    /// Streamable HTTP.
    pub(crate) async fn streamable(
        self: &Arc<Self>,
        journey: &Journey<'_>,
        read: Option<Read>,
        session: Option<Session>,
    ) -> Result<Passed, Refusal> {
        let (route, caller) = (journey.route, journey.caller);
        let modern = read.as_ref().is_some_and(|read| read.modern);
        let mut headers = credential::outgoing(journey.headers, route);
        headers.remove(&names::SESSION);
        if let Some(session) = &session {
            let id = HeaderValue::from_str(&session.id).map_err(|_| Refusal::Session)?;
            headers.insert(names::SESSION.clone(), id);
        }
        let ids = match &session {
            Some(session) => self
                .ids
                .enter((route.name(), &session.id), read.iter().flat_map(Read::waiting)),
            None => Some(Vec::new()),
        };
        let ids = ids.ok_or(Refusal::IdInUse)?;
        self.dress(&mut headers, journey)?;
        let begins = read.as_ref().is_some_and(Read::is_initialize);
        let begun = Beginning {
            agent: read.as_ref().and_then(|read| read.agent.clone()),
            opens: begins
                && read
                    .as_ref()
                    .is_some_and(|read| elicitation::is_announced(&read.bytes)),
        };
        let lingers = read.as_ref().is_some_and(|read| !read.modern && read.asks());
        let session_id = session.as_ref().map(|session| session.id.as_str());
        let bytes = read.map(|read| read.bytes).unwrap_or_default();
        // Only a person's own credential can be renewed; all other calls go out once.
        let spare = journey.worn.is_some().then(|| (headers.clone(), bytes.clone()));
        let sent = (session_id, lingers);
        let (mut response, mut listening) = self.send(journey, headers, bytes, sent).await?;
        let mut renewed = None;
        if let Some((mut headers, bytes)) = spare
            && response.status() == StatusCode::UNAUTHORIZED
            && let Some(worn) = Box::pin(self.wear_anew(journey)).await?
        {
            worn.put_on(&mut headers);
            (response, listening) = Box::pin(self.send(journey, headers, bytes, sent)).await?;
            renewed = Some(worn);
        }
        let (mut parts, incoming) = response.into_parts();
        let worn = renewed.as_ref().or(journey.worn.as_ref());
        if let Err(trouble) = answer::judge(parts.status) {
            return Err(Box::pin(self.troubled(journey, worn, trouble, parts.status)).await);
        }
        let session = match parts
            .headers
            .get(&names::SESSION)
            .and_then(|value| value.to_str().ok())
        {
            Some(id) if modern => {
                debug!(server = %route.name(), id, "a session id in the stateless era was dropped");
                None
            }
            // The same session keeps the ticket that the client has.
            Some(id) if session.as_ref().is_some_and(|session| session.id == id) => {
                session.map(|session| session.ticket)
            }
            Some(id) if begins || session.is_none() => {
                let ticket = session::seal(self.sealer(), route, caller, id, &begun);
                HeaderValue::from_str(&ticket).ok()
            }
            _ => None,
        };
        answer::clean(&mut parts, session);
        Ok(Passed {
            parts,
            body: PassedBody::Incoming(incoming),
            first: Bytes::new(),
            rest: Bytes::new(),
            listening,
            mailbox: None,
            ids,
        })
    }

    /// Sends it once. Gives the place of a listening stream too.
    async fn send(
        self: &Arc<Self>,
        journey: &Journey<'_>,
        headers: HeaderMap,
        bytes: Bytes,
        (session, lingers): (Option<&str>, bool),
    ) -> Result<(Response<Incoming>, Option<Seat>), Refusal> {
        if *journey.method == Method::GET {
            return Box::pin(self.listen(journey, headers, session)).await;
        }
        let (method, uri) = (journey.method.clone(), journey.route.uri.clone());
        let request = forward::request(method, uri, headers, body::full(bytes));
        Ok((self.call(journey, request, lingers).await?, None))
    }
}
