//! Which server of a door stands in for a credential: whoever goes through the door holds none.

use crate::finding::Finding;
use crate::rules::Rules;

/// A server behind a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorServer {
    /// Its endpoint at the door.
    pub url: String,
    /// Its name there.
    pub name: String,
    /// The host behind it, if that is known.
    pub upstream: Option<String>,
    /// The recipe that it is set up with, if that is known.
    pub recipe: Option<String>,
}

/// The server that replaces what was found: the one whose upstream an entry asks, else the one with a recipe for the
/// provider, else the one that is called like the provider.
pub fn replaced_by<'a>(
    finding: &Finding,
    rules: &Rules,
    servers: &'a [DoorServer],
) -> Option<&'a DoorServer> {
    let of = |is: &dyn Fn(&DoorServer) -> bool| servers.iter().find(|server| is(server));
    let asks = |server: &DoorServer| server.upstream.is_some() && server.upstream == finding.entry_host;
    if let Some(server) = of(&asks) {
        return Some(server);
    }
    let provider = rules.provider(finding.provider.as_deref()?)?;
    // What the door itself gave out is not replaced by it.
    if provider.id == "vestibule" {
        return None;
    }
    let has_recipe = |server: &DoorServer| {
        let recipe = server.recipe.as_ref();
        recipe.is_some_and(|recipe| provider.presets.contains(recipe))
    };
    let is_called_so = |server: &DoorServer| {
        let mut words = server.name.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| word == provider.id || provider.words.iter().any(|known| known == word))
    };
    of(&has_recipe).or_else(|| of(&is_called_so))
}
