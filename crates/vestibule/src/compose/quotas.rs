//! From the quotas of the configuration to those of a server.

use std::collections::BTreeMap;

use gateway::{Counted, Quota};
use model::ServerName;
use model::bucket::Rate;

use super::Problems;
use crate::config;

/// Those that have something to say of a server.
pub(super) fn of(server: &ServerName, quotas: &BTreeMap<String, config::Quota>) -> Vec<Quota> {
    let concerned = quotas
        .iter()
        .filter(|(_, quota)| quota.servers.is_empty() || quota.servers.contains(server));
    concerned.map(|(name, quota)| one(name, quota)).collect()
}

fn one(name: &str, quota: &config::Quota) -> Quota {
    Quota {
        name: name.to_owned(),
        per: quota.per.iter().map(|counted| self::counted(*counted)).collect(),
        groups: quota.groups.clone(),
        tools: quota.tools.clone(),
        rate: quota.rate.map(|rate| {
            let usual = Rate::per(rate.count, rate.span);
            Rate {
                burst: quota.burst.map_or(usual.burst, Into::into),
                ..usual
            }
        }),
        calls: quota.calls.map(Into::into),
        streams: quota.streams.map(Into::into),
    }
}

fn counted(counted: config::Counted) -> Counted {
    match counted {
        config::Counted::Person => Counted::Person,
        config::Counted::Client => Counted::Client,
        config::Counted::Server => Counted::Server,
        config::Counted::Tool => Counted::Tool,
        config::Counted::Network => Counted::Network,
    }
}

/// What is wrong with them.
pub(super) fn check(config: &config::Config, problems: &mut Problems) {
    for (name, quota) in &config.quotas {
        let key = format!("quotas.{name}");
        if quota.rate.is_none() && quota.calls.is_none() && quota.streams.is_none() {
            problems.add(
                key.as_str(),
                "limits nothing; give it `rate`, `calls` or `streams`",
            );
        }
        if quota.burst.is_some() && quota.rate.is_none() {
            problems.add(format!("{key}.burst"), "says nothing without `rate`");
        }
        if quota.streams.is_some() && !quota.tools.is_empty() {
            problems.add(
                format!("{key}.streams"),
                "no stream belongs to a tool; leave `tools` out, or this",
            );
        }
        for server in quota
            .servers
            .iter()
            .filter(|server| !config.servers.contains_key(*server))
        {
            problems.add(format!("{key}.servers"), format!("there is no server {server}"));
        }
    }
}
