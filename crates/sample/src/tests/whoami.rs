//! What the door said, and what it must not have let through.

use serde_json::json;

use crate::tests::client::{CREDENTIAL, ERAS, Sample};

const SAID: [(&str, &str); 7] = [
    ("x-mcp-subject", "0198c0de-0000-7000-8000-000000000001"),
    ("x-mcp-client", "https://client.example/metadata.json"),
    ("x-mcp-scope", "tools:read tools:call"),
    ("x-mcp-issuer", "https://door.example"),
    ("x-mcp-audience", "https://door.example/sample/mcp"),
    ("x-mcp-token-id", "0198c0de-0000-7000-8000-000000000002"),
    ("x-mcp-expires", "2030-01-01T00:00:00Z"),
];

#[tokio::test]
async fn tells_what_the_door_said() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let result = client.call_with("whoami", json!({}), &SAID).await;
        assert_eq!(
            result["structuredContent"],
            json!({
                "subject": "0198c0de-0000-7000-8000-000000000001",
                "client": "https://client.example/metadata.json",
                "scopes": ["tools:read", "tools:call"],
                "issuer": "https://door.example",
                "audience": "https://door.example/sample/mcp",
                "tokenId": "0198c0de-0000-7000-8000-000000000002",
                "expiresAt": "2030-01-01T00:00:00Z",
                "ownCredential": true,
                "callerTokenLeaked": false,
                "leakedIn": [],
            }),
            "{era}"
        );
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(
            text.contains("Client: https://client.example/metadata.json"),
            "{text}"
        );
        assert!(text.contains("2030-01-01T00:00:00Z"), "{text}");
        assert!(text.contains("stayed at the front door"), "{text}");
        assert!(!result.to_string().contains(CREDENTIAL));
    }
}

#[tokio::test]
async fn tells_each_request_of_a_session_apart() {
    let sample = Sample::start().await;
    let client = sample.client("2025-11-25").await;
    for subject in ["first", "second"] {
        let result = client
            .call_with("whoami", json!({}), &[("x-mcp-subject", subject)])
            .await;
        assert_eq!(result["structuredContent"]["subject"], subject);
    }
    let result = client.call("whoami", json!({})).await;
    assert_eq!(result["structuredContent"]["subject"], json!(null));
}

#[tokio::test]
async fn says_where_a_token_leaked_and_never_the_token() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let leaks = [
            ("cookie", "session=of-the-caller"),
            ("x-forwarded-access-token", "Bearer of-the-caller"),
        ];
        let result = client.call_with("whoami", json!({}), &leaks).await;
        let found = &result["structuredContent"];
        assert_eq!(found["callerTokenLeaked"], true, "{era}");
        assert_eq!(
            found["leakedIn"],
            json!(["the header cookie", "the header x-forwarded-access-token"])
        );
        assert!(!result.to_string().contains("of-the-caller"));
    }
}

#[tokio::test]
async fn vault_check_confirms_the_credential_without_showing_it() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let result = client.call("vault_check", json!({})).await;
        assert_eq!(result["isError"], false, "{era}");
        assert!(!result.to_string().contains(CREDENTIAL));
    }
}
