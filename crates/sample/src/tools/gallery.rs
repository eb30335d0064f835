//! `gallery`: one of every kind of content that a tool can answer with.

use data_encoding::BASE64;
use rmcp::model::{CallToolResult, ContentBlock, Tool};
use schemars::JsonSchema;
use serde::Serialize;

use crate::readme;

const PICTURE: &[u8] = include_bytes!("../../assets/door.png");
const SOUND: &[u8] = include_bytes!("../../assets/chime.wav");

/// How the tool is listed.
pub(super) fn tool() -> Tool {
    super::read_only(
        "gallery",
        "Gallery",
        "Answers with one of every kind of content: text, an image, audio, an embedded resource, a link to a \
         resource, and structured content. Takes no arguments. Useful to see what a client can show.",
    )
    .with_output_schema::<Catalogue>()
}

/// What hangs in the gallery.
#[derive(Debug, Serialize, JsonSchema)]
struct Catalogue {
    /// The pieces, in the order in which they are shown.
    pieces: Vec<Piece>,
}

/// One piece.
#[derive(Debug, Serialize, JsonSchema)]
struct Piece {
    /// The kind of content.
    kind: &'static str,
    /// What it shows.
    description: &'static str,
}

const PIECES: [Piece; 5] = [
    Piece {
        kind: "text",
        description: "a line of text",
    },
    Piece {
        kind: "image",
        description: "a door left ajar, 32 by 32 pixels",
    },
    Piece {
        kind: "audio",
        description: "a door bell, 0.4 seconds",
    },
    Piece {
        kind: "resource",
        description: "the readme, embedded",
    },
    Piece {
        kind: "resource_link",
        description: "the readme, to be read with resources/read",
    },
];

/// Shows everything.
pub(super) fn call() -> CallToolResult {
    let mut result = CallToolResult::success(vec![
        ContentBlock::text("A door left ajar, its bell, and what to read while waiting."),
        ContentBlock::image(BASE64.encode(PICTURE), "image/png"),
        ContentBlock::audio(BASE64.encode(SOUND), "audio/wav"),
        ContentBlock::resource(readme::contents()),
        ContentBlock::resource_link(readme::resource()),
    ]);
    result.structured_content = serde_json::to_value(Catalogue {
        pieces: PIECES.into(),
    })
    .ok();
    result
}
