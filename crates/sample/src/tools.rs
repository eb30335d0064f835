//! The tools: one file each, with its description, its schemas and what it does.
//!
//! None of them changes anything, and each says so.

mod gallery;
mod slow_count;
mod vault_check;
mod whoami;

use rmcp::handler::server::common::schema_for_empty_input;
use rmcp::handler::server::tool::ToolRouter;
use rmcp::model::{Tool, ToolAnnotations};

use crate::handler::Sample;

/// All tools.
pub(crate) fn router() -> ToolRouter<Sample> {
    ToolRouter::new()
        .with_route((whoami::tool(), whoami::call))
        .with_route((vault_check::tool(), vault_check::call))
        .with_route((slow_count::tool(), slow_count::call))
        .with_route((gallery::tool(), gallery::call))
}

/// A tool that reads, talks to nobody else and, unless it says otherwise, takes no arguments.
fn read_only(name: &'static str, title: &str, description: &'static str) -> Tool {
    let annotations = ToolAnnotations::with_title(title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(name, description, schema_for_empty_input())
        .with_title(title)
        .with_annotations(annotations)
}
