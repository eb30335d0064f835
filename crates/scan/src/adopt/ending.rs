//! Which credentials nobody needs any more after a change, and what their providers are asked so that they end.

use std::collections::BTreeMap;

use model::Timestamp;

use super::{Change, Plan, hits};
use crate::finding::{Finding, Place};
use crate::place;
use crate::reading::values;
use crate::revocation::{Api, NotAsked, Request};
use crate::rules::Rules;
use crate::scan::Report;

/// A credential of entries that are replaced.
#[derive(Debug)]
pub struct Ending {
    /// The credential, as the findings number it.
    pub credential: usize,
    /// What is asked, or why nobody is.
    pub way: Result<Request, NotAsked>,
}

/// Whether the plan replaces the entry that this lies in.
pub fn is_replaced(finding: &Finding, plan: &Plan) -> bool {
    let Place::File(path) = &finding.place else {
        return false;
    };
    let of = |change: &Change| change.path == *path && change.replaces(&finding.entry_path);
    plan.changes.iter().any(of)
}

/// The credentials of the entries that the plan replaces, each once. One that something else holds as well is not ended.
pub fn endings(plan: &Plan, report: &Report, rules: &Rules, now: Timestamp) -> Vec<Ending> {
    let mut all = BTreeMap::<usize, (Vec<&Finding>, Option<&Finding>)>::new();
    for finding in &report.findings {
        let (replaced, others) = all.entry(finding.credential).or_default();
        if is_replaced(finding, plan) {
            replaced.push(finding);
        } else {
            others.get_or_insert(finding);
        }
    }
    let of = |(credential, (replaced, other)): (usize, (Vec<&Finding>, Option<&Finding>))| {
        let way = match (replaced.is_empty(), other) {
            (true, _) => return None,
            (false, None) if report.allowed_elsewhere.contains(&credential) => {
                request(&replaced, plan, rules, now).and(Err(NotAsked::Allowed))
            }
            (false, None) => request(&replaced, plan, rules, now),
            (false, Some(other)) => {
                let place = format!("{}:{}", other.shown, other.line);
                request(&replaced, plan, rules, now).and(Err(NotAsked::StillIn(place)))
            }
        };
        Some(Ending { credential, way })
    };
    all.into_iter().filter_map(of).collect()
}

/// What is asked about one credential that lies in these places.
fn request(places: &[&Finding], plan: &Plan, rules: &Rules, now: Timestamp) -> Result<Request, NotAsked> {
    let mut asked: Option<(Api, Request)> = None;
    for finding in places {
        let provider = finding.provider.as_deref().and_then(|id| rules.provider(id));
        let way = provider.and_then(|provider| provider.revocation.as_ref());
        let way = way.filter(|way| way.rules.contains(&finding.rule));
        let way = way.ok_or(NotAsked::NoWay)?;
        let is_its = |change: &&Change| Place::File(change.path.clone()) == finding.place;
        let change = plan.changes.iter().find(is_its).ok_or(NotAsked::NoWay)?;
        // What the plan was made from, which is what was there if the change could be made.
        let (text, form) = (change.before(), place::kind(&change.path).form);
        let hit = hits(text, form, rules, now)
            .into_iter()
            .find(|hit| hit.range.start == finding.at && hit.rule == finding.rule)
            .ok_or(NotAsked::NoWay)?;
        let api = way.api(&finding.entry_path, &values(text, form))?;
        match &asked {
            Some((known, _)) if *known != api => return Err(NotAsked::Several),
            Some(_) => {}
            None => {
                let request = Request::new(way.protocol, api.clone(), hit.secret);
                asked = Some((api, request));
            }
        }
    }
    asked.map(|(_, request)| request).ok_or(NotAsked::NoWay)
}
