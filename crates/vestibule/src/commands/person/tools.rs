//! `vestibule tools` and `vestibule call`: a server tried by hand.

use std::io::Read as _;

use clap::Args;
use model::World;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::reach::{Reach, asked};
use crate::operator::{Answer, Failure};
use crate::output::{Output, Said};

/// Arguments on standard input are no longer than this.
const MOST_BYTES: u64 = 32 << 20;

/// `vestibule tools URL`.
#[derive(Debug, Args)]
pub struct Tools {
    #[command(flatten)]
    reach: Reach,
}

/// `vestibule call URL TOOL JSON`.
#[derive(Debug, Args)]
pub struct Call {
    #[command(flatten)]
    reach: Reach,
    /// The tool
    tool: String,
    /// Its arguments as a JSON object; - reads them from standard input
    #[arg(value_name = "JSON")]
    arguments: Option<String>,
    /// One argument, of the type that the tool says; as often as there are arguments
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "arguments")]
    named: Vec<(String, String)>,
}

impl Tools {
    /// Says what the server offers.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(super) async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let mut conversation = self.reach.conversation(world).await?;
        let tools = conversation.tools().await;
        conversation.close().await;
        let tools = tools.map_err(asked)?;
        let described: Vec<_> = tools.iter().map(described).collect();
        let text = if described.is_empty() {
            "this server offers you no tools".to_owned()
        } else {
            described.join("\n\n")
        };
        output.answer(&Answer::Done {
            text,
            item: Value::from(tools),
        });
        Ok(())
    }
}

impl Call {
    /// Calls the tool.
    ///
    /// # Errors
    /// It cannot be called, or says that it failed.
    pub(super) async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let given = self.given()?;
        let mut conversation = self.reach.conversation(world).await?;
        let outcome = async {
            let arguments = match given {
                Some(arguments) => arguments,
                None => {
                    let tools = conversation.tools().await.map_err(asked)?;
                    typed(&self.named, &tools, &self.tool)?
                }
            };
            conversation.call(&self.tool, &arguments).await.map_err(asked)
        };
        let outcome = outcome.await;
        conversation.close().await;
        let raw = outcome?;
        let result: Value = serde_json::from_str(raw.get())?;
        let has_failed = result["isError"] == Value::Bool(true);
        if output.json {
            output.print(raw.get());
            return if has_failed { Err(Said.into()) } else { Ok(()) };
        }
        if result["resultType"] == "input_required" {
            return Err(
                Failure::Unavailable("the tool asks back, which cannot be answered here".to_owned()).into(),
            );
        }
        let text = readable(&result);
        if has_failed {
            return Err(Failure::Unavailable(text).into());
        }
        output.answer(&Answer::Done { text, item: result });
        Ok(())
    }

    /// The arguments, if they are given as a whole.
    fn given(&self) -> anyhow::Result<Option<Box<RawValue>>> {
        let text = match self.arguments.as_deref() {
            None if self.named.is_empty() => "{}".to_owned(),
            None => return Ok(None),
            Some("-") => {
                let mut text = String::new();
                std::io::stdin().take(MOST_BYTES).read_to_string(&mut text)?;
                text
            }
            Some(text) => text.to_owned(),
        };
        let wrong = |why: &str| Failure::Usage(format!("the arguments are no JSON object: {why}"));
        let arguments: Box<RawValue> =
            serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        if !arguments.get().starts_with('{') {
            return Err(wrong("it has to begin with {").into());
        }
        Ok(Some(arguments))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The arguments in the types that the tool says: a text where it wants one, else what stands there as JSON.
fn typed(named: &[(String, String)], tools: &[Value], name: &str) -> anyhow::Result<Box<RawValue>> {
    let tool = tools.iter().find(|tool| tool["name"] == name);
    let none = || {
        Failure::NotFound(format!(
            "the server offers you no tool called {name}: `vestibule tools`"
        ))
    };
    let properties = &tool.ok_or_else(none)?["inputSchema"]["properties"];
    let mut arguments = Map::new();
    for (name, text) in named {
        let wants_text = properties[name]["type"] == "string";
        let value = match serde_json::from_str(text) {
            Ok(value) if !wants_text => value,
            _ => Value::from(text.as_str()),
        };
        if arguments.insert(name.clone(), value).is_some() {
            return Err(Failure::Usage(format!("{name} is given twice")).into());
        }
    }
    Ok(serde_json::value::to_raw_value(&arguments)?)
}

/// A tool for people: its name, what it does, and its arguments.
fn described(tool: &Value) -> String {
    let mut lines = vec![tool["name"].as_str().unwrap_or("?").to_owned()];
    let about = tool["description"].as_str().or(tool["title"].as_str());
    lines.extend(
        about
            .unwrap_or_default()
            .trim()
            .lines()
            .map(|line| format!("    {line}")),
    );
    let schema = &tool["inputSchema"];
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object();
    let width = properties.map_or(0, |all| {
        all.keys().map(|name| name.chars().count()).max().unwrap_or(0)
    });
    for (name, property) in properties.into_iter().flatten() {
        let kind = match &property["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => kinds
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" or "),
            _ => "any".to_owned(),
        };
        let due = if required.contains(&name.as_str()) {
            ", required"
        } else {
            ""
        };
        let about = property["description"].as_str().unwrap_or_default();
        let about = about.lines().next().unwrap_or_default();
        let line = format!("    {name:width$}  {kind}{due}  {about}");
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// A result for people: its texts, and what else there is in a few words.
fn readable(result: &Value) -> String {
    let content = result["content"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let parts: Vec<_> = content.iter().map(part).collect();
    match &result["structuredContent"] {
        Value::Null => parts.join("\n"),
        structured if parts.is_empty() => format!("{structured:#}"),
        _ => parts.join("\n"),
    }
}

fn part(part: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let kind = part["type"].as_str().unwrap_or("?");
    let size = |data: &Value| data.as_str().map_or(0, |data| data.len() / 4 * 3);
    match kind {
        "text" => text(&part["text"]),
        "image" | "audio" => format!(
            "({kind}, {}, about {} bytes)",
            text(&part["mimeType"]),
            size(&part["data"])
        ),
        "resource_link" => format!("({})", text(&part["uri"])),
        "resource" => match &part["resource"]["text"] {
            Value::String(text) => text.clone(),
            _ => {
                let resource = &part["resource"];
                format!(
                    "({}, about {} bytes)",
                    text(&resource["uri"]),
                    size(&resource["blob"])
                )
            }
        },
        kind => format!("({kind})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_have_the_type_that_the_tool_says() {
        let tools = [json!({ "name": "t", "inputSchema": { "properties": {
            "text": { "type": "string" }, "number": { "type": "integer" },
        } } })];
        let given = |pairs: &[&str]| {
            let pairs: Vec<_> = pairs.iter().map(|text| pair(text).unwrap()).collect();
            typed(&pairs, &tools, "t").map(|raw| raw.get().to_owned())
        };
        assert_eq!(
            given(&["text=7", "number=7", "list=[1]", "other=a=b"]).unwrap(),
            r#"{"text":"7","number":7,"list":[1],"other":"a=b"}"#
        );
        assert!(given(&["text=1", "text=2"]).is_err());
        assert!(typed(&[], &tools, "u").is_err());
    }

    #[test]
    fn a_tool_for_people() {
        let tool = json!({
            "name": "get_issue", "description": "Gets an issue.\nBy its number.",
            "inputSchema": {
                "properties": {
                    "repository": { "type": "string", "description": "Owner and name" },
                    "index": { "type": ["integer", "string"] },
                    "more": {},
                },
                "required": ["repository"],
            },
        });
        insta::assert_snapshot!(described(&tool), @r"
        get_issue
            Gets an issue.
            By its number.
            repository  string, required  Owner and name
            index       integer or string
            more        any
        ");
    }

    #[test]
    fn a_result_for_people() {
        let result = json!({ "content": [
            { "type": "text", "text": "one" },
            { "type": "image", "mimeType": "image/png", "data": "AAAAAAAA" },
            { "type": "resource", "resource": { "uri": "a:b", "text": "two" } },
            { "type": "resource_link", "uri": "c:d" },
        ] });
        assert_eq!(
            readable(&result),
            "one\n(image, image/png, about 6 bytes)\ntwo\n(c:d)"
        );
        assert_eq!(
            readable(&json!({ "structuredContent": { "a": 1 } })),
            "{\n  \"a\": 1\n}"
        );
    }
}
