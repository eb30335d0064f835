//! Links by which a person is asked to connect: good for whom they were made for, and for nobody else (MA-62).
//!
//! A link gives nothing: what is connected is always the account of whoever is signed in. It only keeps people from
//! connecting something because somebody else's program asked for it.

use std::time::Duration;

use keys::{Purpose, Sealer};
use model::{AccountId, ServerName, Timestamp};
use thiserror::Error;

/// How long a link is good for.
const GOOD_FOR: Duration = Duration::from_hours(24);

/// Why a link is not taken.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// Altered, or none of ours.
    #[error("this link is none of ours")]
    Altered,
    /// Made for somebody else.
    #[error("this link was made for somebody else")]
    SomebodyElse,
    /// Too old.
    #[error("this link is too old")]
    Old,
}

fn purpose(connector: &ServerName) -> Purpose<'_> {
    Purpose {
        purpose: "connect link",
        owner: connector.as_str(),
    }
}

/// What the link carries.
pub(crate) fn seal(sealer: &Sealer, account: AccountId, connector: &ServerName, now: Timestamp) -> String {
    let until = (now + GOOD_FOR).as_millis();
    sealer.ticket(&purpose(connector), &format!("{account} {until}"))
}

/// Whether it was made for this person, for this, and not too long ago.
pub(crate) fn check(
    sealer: &Sealer,
    ticket: &str,
    account: AccountId,
    connector: &ServerName,
    now: Timestamp,
) -> Result<(), LinkError> {
    let text = sealer
        .open_ticket(&purpose(connector), ticket)
        .map_err(|_| LinkError::Altered)?;
    let (whose, until) = text.split_once(' ').ok_or(LinkError::Altered)?;
    let until: i64 = until.parse().map_err(|_| LinkError::Altered)?;
    if whose != account.to_string() {
        return Err(LinkError::SomebodyElse);
    }
    if Timestamp::from_millis(until) <= now {
        return Err(LinkError::Old);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::{MasterKey, MasterKeys};

    /// MA-62: as another person, for another provider, altered or later: refused.
    #[test]
    fn a_link_is_for_one_person_and_one_provider() {
        let (world, _) = testkit::world();
        let key = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let sealer = Sealer::new(MasterKeys::new(key, Vec::new()), world.clone());
        let (ana, ben) = (world.new_id::<AccountId>(), world.new_id::<AccountId>());
        let (gitea, slack) = ("gitea".parse().unwrap(), "slack".parse().unwrap());
        let now = world.now();
        let ticket = seal(&sealer, ana, &gitea, now);
        assert_eq!(check(&sealer, &ticket, ana, &gitea, now), Ok(()));
        assert_eq!(
            check(&sealer, &ticket, ben, &gitea, now),
            Err(LinkError::SomebodyElse)
        );
        assert_eq!(check(&sealer, &ticket, ana, &slack, now), Err(LinkError::Altered));
        assert_eq!(
            check(&sealer, &ticket[1..], ana, &gitea, now),
            Err(LinkError::Altered)
        );
        let later = now + GOOD_FOR;
        assert_eq!(check(&sealer, &ticket, ana, &gitea, later), Err(LinkError::Old));
    }
}
