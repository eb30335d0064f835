//! The servers of doors that may stand in for a credential: those that somebody names, those that they are signed in to, and
//! those of the configuration file.

use scan::DoorServer;
use url::Url;

use crate::config::file::Loaded;
use crate::operator::Failure;

use super::super::person::Whose;

/// All of them, each once; what is known best comes first.
pub fn known(named: &[String], loaded: Option<&Loaded>, whose: &Whose) -> anyhow::Result<Vec<DoorServer>> {
    let mut servers = Vec::new();
    for text in named {
        let url = client::server_url(text).map_err(|error| Failure::Usage(error.to_string()))?;
        let server = of_url(&url).ok_or_else(|| {
            Failure::Usage(format!(
                "{url} is no server of a door; name one as https://mcp.example.com/mcp/gitea"
            ))
        })?;
        add(&mut servers, server);
    }
    if let Some(loaded) = loaded {
        let public = loaded.config.public_url.as_ref();
        for (name, server) in public.into_iter().flat_map(|_| &loaded.config.servers) {
            let url = public.map(|public| format!("{}/mcp/{name}", public.as_str()));
            add(
                &mut servers,
                DoorServer {
                    url: url.unwrap_or_default(),
                    name: name.to_string(),
                    upstream: server.upstream.host_str().map(str::to_owned),
                    recipe: server.credential.recipe.clone(),
                },
            );
        }
    }
    // Who never signed in has no home, and who cannot read theirs can scan all the same.
    for url in whose.signed_in() {
        if let Some(server) = of_url(&url) {
            add(&mut servers, server);
        }
    }
    Ok(servers)
}

fn add(servers: &mut Vec<DoorServer>, server: DoorServer) {
    match servers.iter_mut().find(|known| known.url == server.url) {
        Some(known) => {
            known.upstream = known.upstream.take().or(server.upstream);
            known.recipe = known.recipe.take().or(server.recipe);
        }
        None => servers.push(server),
    }
}

/// A door's endpoint is `…/mcp/NAME`.
fn of_url(url: &Url) -> Option<DoorServer> {
    let name = url.path().strip_prefix("/mcp/")?.trim_end_matches('/');
    let is_name = !name.is_empty() && !name.contains('/');
    is_name.then(|| DoorServer {
        url: url.as_str().trim_end_matches('/').to_owned(),
        name: name.to_owned(),
        upstream: None,
        recipe: None,
    })
}
