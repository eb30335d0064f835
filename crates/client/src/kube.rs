//! What `kubectl` and a program that gives it credentials say to each other (client.authentication.k8s.io/v1).

use model::{ExposeSecret as _, SecretString, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// The version that is spoken.
pub const API_VERSION: &str = "client.authentication.k8s.io/v1";

/// Why nothing can be answered.
#[derive(Debug, Error)]
pub enum ExecCredentialError {
    /// What was asked cannot be read.
    #[error("KUBERNETES_EXEC_INFO cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version is asked for.
    #[error("kubectl asks for {0}; say apiVersion: {API_VERSION} in the kubeconfig")]
    Version(String),
}

/// What is asked: the variable `KUBERNETES_EXEC_INFO`.
#[derive(Clone, Debug, Deserialize)]
pub struct ExecCredential {
    #[serde(rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    spec: Spec,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    interactive: bool,
}

impl ExecCredential {
    /// Reads it.
    pub fn read(text: &str) -> Result<Self, ExecCredentialError> {
        let asked: Self = serde_json::from_str(text)?;
        if asked.api_version == API_VERSION {
            Ok(asked)
        } else {
            Err(ExecCredentialError::Version(
                asked.api_version.chars().take(100).collect(),
            ))
        }
    }

    /// Whether somebody is there who can be asked: `kubectl` has handed over its terminal.
    pub fn is_interactive(&self) -> bool {
        self.spec.interactive
    }
}

/// The answer: this token, until then.
pub fn answer(token: &SecretString, expires_at: Timestamp) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "ExecCredential",
        "status": {
            "token": token.expose_secret(),
            "expirationTimestamp": expires_at.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_asks_is_read() {
        let asked = |version: &str, rest: &str| {
            ExecCredential::read(&format!(
                r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/{version}"{rest}}}"#
            ))
        };
        assert!(
            asked("v1", r#","spec":{"interactive":true}"#)
                .unwrap()
                .is_interactive()
        );
        let with_cluster = r#","spec":{"cluster":{"server":"https://a"},"interactive":false}"#;
        assert!(!asked("v1", with_cluster).unwrap().is_interactive());
        assert!(!asked("v1", "").unwrap().is_interactive());
        assert!(matches!(
            asked("v1beta1", ""),
            Err(ExecCredentialError::Version(_))
        ));
        assert!(matches!(
            ExecCredential::read("{"),
            Err(ExecCredentialError::Json(_))
        ));
    }

    #[test]
    fn the_answer_is_of_the_version_that_was_asked() {
        let answer = answer(&"t".to_owned().into(), Timestamp::from_seconds(1_800_000_000));
        assert_eq!(answer["apiVersion"], API_VERSION);
        assert_eq!(answer["status"]["token"], "t");
        assert_eq!(answer["status"]["expirationTimestamp"], "2027-01-15T08:00:00Z");
    }
}
