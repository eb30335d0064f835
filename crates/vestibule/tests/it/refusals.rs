//! Bad input, by name: what is sent, and the exact refusal (oauth-server section 17, the attack classes of the
//! specification; MA-6, OS-6). Each table is one test; a case that is not refused as written fails with its name.

mod authorize;
mod endpoint;
mod forms;
mod mutations;
mod references;
mod register;
mod token;

use crate::rig::Reply;

/// What must come back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// JSON with this `error`.
    Json(u16, &'static str),
    /// A page for people with this problem code, and no redirect.
    Page(u16, &'static str),
    /// A JSON-RPC error with this code.
    Rpc(u16, i64),
    /// This status alone.
    Status(u16),
}

/// Fails with the case's name if it is not what was wanted.
pub(crate) fn check(name: &str, reply: &Reply, want: Want) {
    let shown = || format!("{name}: wanted {want:?}, got {reply:#?}");
    match want {
        Want::Json(status, error) => {
            assert_eq!(
                (reply.status, reply.error().as_str()),
                (status, error),
                "{}",
                shown()
            );
            let description = reply.json()["error_description"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(!description.is_empty(), "{}", shown());
            // OS-4: nothing that breaks out of a header or a quoted string.
            assert!(
                description
                    .bytes()
                    .all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{}",
                shown()
            );
        }
        Want::Page(status, code) => {
            assert_eq!(reply.status, status, "{}", shown());
            assert!(
                reply.body.contains(&format!("<code>{code}</code>")),
                "{}",
                shown()
            );
            assert!(reply.header("location").is_none(), "{}", shown());
        }
        Want::Rpc(status, code) => {
            assert_eq!(
                (reply.status, reply.json()["error"]["code"].as_i64()),
                (status, Some(code)),
                "{}",
                shown()
            );
        }
        Want::Status(status) => assert_eq!(reply.status, status, "{}", shown()),
    }
}
