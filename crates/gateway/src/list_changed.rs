//! Telling whoever listens that their lists have changed because the rules did, or their groups or scopes (TP-79): what
//! the upstream cannot know.

use model::GroupName;
use protocol::mcp::list::List;

use crate::exchange::Exchange;
use crate::gateway::Gateway;

/// What decides of what somebody sees on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    policy: String,
    groups: Vec<GroupName>,
    scope: String,
}

impl View {
    /// As it is at this moment. None if the server is gone.
    pub(crate) fn of(gateway: &Gateway, exchange: &Exchange) -> Option<Self> {
        let routes = gateway.routes();
        let route = routes.servers.get(exchange.route.name())?;
        let caller = exchange.caller.as_now(gateway);
        Some(Self {
            policy: route.resource.policy.revision().to_owned(),
            groups: caller.account.groups.clone(),
            scope: caller.proof.scope().to_owned(),
        })
    }
}

/// The notifications for a listening stream, each as the text of a message. Subscriptions are told what they asked for;
/// the session era has no way to ask.
pub(crate) fn notices(exchange: &Exchange) -> Vec<String> {
    if !exchange.is_listening() {
        return Vec::new();
    }
    let subscription = exchange.waiting.first().filter(|_| exchange.modern);
    let lists: &[List] = match subscription {
        Some(_) => &exchange.watches,
        None => &[List::Tools, List::Prompts, List::Resources],
    };
    let params = subscription.map(|waiting| {
        let id = &waiting.id;
        format!(r#","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#)
    });
    let params = params.unwrap_or_default();
    let notice = |list: &List| {
        let member = list.member();
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/{member}/list_changed"{params}}}"#)
    };
    lists.iter().map(notice).collect()
}
