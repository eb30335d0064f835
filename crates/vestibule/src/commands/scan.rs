//! `vestibule scan`: which credentials lie in files, how exposed they are, and what would replace them. It changes nothing
//! and asks nobody.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use model::World;
use scan::{DoorServer, Finding, Limits, Report, Rules, Severity};

use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::config::values::Size;
use crate::operator::Failure;
use crate::output::{Output, Said};

use super::person::Whose;

mod baseline;
mod json;
pub mod look;
mod sarif;
pub mod servers;
pub mod text;

pub use text::rules_page;

/// `vestibule scan`.
#[derive(Debug, Args)]
pub struct Scan {
    /// What to look at: files, and folders with everything in them. If not given, the places below your home folder in which
    /// MCP clients, shells and other programs are known to keep credentials, and every .env file
    paths: Vec<PathBuf>,
    /// Look at the variables of the environment too, as in a CI job
    #[arg(long)]
    ci: bool,
    /// A server of the door that may replace what is found, as `https://mcp.example.com/mcp/gitea`; those that you are signed in
    /// to, and those of the configuration file that --config names, are known already
    #[arg(long, value_name = "URL")]
    door: Vec<String>,
    /// The exit code is 1 only if something is found that matters at least so much
    #[arg(long, value_name = "LEVEL", default_value = "low")]
    fail_on: FailOn,
    /// Leave out what is in this file
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what is found into a file for --baseline
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Answer in SARIF 2.1.0, which code hosts show beside the lines
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// Rules of your own, in the form of those that `--list-rules` shows
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Say what can be found, and look at nothing
    #[arg(long)]
    list_rules: bool,
    /// The largest file that is read
    #[arg(long, value_name = "SIZE", default_value = "4MiB")]
    max_file_size: Size,
    #[command(flatten)]
    whose: Whose,
}

/// From which severity on the exit code is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Anything
    Low,
    /// What looks like a secret by its name, and more
    Medium,
    /// Credentials of known kinds
    High,
    /// Credentials that others can read
    Critical,
    /// Nothing
    Never,
}

impl FailOn {
    fn is_met_by(self, severity: Severity) -> bool {
        match self {
            Self::Low => true,
            Self::Medium => severity >= Severity::Medium,
            Self::High => severity >= Severity::High,
            Self::Critical => severity >= Severity::Critical,
            Self::Never => false,
        }
    }
}

/// What is shown of a scan, whatever the form.
struct Shown<'a> {
    rules: &'a Rules,
    report: &'a Report,
    servers: &'a [DoorServer],
    /// How many findings the baseline has.
    known: usize,
}

impl Shown<'_> {
    /// The server that replaces it.
    fn replaced_by(&self, finding: &Finding) -> Option<&DoorServer> {
        scan::replaced_by(finding, self.rules, self.servers)
    }

    /// Its title with whose it is: "GitHub personal access token (classic)".
    fn title(&self, finding: &Finding) -> String {
        match self.provider(finding) {
            Some(provider) => format!("{} {}", provider.title, finding.title),
            None => finding.title.clone(),
        }
    }

    fn provider(&self, finding: &Finding) -> Option<&scan::Provider> {
        self.rules.provider(finding.provider.as_deref()?)
    }
}

impl Scan {
    /// Runs it.
    ///
    /// # Errors
    /// Something was found, or cannot be looked at.
    pub fn run(
        self,
        loaded: Option<&Loaded>,
        environment: &Environment,
        world: &World,
        output: Output,
    ) -> anyhow::Result<()> {
        let rules = read_rules(&self.rules)?;
        if self.list_rules {
            output.answer(&text::rules(&rules));
            return Ok(());
        }
        let baseline = self.baseline.as_deref().map(baseline::read).transpose()?;
        let mut report = self.look(&rules, environment, world)?;
        if let Some(file) = &self.write_baseline {
            baseline::write(file, &report)?;
        }
        let before = report.findings.len();
        report.findings.retain(|finding| {
            let is_known = |baseline: &baseline::Baseline| baseline.knows(finding);
            !baseline.as_ref().is_some_and(is_known)
        });
        let shown = Shown {
            rules: &rules,
            report: &report,
            servers: &servers::known(&self.door, loaded, &self.whose)?,
            known: before - report.findings.len(),
        };
        if self.sarif {
            output.print(&format!("{:#}", sarif::log(&shown)));
        } else if output.json {
            output.print(&format!("{:#}", json::document(&shown)));
        } else {
            output.print(&text::text(&shown));
        }
        let fails = |finding: &Finding| self.fail_on.is_met_by(finding.severity);
        // Whoever writes a baseline says that what is there is known.
        if self.write_baseline.is_none() && report.findings.iter().any(fails) {
            return Err(Said.into());
        }
        Ok(())
    }

    fn look(&self, rules: &Rules, environment: &Environment, world: &World) -> anyhow::Result<Report> {
        let limits = Limits {
            file: u64::try_from(self.max_file_size.0).unwrap_or(u64::MAX),
            ..Limits::default()
        };
        let mut scan = scan::Scan::new(rules, world.now(), world.random(), limits);
        look::at(&mut scan, &self.paths, self.ci, rules, environment)?;
        Ok(scan.finish())
    }
}

/// The rules of the program, and those of files.
fn read_rules(files: &[PathBuf]) -> anyhow::Result<Rules> {
    let mut texts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file);
        texts.push(text.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?);
    }
    Rules::of(&texts).map_err(|error| Failure::Usage(format!("rules: {error}")).into())
}
