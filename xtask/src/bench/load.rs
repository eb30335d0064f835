//! Load by wrk: 64 kept connections, each request with the next of 64 tokens.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use super::ground::Ground;
use super::machine::{BESIDE, Serving, on};
use super::proxies::PATH;
use crate::command::output;

/// Connections at once.
const CONNECTIONS: &str = "64";

/// What one round of a row showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Microseconds of processor time per request.
    pub(crate) cpu: f64,
    /// Requests in a second.
    pub(crate) per_second: f64,
    /// Half of the requests took at most so many microseconds.
    pub(crate) p50: f64,
    /// All but one of a hundred.
    pub(crate) p99: f64,
    /// Mebibytes in memory at the end.
    pub(crate) resident: f64,
}

/// Loads a row for so many seconds.
pub(crate) fn round(ground: &Ground, serving: &Serving, call: &str, seconds: u32) -> anyhow::Result<Round> {
    let before = serving.used()?;
    let script = ground.path(&format!("{call}.lua"));
    let duration = format!("-d{seconds}s");
    let url = format!("http://{}{PATH}", serving.address);
    let words = ["-t1", "-c", CONNECTIONS, &duration, "-s", &script, &url];
    let said = output(&mut on(BESIDE, "/usr/bin/wrk".as_ref(), &words))?;
    let after = serving.used()?;
    let result = said
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .context("wrk gave no result")?;
    let numbers: Vec<f64> = result.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [requests, microseconds, p50, p99, errors] = numbers.as_slice() else {
        anyhow::bail!("wrk gave {result}");
    };
    ensure!(
        *errors == 0.0 && *requests > 0.0,
        "{errors} of {requests} requests failed:\n{said}"
    );
    Ok(Round {
        cpu: (after.cpu - before.cpu) / requests,
        per_second: requests / (microseconds / 1e6),
        p50: *p50,
        p99: *p99,
        resident: mebibytes(after.resident),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a measurement")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Writes what wrk runs for a kind of call.
pub(crate) fn write_script(ground: &Ground, call: &str) -> anyhow::Result<()> {
    let body = super::machine::ask(&["body", call])?;
    let script = format!(
        r#"local requests, at = {{}}, 0
local headers = {{
  ["content-type"] = "application/json",
  ["accept"] = "application/json, text/event-stream",
  ["mcp-protocol-version"] = "2025-06-18",
  ["user-agent"] = "bench/1.0",
}}
function init(args)
  for line in io.lines("{tokens}") do
    headers["authorization"] = "Bearer " .. line:match("%S+")
    requests[#requests + 1] = wrk.format("POST", nil, headers, [==[{body}]==])
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#,
        tokens = ground.path("tokens"),
    );
    Ok(std::fs::write(ground.file(&format!("{call}.lua")), script)?)
}

/// The median time to the first byte over one idle connection.
pub(crate) fn first_byte(ground: &Ground, address: SocketAddr, count: &str) -> anyhow::Result<f64> {
    let tokens = ground.path("tokens");
    let said = super::machine::ask(&["first-byte", &address.to_string(), PATH, &tokens, count])?;
    Ok(said.trim().parse()?)
}
