//! A run in stages, each with its minutes.

use std::time::{Duration, Instant};

/// Stages that were run, with the time that each took.
#[derive(Debug, Default)]
pub(crate) struct Stages(Vec<(&'static str, Duration)>);

impl Stages {
    /// Runs one. What is left is not run if it fails.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a stage takes in this world is what is asked"
    )]
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (bold, plain) = (anstyle::Style::new().bold(), anstyle::Reset);
        anstream::println!("\n{bold}== {name}{plain}");
        let started = Instant::now();
        let outcome = work();
        let took = started.elapsed();
        self.0.push((name, took));
        anstream::println!(
            "== {name}: {} after {} min",
            if outcome.is_ok() { "done" } else { "FAILED" },
            minutes(took)
        );
        outcome
    }

    /// Prints what each took.
    pub(crate) fn summary(&self) {
        anstream::println!("\nminutes  stage");
        for (name, took) in &self.0 {
            anstream::println!("{:>7}  {name}", minutes(*took));
        }
        let whole: Duration = self.0.iter().map(|(_, took)| *took).sum();
        anstream::println!("{:>7}  in all", minutes(whole));
    }
}

fn minutes(span: Duration) -> String {
    format!("{:.1}", span.as_secs_f64() / 60.0)
}
