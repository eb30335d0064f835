//! What was found, beside what was to be reached.

use std::collections::BTreeMap;

use serde_json::json;

use super::gateway::Load;
use super::load::Round;
use super::proxies::Row;

/// Something to reach.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    what: String,
    found: f64,
    wanted: f64,
    at_most: bool,
}

impl Target {
    /// It shall not be more.
    pub(crate) fn at_most(what: impl Into<String>, found: f64, wanted: f64) -> Self {
        Self {
            what: what.into(),
            found,
            wanted,
            at_most: true,
        }
    }

    /// It shall not be less.
    pub(crate) fn at_least(what: impl Into<String>, found: f64, wanted: f64) -> Self {
        Self {
            at_most: false,
            ..Self::at_most(what, found, wanted)
        }
    }

    fn is_met(&self) -> bool {
        if self.at_most {
            self.found <= self.wanted
        } else {
            self.found >= self.wanted
        }
    }
}

/// A number of one row.
#[derive(Clone, Debug)]
struct Figure {
    title: String,
    row: String,
    unit: &'static str,
    value: f64,
}

/// Everything that a run found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    rounds: BTreeMap<(Load, Row), Round>,
    figures: Vec<Figure>,
    targets: Vec<Target>,
}

impl Findings {
    /// Adds a number.
    pub(crate) fn figure(
        &mut self,
        title: impl Into<String>,
        row: impl Into<String>,
        unit: &'static str,
        value: f64,
    ) {
        self.figures.push(Figure {
            title: title.into(),
            row: row.into(),
            unit,
            value,
        });
    }

    /// Adds something that was to be reached.
    pub(crate) fn target(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// Adds the medians of rounds, and judges them.
    pub(crate) fn add_rounds(&mut self, rounds: &BTreeMap<(Load, Row), Vec<Round>>) {
        self.rounds = rounds
            .iter()
            .map(|(key, rounds)| (*key, middle(rounds)))
            .collect();
        let of = |load, row| self.rounds.get(&(load, row)).copied();
        let mut targets = Vec::new();
        let mut ratio =
            |load: Load, row: Row, other: Option<Round>, make: &dyn Fn(Round, Round) -> Target| {
                if let (Some(door), Some(other)) = (of(load, row), other) {
                    targets.push(make(door, other));
                }
            };
        let (json, door) = (Load::Json, Row::Vestibule);
        let (hyper, jwt, haproxy) = (
            of(json, Row::Hyper),
            of(json, Row::HaproxyJwt),
            of(json, Row::Haproxy),
        );
        ratio(json, door, hyper, &|a, b| {
            Target::at_most("CPU per call, × bare hyper", a.cpu / b.cpu, 1.35)
        });
        ratio(json, door, jwt, &|a, b| {
            Target::at_most("CPU per call, × HAProxy jwt_verify", a.cpu / b.cpu, 0.22)
        });
        ratio(json, door, jwt, &|a, b| {
            Target::at_least(
                "calls per second, × HAProxy jwt_verify",
                a.per_second / b.per_second,
                4.5,
            )
        });
        ratio(json, door, haproxy, &|a, b| {
            Target::at_most("p99, × HAProxy", a.p99 / b.p99, 1.5)
        });
        ratio(json, door, of(json, door), &|a, _| {
            Target::at_most("resident memory under that load, MiB", a.resident, 60.0)
        });
        ratio(Load::Sse, door, of(Load::Sse, Row::Haproxy), &|a, b| {
            Target::at_most("CPU per event, × HAProxy", a.cpu / b.cpu, 1.2)
        });
        ratio(Load::List, door, of(Load::Page, door), &|a, b| {
            Target::at_most(
                "CPU of a filtered list, × passing as many bytes",
                a.cpu / b.cpu,
                2.0,
            )
        });
        self.targets.extend(targets);
    }

    /// Prints all of it. What was not reached is printed like everything else.
    pub(crate) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            anstream::println!("{}", serde_json::to_string_pretty(&self.json())?);
            return Ok(());
        }
        for load in self.loads() {
            anstream::println!("\n### {}\n", load.title());
            anstream::println!(
                "| row | CPU µs/request | × bare hyper | requests/s | p50 µs | p99 µs | MiB |"
            );
            anstream::println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
            let yardstick = self.rounds.get(&(load, Row::Hyper)).map(|round| round.cpu);
            for ((_, row), round) in self.rounds.iter().filter(|((of, _), _)| *of == load) {
                let ratio = yardstick.map_or_else(|| "–".to_owned(), |cpu| format!("{:.2}", round.cpu / cpu));
                anstream::println!(
                    "| {} | {:.1} | {ratio} | {:.0} | {:.0} | {:.0} | {:.1} |",
                    row.name(),
                    round.cpu,
                    round.per_second,
                    round.p50,
                    round.p99,
                    round.resident
                );
            }
        }
        let mut title = "";
        for figure in &self.figures {
            if figure.title != title {
                title = &figure.title;
                anstream::println!("\n### {title}\n\n| row | |\n| --- | ---: |");
            }
            anstream::println!("| {} | {:.1} {} |", figure.row, figure.value, figure.unit);
        }
        if self.targets.is_empty() {
            return Ok(());
        }
        anstream::println!("\n### Targets\n\n| | found | target | |\n| --- | ---: | ---: | --- |");
        for target in &self.targets {
            let sign = if target.at_most { "≤" } else { "≥" };
            let verdict = if target.is_met() { "met" } else { "**not met**" };
            anstream::println!(
                "| {} | {:.2} | {sign} {} | {verdict} |",
                target.what,
                target.found,
                target.wanted
            );
        }
        Ok(())
    }

    fn loads(&self) -> Vec<Load> {
        let mut loads: Vec<_> = self.rounds.keys().map(|(load, _)| *load).collect();
        loads.dedup();
        loads
    }

    fn json(&self) -> serde_json::Value {
        let rounds = self.rounds.iter().map(|((load, row), round)| {
            json!({
                "load": load.title(), "row": row.name(), "cpu_microseconds": round.cpu,
                "per_second": round.per_second, "p50_microseconds": round.p50,
                "p99_microseconds": round.p99, "resident_mebibytes": round.resident,
            })
        });
        let figures = self.figures.iter().map(|figure| {
            json!({ "title": figure.title, "row": figure.row, "unit": figure.unit, "value": figure.value })
        });
        let targets = self.targets.iter().map(|target| {
            json!({
                "what": target.what, "found": target.found, "wanted": target.wanted,
                "at_most": target.at_most, "met": target.is_met(),
            })
        });
        json!({
            "rounds": rounds.collect::<Vec<_>>(),
            "figures": figures.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
        })
    }
}

/// The median of each number.
pub(crate) fn middle(rounds: &[Round]) -> Round {
    let of = |number: fn(&Round) -> f64| median(&rounds.iter().map(number).collect::<Vec<_>>());
    Round {
        cpu: of(|round| round.cpu),
        per_second: of(|round| round.per_second),
        p50: of(|round| round.p50),
        p99: of(|round| round.p99),
        resident: of(|round| round.resident),
    }
}

/// The median; nothing of nothing.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_number() {
        assert!(Target::at_most("", 1.35, 1.35).is_met() && !Target::at_most("", 1.36, 1.35).is_met());
        assert!(Target::at_least("", 4.5, 4.5).is_met() && !Target::at_least("", 4.4, 4.5).is_met());
        assert!(median(&[3.0, 1.0, 2.0]) < 2.5 && median(&[]).is_nan());
    }
}
