//! Style sheet and script, embedded, under names that change with their content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use http::{HeaderValue, header};
use keys::sha256;

use crate::fallback;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/script.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// `style-….css`.
pub static STYLE_NAME: LazyLock<String> = LazyLock::new(|| name("style", "css", STYLE));
/// `script-….js`.
pub static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| name("script", "js", SCRIPT));
/// `icon-….svg`.
pub static ICON_NAME: LazyLock<String> = LazyLock::new(|| name("icon", "svg", ICON));

fn name(stem: &str, ending: &str, content: &str) -> String {
    format!(
        "{stem}-{}.{ending}",
        HEXLOWER.encode(&sha256(content.as_bytes())[..6])
    )
}

/// `GET /assets/{file}`.
pub async fn serve(Path(file): Path<String>) -> Response {
    let (content, media_type) = match file {
        file if file == *STYLE_NAME => (STYLE, "text/css; charset=utf-8"),
        file if file == *SCRIPT_NAME => (SCRIPT, "text/javascript; charset=utf-8"),
        file if file == *ICON_NAME => (ICON, "image/svg+xml"),
        _ => return fallback::json_not_found(),
    };
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}
