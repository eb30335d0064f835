//! How much somebody may do: so many requests in a time, so many at once, so many open streams.
//!
//! What is counted apart is a combination of person, client, server, tool and network, as the operator likes. A
//! bucket is one number that is changed without a lock ([`model::bucket`]); it is found by a hash with a random
//! seed, so nobody can aim at the bucket of somebody else. What is refused takes nothing.

use std::hash::{BuildHasher as _, Hash as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::GroupName;
use model::bucket::Rate;
use papaya::HashMap;
use policy::Act;
use policy::pattern::fits;
use protocol::mcp::list::List;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::authorize::About;
use crate::message::Element;
use crate::refusal::Refusal;

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Each person.
    Person,
    /// Each client.
    Client,
    /// Each server.
    Server,
    /// Each tool. Tools that the server never listed are counted as one.
    Tool,
    /// Each address; of IPv6, each /64, which is what one household or machine has.
    Network,
}

/// A rule of how much, for one server.
#[derive(Clone, Debug)]
pub struct Quota {
    /// What the operator calls it; its buckets live on under this name when the configuration changes.
    pub name: String,
    /// What is counted apart; everything together if empty.
    pub per: Vec<Counted>,
    /// Only people of these groups; all if empty.
    pub groups: Vec<GroupName>,
    /// Only calls of tools of these names, in which `*` stands for any text; every request if empty.
    pub tools: Vec<String>,
    /// How many requests, and how fast.
    pub rate: Option<Rate>,
    /// How many requests at once.
    pub calls: Option<u32>,
    /// How many listening streams at once.
    pub streams: Option<u32>,
}

/// What was used of all quotas.
#[derive(Debug)]
pub(crate) struct Quotas {
    meters: HashMap<u128, Arc<Meter>, foldhash::fast::RandomState>,
    /// Makes keys that nobody can foresee.
    hasher: SipHasher13,
}

impl Default for Quotas {
    fn default() -> Self {
        // Where std has its seeds from.
        let [first, second] = [0_u8; 2].map(|byte| RandomState::new().hash_one(byte));
        Self {
            meters: HashMap::default(),
            hasher: SipHasher13::new_with_keys(first, second),
        }
    }
}

/// What was used of one.
#[derive(Debug, Default)]
struct Meter {
    /// When its bucket will be full again, in nanoseconds of [`model::World::elapsed`].
    full_at: AtomicU64,
    /// Calls under way in the lower half, open streams in the upper one; [`SWEPT`] when it was forgotten.
    under_way: AtomicU64,
}

/// Nobody may begin on a meter that was forgotten.
const SWEPT: u64 = u64::MAX;

/// Something that is under way and counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    meter: Arc<Meter>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Stream,
}

impl Kind {
    fn one(self) -> u64 {
        match self {
            Self::Call => 1,
            Self::Stream => 1 << 32,
        }
    }

    fn of(self, under_way: u64) -> u64 {
        match self {
            Self::Call => under_way & u64::from(u32::MAX),
            Self::Stream => under_way >> 32,
        }
    }
}

impl Meter {
    /// Whether nothing is lost when it is forgotten; if so, nobody can begin on it any more.
    fn sweeps(&self, now: Duration) -> bool {
        let swept = |meter: &Self| {
            let outcome = meter
                .under_way
                .compare_exchange(0, SWEPT, Ordering::AcqRel, Ordering::Acquire);
            outcome.is_ok()
        };
        self.full_at.load(Ordering::Acquire) <= nanos(now) && swept(self)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meter.under_way.fetch_sub(self.kind.one(), Ordering::AcqRel);
    }
}

/// What one request takes of quotas.
pub(crate) struct Taking<'a> {
    pub(crate) quotas: &'a Quotas,
    /// Of the clock that only goes forward.
    pub(crate) now: Duration,
    /// What is under way when all of it was allowed.
    pub(crate) held: Vec<Held>,
}

impl Taking<'_> {
    /// Takes what a message needs. Notifications and answers need nothing; a call that forgot its id is one.
    pub(crate) fn message(
        &mut self,
        about: &About<'_>,
        element: &Element,
        listens: bool,
    ) -> Result<(), Refusal> {
        if element.waiting.is_none() && element.asked.is_empty() && element.task.is_none() {
            return Ok(());
        }
        let tool = element.asked.iter().find_map(|asked| match asked.act() {
            Act::CallTool(name) => Some(name),
            _ => None,
        });
        self.take(about, tool, if listens { Kind::Stream } else { Kind::Call })
    }

    /// Takes what a listening stream needs.
    pub(crate) fn stream(&mut self, about: &About<'_>) -> Result<(), Refusal> {
        self.take(about, None, Kind::Stream)
    }

    /// Takes what a request to a plain HTTP API needs.
    pub(crate) fn request(&mut self, about: &About<'_>) -> Result<(), Refusal> {
        self.take(about, None, Kind::Call)
    }

    fn take(&mut self, about: &About<'_>, tool: Option<&str>, kind: Kind) -> Result<(), Refusal> {
        let concerned = about
            .route
            .quotas
            .iter()
            .filter(|quota| quota.concerns(about, tool));
        let concerned = concerned.map(|quota| (quota, self.quotas.key(about, quota, tool)));
        let concerned: Vec<_> = concerned.collect();
        // First it is asked of all, then taken of all, so that what one refuses costs nothing elsewhere. Of two
        // requests at the same moment the later one may still find a bucket empty that it saw full.
        for takes in [false, true] {
            for (quota, key) in &concerned {
                self.one(quota, *key, kind, takes)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, quota: &Quota, key: u128, kind: Kind, takes: bool) -> Result<(), Refusal> {
        let most = match kind {
            Kind::Call => quota.calls,
            Kind::Stream => quota.streams,
        };
        if most.is_none() && quota.rate.is_none() {
            return Ok(());
        }
        let full = |wait| Refusal::Quota {
            quota: quota.name.clone(),
            wait,
        };
        loop {
            let meter = self.quotas.meter(key);
            let before = meter.under_way.load(Ordering::Acquire);
            if before == SWEPT {
                // Swept away at this moment: its successor counts.
                let _ = self
                    .quotas
                    .meters
                    .pin()
                    .remove_if(&key, |_, known| Arc::ptr_eq(known, &meter));
                continue;
            }
            if most.is_some_and(|most| kind.of(before) >= u64::from(most)) {
                return Err(full(None));
            }
            if takes && most.is_some() {
                let after = before + kind.one();
                let taken =
                    meter
                        .under_way
                        .compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire);
                if taken.is_err() {
                    continue;
                }
                let meter = Arc::clone(&meter);
                self.held.push(Held { meter, kind });
            }
            return match quota.rate {
                Some(rate) => self.rate(&meter, rate, takes).map_err(|wait| full(Some(wait))),
                None => Ok(()),
            };
        }
    }

    fn rate(&self, meter: &Meter, rate: Rate, takes: bool) -> Result<(), Duration> {
        let mut before = meter.full_at.load(Ordering::Acquire);
        loop {
            let next = rate.take(Duration::from_nanos(before), self.now)?;
            if !takes {
                return Ok(());
            }
            match meter.full_at.compare_exchange_weak(
                before,
                nanos(next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => before = now,
            }
        }
    }
}

impl Quota {
    /// Whether it has anything to say of this.
    fn concerns(&self, about: &About<'_>, tool: Option<&str>) -> bool {
        let groups = &about.caller.account.groups;
        let person = self.groups.is_empty() || self.groups.iter().any(|group| groups.contains(group));
        let named = |tool: &str| self.tools.iter().any(|pattern| fits(pattern, tool));
        person && (self.tools.is_empty() || tool.is_some_and(named))
    }
}

impl Quotas {
    /// The number of the meter that counts this.
    fn key(&self, about: &About<'_>, quota: &Quota, tool: Option<&str>) -> u128 {
        let mut hasher = self.hasher;
        quota.name.hash(&mut hasher);
        for counted in &quota.per {
            match counted {
                Counted::Person => about.caller.account.id.hash(&mut hasher),
                Counted::Client => about.caller.proof.client().hash(&mut hasher),
                Counted::Server => about.route.name().hash(&mut hasher),
                Counted::Tool => known_tool(about, tool).hash(&mut hasher),
                Counted::Network => network(about.address).hash(&mut hasher),
            }
        }
        hasher.finish128().as_u128()
    }

    fn meter(&self, key: u128) -> Arc<Meter> {
        Arc::clone(self.meters.pin().get_or_insert_with(key, Arc::default))
    }

    /// Forgets meters that say nothing: their buckets are full and nothing is under way.
    pub(crate) fn sweep(&self, now: Duration) {
        self.meters.pin().retain(|_, meter| !meter.sweeps(now));
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Somebody could invent names without end; those of no tool are one.
fn known_tool<'a>(about: &About<'_>, tool: Option<&'a str>) -> &'a str {
    let name = tool.unwrap_or_default();
    let known = about.catalogue.find(about.route.shelf(), List::Tools, name);
    known.map_or("", |_| name)
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or_else(
            || Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
            Into::into,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_one_machine_has() {
        let network = |text: &str| super::network(text.parse().unwrap()).to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_meter_that_is_in_use_is_not_swept() {
        let quotas = Quotas::default();
        let meter = quotas.meter(1);
        meter.under_way.fetch_add(Kind::Call.one(), Ordering::AcqRel);
        let held = Held {
            meter,
            kind: Kind::Call,
        };
        quotas.sweep(Duration::from_secs(1));
        assert_eq!(quotas.meters.pin().len(), 1);
        drop(held);
        quotas
            .meter(2)
            .full_at
            .store(nanos(Duration::from_secs(9)), Ordering::Release);
        quotas.sweep(Duration::from_secs(1));
        assert_eq!(quotas.meters.pin().len(), 1, "a bucket that is not full stays");
        quotas.sweep(Duration::from_secs(9));
        assert!(quotas.meters.pin().is_empty());
    }
}
