//! What the server offers, as MCP sees it: four tools, one resource, one prompt.
//!
//! One [`Sample`] lives as long as a session of the older protocol versions, or as long as one request of the
//! newer ones. A session holds a place of a limited number, so that a client which opens session after
//! session fills the house and not the memory.

use std::sync::{Arc, OnceLock};

use rmcp::handler::server::tool::{ToolCallContext, ToolRouter};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, Implementation,
    InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{introduce, readme, tools};

/// Sessions at once.
pub(crate) const SESSIONS: usize = 1000;

const INSTRUCTIONS: &str = "A sample server behind Vestibule. Call whoami to see who the front door says is \
    calling, vault_check to see that its credential arrived, slow_count to watch progress, and gallery to \
    see every kind of content.";

/// What all handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    tools: Arc<ToolRouter<Sample>>,
    places: Arc<Semaphore>,
}

impl Offer {
    /// With every tool, and every place free.
    pub(crate) fn new() -> Self {
        Self {
            tools: Arc::new(tools::router()),
            places: Arc::new(Semaphore::new(SESSIONS)),
        }
    }

    /// A handler for one session or one request.
    pub(crate) fn handler(&self) -> Sample {
        Sample {
            offer: self.clone(),
            place: OnceLock::new(),
        }
    }
}

/// Answers the requests of one session, or one request without a session.
#[derive(Debug)]
pub(crate) struct Sample {
    offer: Offer,
    /// Held while a session is open.
    place: OnceLock<OwnedSemaphorePermit>,
}

impl ServerHandler for Sample {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        let name = Implementation::new("vestibule-sample", env!("CARGO_PKG_VERSION"))
            .with_title("Vestibule sample server");
        ServerConfig::new(capabilities)
            .with_server_info(name)
            .with_instructions(INSTRUCTIONS)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let Ok(place) = Arc::clone(&self.offer.places).try_acquire_owned() else {
            return Err(ErrorData::internal_error(
                "too many sessions are open; close one, or come back later",
                None,
            ));
        };
        // A second `initialize` in one session keeps the first one's place and gives its own back.
        let _ = self.place.set(place);
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.offer.tools.list_all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.offer.tools.get(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = ToolCallContext::new(self, request, context);
        self.offer.tools.call(call).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![readme::resource()]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        readme::read(&request.uri).map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![introduce::prompt()]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        introduce::get(&request).map(Into::into)
    }
}
