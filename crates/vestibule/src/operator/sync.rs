//! `vestibule user sync`: what directories and providers say of people now, without waiting for their next refresh.

use std::sync::Arc;

use audit::Person;
use model::Username;
use net::Tasks;
use people::{Company, Identities, ProviderGrants, Readings, Seen, WaysIn};
use serde_json::{Value, json};

use super::{Answer, Failure, Operator};
use crate::compose::ways_of;

/// Asks about one account, or about everybody whom a directory, or a provider that is asked again, knows.
pub(super) async fn sync(operator: &Operator<'_>, username: Option<Username>) -> Result<Answer, Failure> {
    let only = match &username {
        Some(username) => Some(operator.account(username).await?.id),
        None => None,
    };
    let readings = readings(operator)?;
    let people = operator.usernames().await?;
    let store = &operator.foundation.store;
    let (mut rows, mut silent) = (Vec::new(), None);
    for identity in readings.known(only).await? {
        let username = people.get(&identity.account);
        let person = Person {
            username: username.cloned(),
            ..Person::default()
        };
        let (outcome, why) = match readings.read(&identity, &person).await? {
            Seen::Confirmed => ("confirmed", None),
            Seen::Gone => ("gone", None),
            Seen::NotAMember => ("not a member", None),
            Seen::Silent(why) => ("unknown", Some(why)),
            Seen::Lost => (
                "sign in again",
                Some("the provider refuses what it gave, and an answer of it was lost".to_owned()),
            ),
            // A provider that is not asked again has nothing to say.
            Seen::Unasked => continue,
        };
        if outcome == "unknown" {
            silent = silent.or_else(|| why.clone());
        }
        let provided = store.provided_groups(identity.account).await?;
        let groups = provided
            .iter()
            .filter(|provided| provided.issuer == identity.name.issuer)
            .map(|provided| provided.group.to_string());
        rows.push(json!({
            "user": username,
            "issuer": identity.name.issuer,
            "outcome": outcome,
            "groups": groups.collect::<Vec<_>>(),
            "why": why,
        }));
    }
    operator.record(
        "user sync",
        &username.map_or_else(String::new, |name| name.to_string()),
    );
    let is_unknown = |row: &Value| row["outcome"] == json!("unknown");
    if let Some(why) = silent
        && rows.iter().all(is_unknown)
    {
        return Err(Failure::Unavailable(why));
    }
    let nobody = if only.is_some() {
        "nobody who can be asked about is linked to this account"
    } else {
        "nobody here can be asked about"
    };
    Ok(Answer::list(
        ["user", "issuer", "outcome", "groups", "why"],
        rows,
        nobody,
    ))
}

fn readings(operator: &Operator<'_>) -> Result<Arc<Readings>, Failure> {
    let foundation = operator.foundation;
    let ways = ways_of(operator.loaded, &foundation.environment)
        .map_err(|problems| Failure::Usage(problems.to_string()))?;
    let (ways, store) = (WaysIn::new(ways), &foundation.store);
    let (world, recorder) = (foundation.world.clone(), foundation.recorder.clone());
    let sealer = foundation.sealer.clone();
    let grants = ProviderGrants::new(world.clone(), Arc::clone(store), sealer, Tasks::new());
    let company = Company::new(
        world.clone(),
        Arc::clone(store),
        Identities::for_one_command(world.clone(), store, recorder.clone()),
        recorder,
        (grants, Arc::clone(&ways)),
    );
    Ok(Readings::new(world, Arc::clone(store), company, ways))
}
