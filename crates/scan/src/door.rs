//! Which server of a door stands in for a credential: whoever goes through the door holds none.

use model::ExposeSecret;

use crate::entry::endpoint;
use crate::finding::Finding;
use crate::rules::Rules;

/// The rule of what a door gives to programs that cannot sign in.
const SERVICE_TOKEN: &str = "vestibule-service-token";
/// The rule of what an entry shows its server, whatever it is.
const SHOWN: &str = "authorization-header";

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
/// provider, else the one that is called like the provider. What an entry shows to the door already is replaced by the server that it asks: who signs in there needs nothing
/// that lasts, be it a service token or one of the time before that the door still takes.
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
    let asked = finding.entry_endpoint.as_ref().map(ExposeSecret::expose_secret);
    // No other: a client's secret is not what one signs in with.
    let asked = asked.filter(|_| [SERVICE_TOKEN, SHOWN].contains(&finding.rule.as_str()));
    let is_asked = |server: &DoorServer| asked.is_some() && endpoint(&server.url).as_deref() == asked;
    if let Some(server) = of(&is_asked) {
        return Some(server);
    }
    let provider = rules.provider(finding.provider.as_deref()?)?;
    // What a door gave out is replaced by that door alone.
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
