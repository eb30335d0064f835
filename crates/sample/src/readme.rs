//! The one resource: what this server is, in Markdown.

use rmcp::ErrorData;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents};
use serde_json::json;

const URI: &str = "vestibule://readme";
const MEDIA_TYPE: &str = "text/markdown";
const TEXT: &str = include_str!("../assets/readme.md");

/// How the resource is listed and linked to.
pub(crate) fn resource() -> Resource {
    Resource::new(URI, "readme")
        .with_title("The sample server")
        .with_description("What this server is for, and what each of its tools shows.")
        .with_mime_type(MEDIA_TYPE)
        .with_size(TEXT.len() as u64)
}

/// The resource's contents.
pub(crate) fn contents() -> ResourceContents {
    ResourceContents::text(TEXT, URI).with_mime_type(MEDIA_TYPE)
}

/// Reads the resource of this URI.
pub(crate) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    if uri == URI {
        Ok(ReadResourceResult::new(vec![contents()]))
    } else {
        Err(ErrorData::resource_not_found(
            format!("there is no such resource here; the only one is {URI}"),
            Some(json!({ "uri": uri })),
        ))
    }
}
