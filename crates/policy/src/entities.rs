//! People, programs, tools and circumstances as Cedar sees them.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use jiff::tz::TimeZone;
use model::ServerName;

use crate::principal::{Act, Annotations, Circumstances, Kind, Principal};
use crate::request::is_read_only;
use crate::scope::{ServerScope, expanded};

/// A value that Cedar does not take; none of ours is such.
pub(crate) type NotRepresentable = Box<dyn std::error::Error + Send + Sync>;

/// The id of an entity.
pub(crate) fn uid(kind: &'static str, id: &str) -> EntityUid {
    #[expect(clippy::expect_used, reason = "one of the schema's own type names")]
    let name: EntityTypeName = kind.parse().expect("a type of the schema");
    EntityUid::from_type_name_and_id(name, EntityId::new(id))
}

/// The action that an act is an instance of.
pub(crate) fn action(act: Act<'_>) -> EntityUid {
    let name = match act {
        Act::Other(_) => "other",
        act => act.method(),
    };
    uid("Action", name)
}

/// What an act is aimed at.
pub(crate) fn resource(server: &ServerName, act: Act<'_>) -> EntityUid {
    let id = format!("{server}/{}", act.name());
    match act.kind() {
        Kind::Server => uid("Server", server.as_str()),
        Kind::Tool => uid("Tool", &id),
        Kind::Prompt => uid("Prompt", &id),
        Kind::Resource => uid("Resource", &id),
        Kind::Request => uid("Request", &id),
    }
}

/// What an act is aimed at, with everything that is known of it, beside the actions in `base`. A request to an API `fits`
/// these patterns.
pub(crate) fn with_resource(
    base: &Entities,
    server: &ServerName,
    act: Act<'_>,
    annotations: Annotations,
    fits: &BTreeSet<&str>,
) -> Result<Entities, NotRepresentable> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let owner = uid("Server", server.as_str());
    let named = HashMap::from([("name".to_owned(), text(server.as_str()))]);
    let mut all = vec![Entity::new(owner.clone(), named, HashSet::new())?];
    let truth = RestrictedExpression::new_bool;
    let attributes = match act.kind() {
        Kind::Server => None,
        Kind::Prompt => Some(vec![("name", text(act.name()))]),
        Kind::Resource => Some(vec![("uri", text(act.name()))]),
        Kind::Request => {
            let (method, path) = act.name().split_once(' ').unwrap_or_default();
            Some(vec![
                ("method", text(method)),
                ("path", text(path)),
                ("read_only", truth(is_read_only(method))),
                (
                    "fits",
                    RestrictedExpression::new_set(fits.iter().map(|pattern| text(pattern))),
                ),
            ])
        }
        Kind::Tool => Some(vec![
            ("name", text(act.name())),
            ("read_only", truth(annotations.read_only)),
            ("destructive", truth(annotations.destructive)),
            ("idempotent", truth(annotations.idempotent)),
            ("open_world", truth(annotations.open_world)),
        ]),
    };
    if let Some(attributes) = attributes {
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        all.push(Entity::new(
            resource(server, act),
            attributes.collect(),
            HashSet::from([owner]),
        )?);
    }
    Ok(base.clone().add_entities(all, None)?)
}

/// A person with their groups and the program that acts for them, which has what its scopes stand for (MA-33).
pub(crate) fn person(principal: Principal<'_>, scopes: &[ServerScope]) -> Result<Entity, NotRepresentable> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let client = match principal.client {
        None => RestrictedExpression::new_unknown("the client"),
        Some(client) => {
            let granted = expanded(scopes, client.scope);
            let scopes = granted.into_iter().map(text);
            let members = [
                ("id", text(client.id)),
                ("host", text(client.host)),
                ("scopes", RestrictedExpression::new_set(scopes)),
            ];
            let members = members.map(|(name, value)| (name.to_owned(), value));
            RestrictedExpression::new_record(members)?
        }
    };
    let attributes = HashMap::from([
        ("username".to_owned(), text(principal.username.as_str())),
        ("client".to_owned(), client),
    ]);
    let groups = principal.groups.iter().map(|group| uid("Group", group.as_str()));
    Ok(Entity::new(
        uid("Person", principal.username.as_str()),
        attributes,
        groups.collect(),
    )?)
}

/// The circumstances, with the arguments that are read and a clock in each of these zones.
pub(crate) fn context(
    circumstances: &Circumstances<'_>,
    arguments: RestrictedExpression,
    zones: &[(String, TimeZone)],
) -> Result<Context, NotRepresentable> {
    let now = jiff::Timestamp::from_millisecond(circumstances.now.as_millis())?;
    let clocks = zones.iter().map(|(name, zone)| {
        let there = now.to_zoned(zone.clone());
        let minute = i64::from(there.hour()) * 60 + i64::from(there.minute());
        let weekday = i64::from(there.weekday().to_monday_one_offset());
        let members = [("weekday", weekday), ("minute", minute)];
        let members = members.map(|(name, value)| (name.to_owned(), RestrictedExpression::new_long(value)));
        Ok((name.clone(), RestrictedExpression::new_record(members)?))
    });
    let clocks: Vec<_> = clocks.collect::<Result<_, NotRepresentable>>()?;
    let ago = i64::try_from(circumstances.authenticated_ago.as_secs()).unwrap_or(i64::MAX);
    let address = circumstances.address.to_canonical();
    let members = [
        ("arguments", arguments),
        ("address", RestrictedExpression::new_ip(address.to_string())),
        (
            "time",
            RestrictedExpression::new_datetime(now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()),
        ),
        ("clock", RestrictedExpression::new_record(clocks)?),
        ("authenticated_ago", RestrictedExpression::new_long(ago)),
        (
            "assurance",
            RestrictedExpression::new_long(circumstances.assurance.rank()),
        ),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Ok(Context::from_pairs(members)?)
}
