//! `cargo xtask bench gateway`.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ground::{Ground, Size};
use super::load::{self, Round, mebibytes};
use super::machine::{Serving, built};
use super::proxies::Row;
use super::table::{Findings, Target, median};
use super::{Options, scaling, streams};

/// `cargo xtask bench gateway`.
#[derive(Debug, Args)]
pub(crate) struct GatewayBench {
    #[command(flatten)]
    options: Options,
    /// Only these rows; may be given several times
    #[arg(long = "row")]
    rows: Vec<Row>,
    /// Only these loads; may be given several times
    #[arg(long = "load")]
    loads: Vec<Load>,
    /// Measure this build of vestibule, such as target/dist/bin/vestibule
    #[arg(long, value_name = "PROGRAM")]
    pub(super) program: Option<PathBuf>,
    /// Another build of vestibule to measure beside it, to see what a change did
    #[arg(long, value_name = "PROGRAM")]
    before: Option<PathBuf>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Load {
    /// A call of 400 bytes, answered with 300 bytes of JSON
    Json,
    /// The same, answered with an event
    Sse,
    /// The list of 200 tools, of which the caller may see half
    List,
    /// A tool's answer that is as long as that list
    Page,
    /// One connection that is idle between two calls
    FirstByte,
    /// 1,000 and 9,000 open streams
    Streams,
    /// More servers, accounts and rules
    Scaling,
}

impl Load {
    pub(super) const ALL: [Self; 7] = [
        Self::Json,
        Self::Sse,
        Self::List,
        Self::Page,
        Self::FirstByte,
        Self::Streams,
        Self::Scaling,
    ];

    /// What `bench` calls its request, if wrk makes it.
    pub(crate) fn call(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("echo"),
            Self::Sse => Some("event"),
            Self::List => Some("list"),
            Self::Page => Some("page"),
            Self::FirstByte | Self::Streams | Self::Scaling => None,
        }
    }

    /// What the table calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Json => "tools/call, answered as JSON",
            Self::Sse => "tools/call, answered as an event",
            Self::List => "tools/list of 200 tools",
            Self::Page => "tools/call, answered with as many bytes as that list has",
            Self::FirstByte => "first byte over one idle connection",
            Self::Streams => "open streams",
            Self::Scaling => "growth",
        }
    }
}

/// Rounds by load and row.
type Rounds = BTreeMap<(Load, Row), Vec<Round>>;
/// A row that runs, and what it stands on.
type Running<'a> = (Row, &'a Ground, Serving);

impl GatewayBench {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let loads = chosen(&self.loads, &Load::ALL);
        let rows = chosen(&self.rows, &Row::ALL);
        let mut findings = Findings::default();
        let program = self.program.clone().unwrap_or_else(|| built("vestibule"));
        let ground = prepared(Ground::lay(Size::default(), program.clone())?)?;
        let other = match &self.before {
            Some(program) => Some(prepared(Ground::lay(Size::default(), program.clone())?)?),
            None => None,
        };
        let mut running: Vec<Running<'_>> = rows
            .iter()
            .map(|row| Ok((*row, &ground, row.start(&ground)?)))
            .collect::<anyhow::Result<_>>()?;
        if let Some(other) = &other {
            running.push((Row::Before, other, Row::Before.start(other)?));
        }
        idle(&running, &mut findings)?;
        let rounds = self.rounds(&running, &loads)?;
        findings.add_rounds(&rounds);
        if loads.contains(&Load::FirstByte) {
            self.first_byte(&running, &mut findings)?;
        }
        drop(running);
        if loads.contains(&Load::Streams) {
            streams::measure(&ground, &rows, self.options.quick, &mut findings)?;
        }
        if loads.contains(&Load::Scaling) {
            drop((ground, other));
            scaling::measure(&program, self.options.quick, &mut findings)?;
        }
        findings.print(self.options.json)
    }

    fn rounds(&self, running: &[Running<'_>], loads: &[Load]) -> anyhow::Result<Rounds> {
        let (count, seconds) = if self.options.quick { (3, 2) } else { (7, 4) };
        let mut rounds = Rounds::new();
        for load in loads {
            let Some(call) = load.call() else { continue };
            for (_, ground, serving) in running {
                load::write_script(ground, call)?;
                // Connections are made, caches are filled, tokens are verified.
                load::round(ground, serving, call, 1)?;
            }
            for _ in 0..count {
                for at in shuffled(running.len()) {
                    let Some((row, ground, serving)) = running.get(at) else {
                        continue;
                    };
                    let round = load::round(ground, serving, call, seconds)?;
                    rounds.entry((*load, *row)).or_default().push(round);
                }
            }
        }
        Ok(rounds)
    }

    fn first_byte(&self, running: &[Running<'_>], findings: &mut Findings) -> anyhow::Result<()> {
        let (count, times) = if self.options.quick {
            (3, "300")
        } else {
            (7, "1000")
        };
        let mut found = BTreeMap::<Row, Vec<f64>>::new();
        for _ in 0..count {
            for at in shuffled(running.len()) {
                let Some((row, ground, serving)) = running.get(at) else {
                    continue;
                };
                let took = load::first_byte(ground, serving.address, times)?;
                found.entry(*row).or_default().push(took);
            }
        }
        let medians: BTreeMap<_, _> = found.iter().map(|(row, times)| (*row, median(times))).collect();
        for (row, took) in &medians {
            findings.figure(Load::FirstByte.title(), row.name(), "µs", *took);
        }
        if let (Some(direct), Some(haproxy), Some(door)) = (
            medians.get(&Row::Direct),
            medians.get(&Row::Haproxy),
            medians.get(&Row::Vestibule),
        ) {
            let text = "first byte: added, × what HAProxy adds";
            findings.target(Target::at_most(text, (door - direct) / (haproxy - direct), 1.3));
        }
        Ok(())
    }
}

/// Memory before anything was asked, but for the bad tokens.
fn idle(running: &[Running<'_>], findings: &mut Findings) -> anyhow::Result<()> {
    std::thread::sleep(std::time::Duration::from_secs(1));
    for (row, _, serving) in running {
        let resident = mebibytes(serving.used()?.resident);
        findings.figure("memory, idle", row.name(), "MiB", resident);
        if *row == Row::Vestibule {
            findings.target(Target::at_most("resident memory, idle, MiB", resident, 30.0));
        }
    }
    Ok(())
}

/// With people who have tokens, and tokens that are bad.
pub(super) fn prepared(ground: Ground) -> anyhow::Result<Ground> {
    ground.issue_bad_tokens()?;
    ground.sign_in()?;
    Ok(ground)
}

fn chosen<T: Copy>(some: &[T], all: &[T]) -> Vec<T> {
    if some.is_empty() {
        all.to_vec()
    } else {
        some.to_vec()
    }
}

/// Numbers up to `count` in an order that is another one each time.
pub(crate) fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let dice = RandomState::new();
    order.sort_by_key(|at| dice.hash_one(at));
    order
}
