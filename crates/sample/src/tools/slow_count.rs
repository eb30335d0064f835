//! `slow_count`: a call that takes its time, tells how far it is, and stops when asked to.
//!
//! Progress is told to callers who asked for it with a `progressToken`. A call is cancelled by
//! `notifications/cancelled` in a session, and by hanging up without one.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, ProgressNotificationParam, Tool};
use rmcp::service::RequestContext;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use tracing::debug;

const MOST_STEPS: u32 = 60;
const LONGEST_DELAY: u64 = 5000;

/// How the tool is listed.
pub(super) fn tool() -> Tool {
    super::read_only(
        "slow_count",
        "Slow count",
        "Counts slowly from one to the number of steps, reporting progress after each, and can be cancelled \
         on the way. Useful to watch a long call pass through the front door.",
    )
    .with_input_schema::<Count>()
}

/// How to count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Count {
    /// How far to count.
    #[schemars(range(min = 1, max = 60), transform = without_format)]
    steps: u32,
    /// The pause before each step, in milliseconds.
    #[schemars(range(min = 0, max = 5000), transform = without_format)]
    delay_ms: u64,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            steps: 5,
            delay_ms: 300,
        }
    }
}

/// `uint32` is no format that JSON Schema knows, and strict validators refuse schemas that have it.
fn without_format(schema: &mut Schema) {
    schema.remove("format");
}

/// Counts until done or cancelled.
pub(super) async fn call(
    Parameters(count): Parameters<Count>,
    context: RequestContext<RoleServer>,
) -> CallToolResult {
    if let Err(wrong) = count.check() {
        return CallToolResult::error(vec![ContentBlock::text(wrong)]);
    }
    tokio::select! {
        () = context.ct.cancelled() => CallToolResult::error(vec![ContentBlock::text("Cancelled.")]),
        () = count.run(&context) => {
            CallToolResult::success(vec![ContentBlock::text(format!("Counted to {}.", count.steps))])
        }
    }
}

impl Count {
    fn check(&self) -> Result<(), String> {
        let Self { steps, delay_ms } = self;
        if !(1..=MOST_STEPS).contains(steps) {
            return Err(format!("steps is {steps}; it must be from 1 to {MOST_STEPS}"));
        }
        if *delay_ms > LONGEST_DELAY {
            return Err(format!(
                "delay_ms is {delay_ms}; it must be at most {LONGEST_DELAY}"
            ));
        }
        Ok(())
    }

    async fn run(&self, context: &RequestContext<RoleServer>) {
        for step in 1..=self.steps {
            tokio::time::sleep(Duration::from_millis(self.delay_ms)).await;
            let Some(token) = context.meta.get_progress_token() else {
                continue;
            };
            let progress = ProgressNotificationParam::new(token, f64::from(step))
                .with_total(f64::from(self.steps))
                .with_message(format!("{step} of {}", self.steps));
            if let Err(error) = context.peer.notify_progress(progress).await {
                debug!(%error, "progress not delivered");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_count_too_far_or_too_slowly() {
        let check = |steps, delay_ms| Count { steps, delay_ms }.check();
        assert_eq!(Count::default().check(), Ok(()));
        assert_eq!(check(60, 5000), Ok(()));
        assert_eq!(check(1, 0), Ok(()));
        assert_eq!(check(0, 0), Err("steps is 0; it must be from 1 to 60".to_owned()));
        assert_eq!(
            check(61, 0),
            Err("steps is 61; it must be from 1 to 60".to_owned())
        );
        assert_eq!(
            check(1, 5001),
            Err("delay_ms is 5001; it must be at most 5000".to_owned())
        );
    }
}
