//! `vestibule bridge`, as a process between a program on its pipes and a running door.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::rig::Door;
use crate::rig::machine::{Machine, come_back};

mod answers;
mod eras;
mod legacy_sse;
mod signing_in;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sooner than anything ends that a bridge could wait for.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A program's end of a bridge.
pub(crate) struct Program {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Standard error; none once it was taken.
    log: Option<Lines<BufReader<ChildStderr>>>,
    /// Messages that were read while another was waited for.
    aside: VecDeque<Value>,
}

impl Program {
    fn start(machine: &Machine, words: &[&str]) -> Self {
        Self::of(machine.command(&[&["bridge"], words].concat()))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            log: Some(BufReader::new(child.stderr.take().unwrap()).lines()),
            child,
            aside: VecDeque::new(),
        }
    }

    /// A bridge to the door's server that has begun a session.
    async fn in_a_session(machine: &Machine) -> Self {
        let mut this = Self::start(machine, &["fixture"]);
        this.initialize("2025-11-25", &json!({})).await;
        this
    }

    async fn says(&mut self, message: &Value) {
        self.writes(&message.to_string()).await;
    }

    async fn writes(&mut self, line: &str) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// The next line as it stands there.
    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
        line.expect("a message comes")
            .unwrap()
            .expect("the bridge is there")
    }

    /// The next message that is like this; others are put aside.
    async fn hears(&mut self, like: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.aside.iter().position(&like) {
            return self.aside.remove(at).unwrap();
        }
        loop {
            let line = self.line().await;
            let message: Value = serde_json::from_str(&line).expect("nothing but messages");
            if like(&message) {
                return message;
            }
            self.aside.push_back(message);
        }
    }

    async fn answer(&mut self, id: impl Into<Value>) -> Value {
        let id = id.into();
        self.hears(|message| message["id"] == id && message["method"].is_null())
            .await
    }

    /// The next line of the log that begins so.
    async fn logs(&mut self, like: impl Fn(&str) -> bool) -> String {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.log.as_mut().unwrap().next_line()).await;
            let line = line.expect("a line comes").unwrap().expect("the bridge is there");
            if like(&line) {
                return line;
            }
        }
    }

    /// Begins a session.
    pub(crate) async fn initialize(&mut self, version: &str, capabilities: &Value) -> Value {
        self.says(&json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": version, "capabilities": capabilities,
                "clientInfo": { "name": "test", "version": "1" },
            },
        }))
        .await;
        let answer = self.answer(0).await;
        self.says(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        answer
    }

    async fn asks(&mut self, id: u64, tool: &str, arguments: Value) {
        self.says(&call(id, tool, arguments)).await;
    }

    /// Calls a tool, and gives the text of its result.
    pub(crate) async fn calls(&mut self, id: u64, tool: &str, arguments: Value) -> String {
        self.asks(id, tool, arguments).await;
        text_of(&self.answer(id).await)
    }

    /// Calls a tool that asks the client something, answers "because", and gives the text of the result.
    async fn is_asked_in(&mut self, id: u64) -> String {
        self.asks(id, "test_sampling", json!({ "prompt": "why?" })).await;
        let question = self
            .hears(|message| message["method"] == "sampling/createMessage")
            .await;
        let content =
            json!({ "role": "assistant", "content": { "type": "text", "text": "because" }, "model": "m" });
        self.says(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": content }))
            .await;
        text_of(&self.answer(id).await)
    }

    /// Sends the bridge SIGTERM, and gives how it ended; at once, because it waits for nobody then.
    async fn terminates(mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let ended = tokio::time::timeout(AT_ONCE, self.child.wait()).await;
        ended.expect("it ends").unwrap()
    }

    /// Closes its end, and gives how the bridge ended.
    pub(crate) async fn closes(self) -> ExitStatus {
        let Self { mut child, input, .. } = self;
        drop(input);
        tokio::time::timeout(PATIENCE, child.wait())
            .await
            .unwrap()
            .unwrap()
    }
}

fn call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    })
}

/// A tool call of the stateless era.
fn stateless(id: u64, tool: &str, arguments: Value) -> Value {
    let mut call = call(id, tool, arguments);
    call["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    });
    call
}

fn text_of(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Signs in at the address that a bridge wrote.
async fn approve(door: &Door, address: &str, username: &str) {
    let target = address.strip_prefix(&door.url).unwrap();
    let back = door.browser().approve(target, username).await;
    assert_eq!(come_back(&back).await, 200);
}
