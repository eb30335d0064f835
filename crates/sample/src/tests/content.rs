//! The lists, the gallery, the resource and the prompt.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::tests::client::{ERAS, Sample};

#[tokio::test]
async fn lists_four_read_only_tools() {
    let sample = Sample::start().await;
    for era in ERAS {
        let answer = sample.client(era).await.answer("tools/list", json!({})).await;
        let tools = answer["result"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["gallery", "slow_count", "vault_check", "whoami"], "{era}");
        for tool in tools {
            assert_eq!(tool["annotations"]["readOnlyHint"], true);
            assert_eq!(tool["inputSchema"]["type"], "object");
            assert!(tool["description"].as_str().unwrap().len() > 50);
        }
        assert_eq!(
            tools[1]["inputSchema"]["properties"],
            json!({
                "steps": {
                    "description": "How far to count.",
                    "type": "integer", "minimum": 1, "maximum": 60, "default": 5,
                },
                "delay_ms": {
                    "description": "The pause before each step, in milliseconds.",
                    "type": "integer", "minimum": 0, "maximum": 5000, "default": 300,
                },
            })
        );
        assert_eq!(tools[3]["outputSchema"]["type"], "object");
    }
}

#[tokio::test]
async fn discovers_without_a_session() {
    let sample = Sample::start().await;
    let answer = sample
        .client("2026-07-28")
        .await
        .answer("server/discover", json!({}))
        .await;
    let versions = answer["result"]["supportedVersions"].as_array().unwrap();
    for era in ERAS {
        assert!(versions.contains(&json!(era)), "{answer}");
    }
    for capability in ["tools", "resources", "prompts"] {
        assert!(
            answer["result"]["capabilities"][capability].is_object(),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn shows_every_kind_of_content() {
    let sample = Sample::start().await;
    for era in ERAS {
        let result = sample.client(era).await.call("gallery", json!({})).await;
        let content = result["content"].as_array().unwrap();
        let kinds: Vec<_> = content
            .iter()
            .map(|block| block["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            ["text", "image", "audio", "resource", "resource_link"],
            "{era}"
        );
        let pieces = result["structuredContent"]["pieces"].as_array().unwrap();
        let catalogued: Vec<_> = pieces
            .iter()
            .map(|piece| piece["kind"].as_str().unwrap())
            .collect();
        assert_eq!(catalogued, kinds);

        let decoded = |block: &Value| BASE64.decode(block["data"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(content[1]["mimeType"], "image/png");
        assert!(decoded(&content[1]).starts_with(b"\x89PNG\r\n\x1a\n"));
        assert_eq!(content[2]["mimeType"], "audio/wav");
        assert!(decoded(&content[2]).starts_with(b"RIFF"));
        assert_eq!(content[3]["resource"]["uri"], "vestibule://readme");
        assert_eq!(content[4]["uri"], "vestibule://readme");
    }
}

#[tokio::test]
async fn reads_its_resource_and_no_other() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let listed = client.answer("resources/list", json!({})).await;
        assert_eq!(listed["result"]["resources"][0]["uri"], "vestibule://readme");
        let read = client
            .answer("resources/read", json!({ "uri": "vestibule://readme" }))
            .await;
        let contents = &read["result"]["contents"][0];
        assert_eq!(contents["mimeType"], "text/markdown");
        assert!(
            contents["text"]
                .as_str()
                .unwrap()
                .starts_with("# The sample server")
        );
        let missing = client
            .answer("resources/read", json!({ "uri": "vestibule://other" }))
            .await;
        let code = if era < "2026-07-28" { -32002 } else { -32602 };
        assert_eq!(missing["error"]["code"], code, "{missing}");
    }
}

#[tokio::test]
async fn fills_in_its_prompt() {
    let sample = Sample::start().await;
    for era in ERAS {
        let client = sample.client(era).await;
        let listed = client.answer("prompts/list", json!({})).await;
        let prompt = &listed["result"]["prompts"][0];
        assert_eq!(prompt["name"], "introduce");
        assert_eq!(prompt["arguments"][0]["name"], "name");
        assert_eq!(prompt["arguments"][0]["required"], true);
        let params = json!({ "name": "introduce", "arguments": { "name": "Ana" } });
        let filled = client.answer("prompts/get", params).await;
        let message = &filled["result"]["messages"][0];
        assert_eq!(message["role"], "user");
        assert!(
            message["content"]["text"]
                .as_str()
                .unwrap()
                .contains("Then tell Ana,")
        );
        for wrong in [
            json!({ "name": "introduce" }),
            json!({ "name": "introduce", "arguments": {} }),
            json!({ "name": "other", "arguments": { "name": "Ana" } }),
        ] {
            let refused = client.answer("prompts/get", wrong).await;
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
        }
    }
}
