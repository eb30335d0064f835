//! How cost grows: the same 64 hot tokens with few and many servers, accounts and rules.

use std::path::Path;

use super::gateway::{Load, shuffled};
use super::ground::{Ground, Size};
use super::load::{self, Round};
use super::machine::Serving;
use super::table::{Findings, Target, middle};

/// What grows, and to what.
fn sizes() -> [(&'static str, Size); 4] {
    let small = Size::default();
    [
        ("64 accounts, 10 servers, 10 rules", small.clone()),
        (
            "10,000 servers",
            Size {
                servers: 10_000,
                ..small.clone()
            },
        ),
        (
            "100,000 accounts with live grants",
            Size {
                accounts: 100_000,
                ..small.clone()
            },
        ),
        (
            "2,000 rules",
            Size {
                rules: 2_000,
                ..small
            },
        ),
    ]
}

/// Measures them in turns.
pub(crate) fn measure(program: &Path, quick: bool, findings: &mut Findings) -> anyhow::Result<()> {
    let (count, seconds) = if quick { (3, 2) } else { (7, 3) };
    let call = Load::Json.call().unwrap_or_default();
    let mut doors: Vec<(&str, Ground, Serving, Vec<Round>)> = Vec::new();
    for (name, size) in sizes() {
        let ground = Ground::lay(size, program.to_owned())?;
        ground.sign_in()?;
        load::write_script(&ground, call)?;
        let serving = ground.open()?;
        load::round(&ground, &serving, call, 1)?;
        doors.push((name, ground, serving, Vec::new()));
    }
    for _ in 0..count {
        for at in shuffled(doors.len()) {
            if let Some((_, ground, serving, rounds)) = doors.get_mut(at) {
                rounds.push(load::round(ground, serving, call, seconds)?);
            }
        }
    }
    let found: Vec<_> = doors
        .iter()
        .map(|(name, .., rounds)| (*name, middle(rounds).cpu))
        .collect();
    for (name, cpu) in &found {
        findings.figure(Load::Scaling.title(), *name, "µs CPU per call", *cpu);
    }
    if let Some(((_, small), grown)) = found.split_first() {
        for (name, cpu) in grown {
            findings.target(Target::at_most(
                format!("CPU per call with {name}, × small"),
                cpu / small,
                1.1,
            ));
        }
    }
    Ok(())
}
