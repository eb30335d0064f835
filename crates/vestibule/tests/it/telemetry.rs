//! Spans and log lines reach a collector, as OTLP has them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use net::listener::{Answer, Connection};
use net::{Body, Tasks, body};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rig::process::Process;
use crate::rig::{Door, Plan, door, eventually};

/// Keeps what is sent to it, if it comes with the header that it wants.
#[derive(Clone, Default)]
struct Collector {
    taken: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Answer for Collector {
    async fn answer(self, request: Request<Incoming>, _: Connection) -> Response<Body> {
        let (parts, incoming) = request.into_parts();
        assert_eq!(parts.headers["x-tenant"], "platform");
        let bytes = body::read(incoming, 1 << 20, std::time::Duration::from_secs(5))
            .await
            .unwrap();
        self.taken
            .lock()
            .unwrap()
            .push((parts.uri.path().to_owned(), bytes));
        Response::new(body::empty())
    }
}

impl Collector {
    async fn start(tasks: &Tasks) -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        net::Server::new(net::Limits::default(), tasks.clone()).serve(listener, None, collector.clone());
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let traces = taken.iter().filter(|(path, _)| path == "/v1/traces");
        let requests = traces.map(|(_, bytes)| ExportTraceServiceRequest::decode(bytes.clone()).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn lines(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let logs = taken.iter().filter(|(path, _)| path == "/v1/logs");
        let requests = logs.map(|(_, bytes)| ExportLogsServiceRequest::decode(bytes.clone()).unwrap());
        let resources = requests.flat_map(|request| request.resource_logs);
        let scopes = resources.flat_map(|resource| resource.scope_logs);
        let texts =
            scopes
                .flat_map(|scope| scope.log_records)
                .filter_map(|record| match record.body?.value? {
                    AnyValue::StringValue(text) => Some(text),
                    _ => None,
                });
        texts.collect()
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        AnyValue::StringValue(text) => Some(text),
        AnyValue::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

async fn plan(tasks: &Tasks, more: &str) -> (Plan, Collector) {
    let (collector, address) = Collector::start(tasks).await;
    let config = format!("otlp: {{ endpoint: \"http://{address}/\", headers_file: headers{more} }}");
    let plan = Plan {
        config,
        files: vec![("headers", "X-Tenant: platform\n".to_owned())],
        ..Plan::default()
    };
    (plan, collector)
}

/// A call has a span in the trace that its caller named, in `_meta` before the header, and the upstream is told of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_have_spans() {
    let tasks = Tasks::new();
    let (plan, collector) = plan(&tasks, "").await;
    let mut door = Door::with(plan).await;
    let (_, tokens) = door.signed_in("ana").await;
    let of_header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let of_message = "00-11111111111111111111111111111111-2222222222222222-01";
    let unwanted = "00-33333333333333333333333333333333-4444444444444444-00";
    let upstream_saw = async |ask: crate::rig::Ask| {
        assert_eq!(door.ask(ask.bearer(&tokens.access)).await.status, 200);
        let seen = door.upstream.take_requests().pop().unwrap();
        seen.header("traceparent").unwrap().to_owned()
    };
    let call = || door::call("fixture", "echo_headers", json!({}));
    let first = upstream_saw(call().with("traceparent", of_header)).await;
    assert!(
        first.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && first.ends_with("-01"),
        "{first}"
    );
    assert_ne!(first, of_header, "the span that calls is ours");
    let mut params = json!({ "name": "echo_headers", "arguments": {} });
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "traceparent": of_message,
    });
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let second = upstream_saw(call().with("traceparent", of_header).body(body.to_string())).await;
    assert!(
        second.starts_with("00-11111111111111111111111111111111-"),
        "{second}"
    );
    let third = upstream_saw(call().with("traceparent", unwanted)).await;
    assert!(
        third.starts_with("00-33333333333333333333333333333333-") && third.ends_with("-00"),
        "{third}"
    );
    let fourth = upstream_saw(call()).await;
    assert!(fourth.ends_with("-01"), "a trace that begins here: {fourth}");
    door.stop().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "the client did not want the third: {spans:?}");
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    for (traceparent, parent) in [
        (&first, "b7ad6b7169203331"),
        (&second, "2222222222222222"),
        (&fourth, ""),
    ] {
        let span = spans
            .iter()
            .find(|span| traceparent.contains(&hex(&span.span_id)));
        let span = span.unwrap_or_else(|| panic!("{traceparent}"));
        assert!(traceparent.contains(&hex(&span.trace_id)));
        assert_eq!(
            (hex(&span.parent_span_id).as_str(), span.name.as_str()),
            (parent, "tools/call echo_headers")
        );
        assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
        for (key, value) in [
            ("gen_ai.tool.name", "echo_headers"),
            ("mcp.method.name", "tools/call"),
            ("vestibule.server", "fixture"),
            ("vestibule.outcome", "answered"),
            ("http.response.status_code", "200"),
        ] {
            assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
        }
        assert!(attribute(span, "vestibule.reference").is_some());
        assert!(
            !format!("{span:?}").contains("ana"),
            "nothing that identifies a person"
        );
    }
    let _ = tasks.shut_down(std::time::Duration::ZERO).await;
}

/// W3C Trace Context, section 3.3: what goes with a trace goes on as it came, with its own trace and no other, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracestate_goes_on_with_its_trace() {
    const OURS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-01";
    let tasks = Tasks::new();
    let (plan, collector) = plan(&tasks, "").await;
    let untraced = Door::open().await;
    let without = "
  without:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" }, strip: [Tracestate] }
";
    let servers = without.to_owned();
    let mut traced = Door::with(Plan { servers, ..plan }).await;
    let call = || door::call("fixture", "echo_headers", json!({}));
    let in_message = |members: Value| {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        meta.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let params = json!({ "name": "echo_headers", "arguments": {}, "_meta": meta });
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }).to_string()
    };
    for (door, is_traced) in [(&untraced, false), (&traced, true)] {
        let (_, tokens) = door.signed_in("ana").await;
        let saw = async |ask: crate::rig::Ask| {
            let reply = door.ask(ask.bearer(&tokens.access)).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let seen = door.upstream.take_requests().pop().unwrap();
            let states: Vec<_> = seen.headers.get_all("tracestate").iter().cloned().collect();
            (states, seen)
        };
        let of_header = || call().with("traceparent", OURS);
        let (states, _) = saw(of_header().with("tracestate", "rojo=00f0, congo=t61 x")).await;
        assert_eq!(states, ["rojo=00f0, congo=t61 x"], "{is_traced}");
        let (states, _) = saw(of_header().with("tracestate", "a=1").with("tracestate", "b=2")).await;
        let expected: &[&str] = if is_traced { &["a=1,b=2"] } else { &["a=1", "b=2"] };
        assert_eq!(states, expected, "{is_traced}");
        let many = vec!["k=v"; 33].join(",");
        for bad in ["rojo", "A=1", many.as_str()] {
            let (states, _) = saw(of_header().with("tracestate", bad)).await;
            assert!(states.is_empty(), "{is_traced} {bad}: {states:?}");
        }
        for alone in [call(), call().with("traceparent", "00-0-0-00")] {
            let (states, _) = saw(alone.with("tracestate", "a=1")).await;
            assert!(states.is_empty(), "{is_traced}: {states:?}");
        }
        // The message is what it was, in any case.
        for (said, expected) in [
            (
                json!({ "traceparent": OTHER, "tracestate": "of=message" }),
                Some("of=message"),
            ),
            (json!({ "traceparent": OTHER, "tracestate": "OF=message" }), None),
            (json!({ "traceparent": OTHER, "tracestate": 1 }), None),
            (json!({ "traceparent": OTHER }), None),
            (json!({ "tracestate": "of=message" }), Some("of=header")),
        ] {
            let body = in_message(said);
            let ask = of_header().with("tracestate", "of=header").body(body.clone());
            let (states, seen) = saw(ask).await;
            assert_eq!(seen.body, body.as_bytes(), "{is_traced}");
            let expected = if is_traced { expected } else { Some("of=header") };
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(states, expected, "{is_traced} {body}");
        }
    }
    let mut app = traced.app().await;
    app.resource = format!("{}/mcp/without", traced.url);
    let tokens = app.sign_in(&traced, "ana").await;
    let ask = door::call("without", "echo_headers", json!({})).bearer(&tokens.access);
    let ask = ask.with("traceparent", OURS).with("tracestate", "a=1");
    assert_eq!(traced.ask(ask).await.status, 200);
    let seen = traced.upstream.take_requests().pop().unwrap();
    assert!(seen.header("traceparent").is_some());
    assert_eq!(seen.header("tracestate"), None, "the operator wants none there");
    traced.stop().await;
    let spans = collector.spans();
    let states: Vec<_> = spans.iter().map(|span| span.trace_state.as_str()).collect();
    assert!(
        states.contains(&"of=message") && states.contains(&"a=1,b=2"),
        "{states:?}"
    );
    let _ = tasks.shut_down(std::time::Duration::ZERO).await;
}

/// Log lines go there too, the last ones included, and the collector's own connection is no topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_are_sent() {
    let tasks = Tasks::new();
    let (plan, collector) = plan(&tasks, ", traces: false, logs: true").await;
    let mut door = Door::with(plan).await;
    door.stop().await;
    let server = Process::start(&door.config_file(), door.address).await;
    assert!(server.terminate().await.success());
    let lines = collector.lines();
    assert!(lines.iter().any(|line| line == "ready"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("stopping")), "{lines:?}");
    assert!(collector.spans().is_empty());
    let _ = tasks.shut_down(std::time::Duration::ZERO).await;
}

/// A collector that is away is no reason for anybody to wait, and wrong settings are told at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_disturbs_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let door = Door::with(Plan {
        config: format!("otlp: {{ endpoint: \"http://{nobody}\" }}"),
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    eventually(async || {
        let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
        if reply.status == 200 {
            Ok(())
        } else {
            Err(format!("{reply:?}"))
        }
    })
    .await;
}
