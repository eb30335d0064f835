//! Who asks, and for what.

use std::net::IpAddr;
use std::time::Duration;

use model::{Assurance, GroupName, Timestamp, Username};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// The person.
    pub username: &'a Username,
    /// Their groups, in order.
    pub groups: &'a [GroupName],
    /// With which program; none where only the person is known, as on a page that lists their servers.
    pub client: Option<Client<'a>>,
}

/// The program that acts for a person. What it says of itself, its name above all, is not here: nobody
/// vouches for that.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its id.
    pub id: &'a str,
    /// The host that vouches for it: that of its document, else nothing.
    pub host: &'a str,
    /// What its token was granted, separated by spaces.
    pub scope: &'a str,
}

/// What is asked for, in MCP's own words; of an API, in those of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act<'a> {
    /// To use the server at all.
    Connect,
    /// `tools/call`.
    CallTool(&'a str),
    /// `prompts/get`.
    GetPrompt(&'a str),
    /// `resources/read`.
    ReadResource(&'a str),
    /// `resources/subscribe`, and `subscriptions/listen` for a resource.
    Subscribe(&'a str),
    /// `completion/complete` for a prompt's argument.
    CompletePrompt(&'a str),
    /// `completion/complete` for a resource template's variable.
    CompleteResource(&'a str),
    /// A method that the protocol's revisions up to now do not know.
    Other(&'a str),
    /// A request to a plain HTTP API: its method, a space, and its path in the spelling of
    /// [`RequestPath`](protocol::RequestPath).
    Request(&'a str),
}

/// The kinds of thing that a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Server,
    Tool,
    Prompt,
    Resource,
    Request,
}

impl<'a> Act<'a> {
    /// The method, which is also the name of the action in Cedar.
    pub fn method(self) -> &'a str {
        match self {
            Self::Connect => "connect",
            Self::CallTool(_) => "tools/call",
            Self::GetPrompt(_) => "prompts/get",
            Self::ReadResource(_) => "resources/read",
            Self::Subscribe(_) => "resources/subscribe",
            Self::CompletePrompt(_) | Self::CompleteResource(_) => "completion/complete",
            Self::Other(method) => method,
            Self::Request(_) => "request",
        }
    }

    /// What it is aimed at: a name or a URI.
    pub fn name(self) -> &'a str {
        match self {
            Self::Connect => "",
            Self::CallTool(name)
            | Self::GetPrompt(name)
            | Self::ReadResource(name)
            | Self::Subscribe(name)
            | Self::CompletePrompt(name)
            | Self::CompleteResource(name)
            | Self::Other(name)
            | Self::Request(name) => name,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Connect | Self::Other(_) => Kind::Server,
            Self::CallTool(_) => Kind::Tool,
            Self::GetPrompt(_) | Self::CompletePrompt(_) => Kind::Prompt,
            Self::ReadResource(_) | Self::Subscribe(_) | Self::CompleteResource(_) => Kind::Resource,
            Self::Request(_) => Kind::Request,
        }
    }
}

/// What an upstream says of a tool, believed only where the configuration says so (TP-118). What nobody said
/// is taken for the worst, as the protocol has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the four hints of the protocol, independent of each other"
)]
pub struct Annotations {
    /// `readOnlyHint`.
    pub read_only: bool,
    /// `destructiveHint`.
    pub destructive: bool,
    /// `idempotentHint`.
    pub idempotent: bool,
    /// `openWorldHint`.
    pub open_world: bool,
}

impl Default for Annotations {
    fn default() -> Self {
        Self {
            read_only: false,
            destructive: true,
            idempotent: false,
            open_world: true,
        }
    }
}

/// Under which circumstances: what a list cannot know, because it differs from call to call.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// From where.
    pub address: IpAddr,
    /// When.
    pub now: Timestamp,
    /// How long ago the person proved who they are.
    pub authenticated_ago: Duration,
    /// How sure that is.
    pub assurance: Assurance,
    /// `params.arguments`, as JSON text.
    pub arguments: Option<&'a str>,
}
