//! Metrics in the format of Prometheus, on an address of their own: what they say is not for everybody who can reach
//! the door. docs/metrics.md lists them; the numbers of each server are counted in `gateway::metrics`.

use std::fmt;
use std::sync::Arc;

use gateway::Route;
use gateway::metrics::{BOUNDS, OUTCOMES, Reading};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use net::listener::{Answer, Connection};
use net::{Body, body};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use tracing::error;

use crate::health::Health;
use crate::house::House;

mod process;

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registry>);

impl Metrics {
    /// Of a running server.
    pub fn of(house: Arc<House>, health: Health) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Reader { house, health }));
        Self(Arc::new(registry))
    }

    /// All of them as text.
    ///
    /// # Errors
    /// If one cannot be written, which would be a defect of ours.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

impl Answer for Metrics {
    async fn answer(self, request: Request<Incoming>, _: Connection) -> Response<Body> {
        let (status, media_type, text) = match (request.uri().path(), self.text()) {
            ("/metrics", Ok(text)) => (StatusCode::OK, MEDIA_TYPE, text),
            ("/metrics", Err(error)) => {
                error!(%error, "metrics cannot be written");
                (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", String::new())
            }
            _ => (
                StatusCode::NOT_FOUND,
                "text/plain",
                "metrics are at /metrics\n".to_owned(),
            ),
        };
        let mut response = Response::new(body::full(text));
        *response.status_mut() = status;
        let media_type = HeaderValue::from_static(media_type);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// Reads everything at the moment at which it is asked for.
#[derive(Debug)]
struct Reader {
    house: Arc<House>,
    health: Health,
}

/// A metric: its name, what it says, and its unit.
type Named = (&'static str, &'static str, Option<Unit>);

/// Writes one after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn counter(&mut self, (name, help, unit): Named, count: f64) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    fn gauge(&mut self, (name, help, unit): Named, value: f64) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        encoder.encode_gauge(&value)
    }

    /// One with labels, written value by value.
    fn family(
        &mut self,
        (name, help, unit): Named,
        kind: MetricType,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        write(&mut self.0.encode_descriptor(name, help, unit.as_ref(), kind)?)
    }

    /// One number of each server.
    fn of_each(
        &mut self,
        named: Named,
        servers: &[(&Arc<Route>, Reading)],
        read: impl Fn(&Route, &Reading) -> i64,
    ) -> fmt::Result {
        self.family(named, MetricType::Gauge, |encoder| {
            for (route, reading) in servers {
                let labels = [("server", route.name().as_str())];
                encoder
                    .encode_family(&labels)?
                    .encode_gauge(&read(route, reading))?;
            }
            Ok(())
        })
    }
}

impl Collector for Reader {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        let routes = self.house.gateway.routes();
        let mut servers: Vec<_> = routes
            .servers
            .values()
            .map(|route| (route, route.metrics.read()))
            .collect();
        servers.sort_unstable_by_key(|(route, _)| route.name());
        of_the_program(&mut writer, &self.house, &self.health)?;
        of_calls(&mut writer, &servers)?;
        of_servers(&mut writer, &servers)?;
        writer.family(
            (
                "vestibule_refusals",
                "Requests to MCP endpoints and APIs that were refused, by the reason that the audit record names",
                None,
            ),
            MetricType::Counter,
            |encoder| {
                for (reason, count) in self.house.gateway.refusals().read() {
                    let labels = [("reason", reason)];
                    let mut one = encoder.encode_family(&labels)?;
                    one.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
                Ok(())
            },
        )?;
        process::write(&mut writer)
    }
}

fn of_the_program(writer: &mut Writer<'_>, house: &House, health: &Health) -> fmt::Result {
    writer.family(
        ("vestibule_build", "The version that runs", None),
        MetricType::Info,
        |encoder| encoder.encode_info(&[("version", env!("CARGO_PKG_VERSION"))]),
    )?;
    let ready = health.reasons().is_empty();
    writer.gauge(
        (
            "vestibule_ready",
            "1 if requests should come here, as /readyz says it",
            None,
        ),
        f64::from(u8::from(ready)),
    )?;
    let waiting = house.foundation.recorder.backlog();
    writer.gauge(
        (
            "vestibule_audit_backlog_events",
            "Events of the audit record that wait to be written",
            None,
        ),
        f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)),
    )
}

fn of_calls(writer: &mut Writer<'_>, servers: &[(&Arc<Route>, Reading)]) -> fmt::Result {
    let calls = (
        "vestibule_calls",
        "Requests to a server from callers whose token counts, by how they ended",
        None,
    );
    writer.family(calls, MetricType::Counter, |encoder| {
        for (route, reading) in servers {
            for ((_, outcome), count) in OUTCOMES.iter().zip(reading.calls) {
                let labels = [("server", route.name().as_str()), ("outcome", *outcome)];
                let mut one = encoder.encode_family(&labels)?;
                one.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    })?;
    let durations = (
        "vestibule_call_duration",
        "From a request to the end of its answer; listening streams are left out",
        Some(Unit::Seconds),
    );
    writer.family(durations, MetricType::Histogram, |encoder| {
        for (route, reading) in servers {
            let bounds = BOUNDS
                .iter()
                .map(|millis| std::time::Duration::from_millis(*millis).as_secs_f64());
            let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(reading.durations).collect();
            let labels = [("server", route.name().as_str())];
            let (sum, count) = (reading.seconds, reading.durations.iter().sum());
            let mut one = encoder.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    })?;
    let bytes = (
        "vestibule_call",
        "Bytes of requests (in) and of their answers (out)",
        Some(Unit::Bytes),
    );
    writer.family(bytes, MetricType::Counter, |encoder| {
        for (route, reading) in servers {
            for (direction, count) in [("in", reading.bytes_in), ("out", reading.bytes_out)] {
                let labels = [("server", route.name().as_str()), ("direction", direction)];
                let mut one = encoder.encode_family(&labels)?;
                one.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    })
}

fn of_servers(writer: &mut Writer<'_>, servers: &[(&Arc<Route>, Reading)]) -> fmt::Result {
    writer.of_each(
        (
            "vestibule_calls_under_way",
            "Requests that have no whole answer yet",
            None,
        ),
        servers,
        |_, reading| reading.under_way,
    )?;
    writer.of_each(
        ("vestibule_streams_open", "Listening streams", None),
        servers,
        |_, reading| reading.streams,
    )?;
    writer.of_each(
        (
            "vestibule_server_up",
            "0 while a server counts as gone because calls to it failed in a row",
            None,
        ),
        servers,
        |route, _| i64::from(!route.health.is_gone()),
    )
}
