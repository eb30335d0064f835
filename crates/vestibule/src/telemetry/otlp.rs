//! Spans and log lines to an OpenTelemetry collector, by OTLP over HTTP. The library batches and tries again; the
//! connection is ours, because there is one way to call out to what the operator configured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use bytes::Bytes;
use gateway::trace::{Call, Span, TraceContext, Tracing};
use http::{Request, Response};
use net::{Egress, Operators, Tasks, body};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use protocol::TraceParent;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::warn;

use crate::config::Otlp;
use crate::config::file::Loaded;

/// How long the collector may take to be connected to, and to answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);
/// What a collector may answer.
const LARGEST: usize = 64 * 1024;

/// Collects spans of calls.
#[derive(Debug)]
pub struct Spans {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Collects log lines.
#[derive(Debug)]
pub struct Logs(SdkLoggerProvider);

impl Spans {
    /// As configured; none if they are not wanted.
    ///
    /// # Errors
    /// If the settings are wrong, or a file that they name cannot be read.
    pub fn open(loaded: &Loaded) -> anyhow::Result<Option<Arc<Self>>> {
        let Some(otlp) = loaded.config.otlp.as_ref().filter(|otlp| otlp.traces) else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client(loaded, otlp)?)
            .with_headers(headers(loaded, otlp)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint(otlp, "v1/traces"))
            .with_timeout(ANSWER)
            .build()
            .context("otlp")?;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sample)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource())
            .build();
        let tracer = provider.tracer("vestibule");
        Ok(Some(Arc::new(Self { provider, tracer })))
    }

    /// Sends what is left.
    pub async fn close(&self) {
        let provider = self.provider.clone();
        close(move || provider.shutdown()).await;
    }
}

impl Logs {
    /// As configured; none if they are not wanted.
    ///
    /// # Errors
    /// If the settings are wrong, or a file that they name cannot be read.
    pub fn open(loaded: &Loaded) -> anyhow::Result<Option<Self>> {
        let Some(otlp) = loaded.config.otlp.as_ref().filter(|otlp| otlp.logs) else {
            return Ok(None);
        };
        let exporter = LogExporter::builder()
            .with_http()
            .with_http_client(client(loaded, otlp)?)
            .with_headers(headers(loaded, otlp)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint(otlp, "v1/logs"))
            .with_timeout(ANSWER)
            .build()
            .context("otlp")?;
        let builder = SdkLoggerProvider::builder().with_batch_exporter(exporter);
        Ok(Some(Self(builder.with_resource(resource()).build())))
    }

    /// What makes loggers.
    pub fn provider(&self) -> &SdkLoggerProvider {
        &self.0
    }

    /// Sends what is left.
    pub async fn close(self) {
        close(move || self.0.shutdown()).await;
    }
}

/// The library waits for its own thread; ours must not.
async fn close(shutdown: impl FnOnce() -> OTelSdkResult + Send + 'static) {
    match tokio::task::spawn_blocking(shutdown).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "the collector did not take what was left"),
        Err(error) => warn!(%error, "the collector did not take what was left"),
    }
}

fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder()
        .with_service_name("vestibule")
        .with_attribute(version)
        .build()
}

fn endpoint(otlp: &Otlp, path: &str) -> String {
    format!("{}/{path}", otlp.endpoint.as_str().trim_end_matches('/'))
}

/// `name: value` in each line of the file, as curl takes them.
fn headers(loaded: &Loaded, otlp: &Otlp) -> anyhow::Result<HashMap<String, String>> {
    let Some(file) = &otlp.headers_file else {
        return Ok(HashMap::new());
    };
    let path = loaded.resolve(file);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("otlp.headers_file: {}", path.display()))?;
    let mut headers = HashMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            bail!(
                "otlp.headers_file: {}: a line is not `name: value`",
                path.display()
            );
        };
        headers.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(headers)
}

fn client(loaded: &Loaded, otlp: &Otlp) -> anyhow::Result<Client> {
    if !matches!(otlp.endpoint.scheme(), "http" | "https") || otlp.endpoint.host().is_none() {
        bail!("otlp.endpoint: must be an http or https URL, as http://127.0.0.1:4318");
    }
    let ca = otlp.ca_file.as_deref().map(|path| loaded.resolve(path));
    let files: Vec<_> = ca.iter().cloned().collect();
    let egress = Egress {
        look: net::watch::look(&files),
        ca,
        client_certificate: None,
        proxy: None,
        connect_time: CONNECT,
        idle_connections: 2,
    };
    Ok(Client {
        operators: Operators::new(&egress).context("otlp.ca_file")?,
        runtime: Handle::current(),
        tasks: Tasks::new(),
    })
}

/// Calls the collector. The library calls from threads of its own, where nothing can be awaited that needs a runtime.
#[derive(Debug)]
struct Client {
    operators: Operators,
    runtime: Handle,
    tasks: Tasks,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (sender, receiver) = oneshot::channel();
        {
            let _inside = self.runtime.enter();
            let operators = self.operators.clone();
            self.tasks.spawn("otlp", async move {
                let _ = sender.send(send(&operators, request).await);
            });
        }
        receiver.await?
    }
}

async fn send(operators: &Operators, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let call = operators.call(request.map(body::full));
    let (parts, incoming) = tokio::time::timeout(ANSWER, call).await??.into_parts();
    let answer = body::read(incoming, LARGEST, ANSWER).await?;
    Ok(Response::from_parts(parts, answer))
}

impl Tracing for Spans {
    fn begin(&self, context: Option<&TraceContext>) -> Box<dyn Span> {
        let context = context.map_or_else(Context::new, |TraceContext { parent, state }| {
            // What the collector would not take is passed on without it.
            let state = state.as_ref().and_then(|state| state.as_str().parse().ok());
            Context::new().with_remote_span_context(SpanContext::new(
                TraceId::from_bytes(parent.trace_id),
                SpanId::from_bytes(parent.span_id),
                TraceFlags::new(parent.flags),
                true,
                state.unwrap_or_else(TraceState::default),
            ))
        });
        let builder = self.tracer.span_builder("mcp").with_kind(SpanKind::Server);
        Box::new(CallSpan(self.tracer.build_with_context(builder, &context)))
    }
}

#[derive(Debug)]
struct CallSpan(opentelemetry_sdk::trace::Span);

impl Span for CallSpan {
    fn context(&self) -> TraceParent {
        let context = self.0.span_context();
        TraceParent {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            flags: context.trace_flags().to_u8(),
        }
    }

    /// Names are those of the semantic conventions for MCP and HTTP where they have one.
    fn end(mut self: Box<Self>, call: &Call<'_>) {
        if !self.0.is_recording() {
            return;
        }
        let name = match call.target {
            Some(target) => format!("{} {target}", call.method),
            None => call.method.to_owned(),
        };
        self.0.update_name(name);
        let mut put = |key: &'static str, value: opentelemetry::Value| {
            self.0.set_attribute(KeyValue::new(key, value));
        };
        put("mcp.method.name", call.method.to_owned().into());
        put("vestibule.server", call.server.to_owned().into());
        put("vestibule.outcome", call.outcome.into());
        put("vestibule.reference", call.reference.to_string().into());
        put("http.response.status_code", i64::from(call.status).into());
        let of_target = match call.method {
            "tools/call" => Some("gen_ai.tool.name"),
            "prompts/get" => Some("gen_ai.prompt.name"),
            "resources/read" => Some("mcp.resource.uri"),
            _ => None,
        };
        if let (Some(key), Some(target)) = (of_target, call.target) {
            put(key, target.to_owned().into());
        }
        if let Some(reason) = call.reason {
            put("error.type", reason.to_owned().into());
        }
        if call.failed {
            self.0
                .set_status(Status::error(call.reason.unwrap_or_default().to_owned()));
        }
        self.0.end();
    }
}
