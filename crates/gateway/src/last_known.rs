//! What a server that cannot be reached had when it was last asked: its lists are answered from the catalogue, as
//! far as the caller may see them, so that a client that starts at this moment does not lose the server for the whole
//! conversation. Calls fail and say why. What there is of resources may depend on who asks, so they are left out where a
//! server is told that.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use memchr::memmem;
use protocol::mcp::list::List;
use serde_json::value::RawValue;
use store::CredentialClass;
use tracing::warn;

use crate::answer;
use crate::filter::Filter;
use crate::gateway::Gateway;
use crate::journey::{Passed, PassedBody};
use crate::message::Read;
use crate::record::Record;
use crate::route::Route;

/// The list that a message asks the first page of, if there may be a copy of it. What one person's credential showed is
/// nothing for another.
pub(crate) fn wanted(read: Option<&Read>, route: &Route) -> Option<List> {
    let read = read.filter(|read| !read.is_batch)?;
    let list = read.elements.first()?.waiting.as_ref()?.list?;
    let is_for_all = match list {
        List::Tools | List::Prompts | List::Templates => route.credential_class() == CredentialClass::Shared,
        List::Resources => route.is_blind(),
        List::Tasks => false,
    };
    if !is_for_all {
        return None;
    }
    // The copy has no pages: whoever asks for the second one has the first already.
    memmem::find(&read.bytes, b"\"cursor\"").is_none().then_some(list)
}

impl Gateway {
    /// Answers a list in the place of its server. None if it was never seen.
    pub(crate) fn last_known(self: &Arc<Self>, list: List, record: &mut Record) -> Option<Passed> {
        let exchange = record.exchange()?;
        let id = &exchange.waiting.first()?.id;
        let entries = self.catalogue().copy(exchange.route.shelf(), list)?;
        let result = if exchange.modern {
            // Stale from the first moment: the client asks again when the server is back.
            r#","resultType":"complete","ttlMs":0,"cacheScope":"private""#
        } else {
            ""
        };
        let id: Box<RawValue> = RawValue::from_string(id.clone()).ok()?;
        let (member, entries) = (list.member(), entries.join(","));
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"{member}":[{entries}]{result}}}}}"#);
        let whole = Filter::of(self, exchange)?.whole(text.into()).ok()?;
        warn!(server = %exchange.route.name(), list = list.method(), "the server cannot be reached; its list is answered from what it had");
        record.reason = Some("last_known".to_owned());
        let (mut parts, ()) = Response::new(()).into_parts();
        let media_type = HeaderValue::from_static("application/json");
        parts.headers.insert(header::CONTENT_TYPE, media_type);
        answer::clean(&mut parts, None);
        Some(Passed {
            parts,
            body: PassedBody::Whole(whole),
            first: Bytes::new(),
            rest: Bytes::new(),
            listening: None,
            mailbox: None,
            ids: Vec::new(),
        })
    }
}
