//! The data directory, the master key and the certificates: there, readable, and nobody else's.

use std::path::Path;

use keys::{MasterKey, MasterKeyId, Sealed};
use model::{Timestamp, World};
use net::tls::{CertificateTrouble, Certificates, examine};

use super::Findings;
use crate::config::environment::{Environment, MASTER_KEY};
use crate::config::file::Loaded;
use crate::{master_key, private_file, system};

/// A certificate that runs out so soon is worth a word, in seconds.
const SOON: u64 = 14 * 24 * 3600;

/// Changes nothing: whoever checks may be somebody else than who serves.
pub(super) fn data_dir(loaded: &Loaded, findings: &mut Findings) {
    let path = loaded.data_dir();
    let shown = path.display();
    if !path.exists() {
        let above = path.ancestors().skip(1).find(|folder| folder.exists());
        let above = above
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        return match system::can_write(above) {
            Ok(()) => findings.good("data_dir", format_args!("{shown} will be made")),
            Err(error) => findings.problem("data_dir", format_args!("{shown} cannot be made: {error}")),
        };
    }
    if let Err(error) = system::can_write(&path) {
        return findings.problem("data_dir", format_args!("{shown} cannot be written to: {error}"));
    }
    if system::is_open_folder(&path) {
        return findings.problem(
            "data_dir",
            format_args!("everybody on this machine can look into {shown}; `chmod 700 {shown}`"),
        );
    }
    findings.good(
        "data_dir",
        format_args!("{shown} can be written to, by its owner alone"),
    );
}

/// Whether the master keys can be used, and are those that the database was sealed under; `sealed` is what it
/// holds, if it could be read.
pub(super) async fn master_keys(
    loaded: &Loaded,
    environment: &Environment,
    sealed: Option<Vec<Sealed>>,
    findings: &mut Findings,
) {
    let Some(keys) = usable(loaded, environment, sealed.as_ref(), findings).await else {
        return;
    };
    let known: Vec<MasterKeyId> = keys.iter().map(MasterKey::id).collect();
    let stranger = sealed
        .into_iter()
        .flatten()
        .filter_map(|sealed| sealed.master())
        .find(|id| !known.contains(id));
    if let Some(id) = stranger {
        findings.problem(
            "master key",
            format_args!("the signing keys in the database are sealed under {id}, which is none of these; put its file into `older_master_key_files`, or what prints it into `older_master_key_commands`, or run `vestibule key reset`, which ends every token"),
        );
    }
}

async fn usable(
    loaded: &Loaded,
    environment: &Environment,
    sealed: Option<&Vec<Sealed>>,
    findings: &mut Findings,
) -> Option<Vec<MasterKey>> {
    let mut keys = Vec::new();
    let path = master_key::path(loaded);
    match (environment.get(MASTER_KEY), &loaded.config.master_key_command) {
        (Some(text), _) => match MasterKey::from_text(text) {
            Ok(key) => {
                findings.good("master key", format_args!("{MASTER_KEY} holds {}", key.id()));
                keys.push(key);
            }
            Err(error) => {
                findings.problem("master key", format_args!("{MASTER_KEY}: {error}"));
                return None;
            }
        },
        (None, Some(words)) => keys.push(printed(words, loaded, environment, findings).await?),
        (None, None) if loaded.config.master_key_file.is_none() && !path.exists() => {
            if sealed.is_some_and(|sealed| !sealed.is_empty()) {
                findings.problem("master key", master_key::MasterKeyError::Lost(path));
            } else {
                findings.good("master key", format_args!("will be made in {}", path.display()));
            }
            return None;
        }
        (None, None) => keys.push(read(&path, findings)?),
    }
    for older in &loaded.config.older_master_key_files {
        keys.push(read(&loaded.resolve(older), findings)?);
    }
    for older in &loaded.config.older_master_key_commands {
        keys.push(printed(older, loaded, environment, findings).await?);
    }
    Some(keys)
}

async fn printed(
    words: &[String],
    loaded: &Loaded,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<MasterKey> {
    match master_key::command::ask(words, loaded, environment).await {
        Ok(key) => {
            let program = words.first().map_or("", String::as_str);
            findings.good("master key", format_args!("{program} prints {}", key.id()));
            Some(key)
        }
        Err(error) => {
            findings.problem("master key", error);
            None
        }
    }
}

fn read(path: &Path, findings: &mut Findings) -> Option<MasterKey> {
    match master_key::read(path) {
        Ok(key) => {
            findings.good(
                "master key",
                format_args!("{} holds {}", path.display(), key.id()),
            );
            Some(key)
        }
        Err(error) => {
            findings.problem("master key", error);
            None
        }
    }
}

/// Whether the certificate can be served, is for the public name, and is of this time.
pub(super) fn certificates(loaded: &Loaded, world: &World, findings: &mut Findings) {
    let Some(tls) = &loaded.config.tls else { return };
    let (certificate, key) = (
        loaded.resolve(&tls.certificate_file),
        loaded.resolve(&tls.key_file),
    );
    let shown = certificate.display();
    if let Err(error) = Certificates::load(&certificate, &key) {
        return findings.problem("tls", error);
    }
    if private_file::is_open_to_all(&key).unwrap_or(false) {
        findings.problem(
            "tls.key_file",
            format_args!(
                "everybody on this machine can read {}; `chmod 600` it",
                key.display()
            ),
        );
    }
    let Some(host) = loaded.config.public_url.as_ref().map(|url| url.host().to_owned()) else {
        return;
    };
    let now = world.now().since(Timestamp::EPOCH);
    let soon = now + std::time::Duration::from_secs(SOON);
    match (
        examine(&certificate, &host, now),
        examine(&certificate, &host, soon),
    ) {
        (Err(error), _) | (_, Err(error)) => findings.problem("tls", error),
        (Ok(Some(CertificateTrouble::Name)), _) => {
            findings.problem(
                "tls",
                format_args!("{shown} is not for {host}, the name in `public_url`"),
            );
        }
        (Ok(Some(trouble)), _) => findings.problem("tls", format_args!("{shown} {trouble}")),
        (Ok(None), Ok(Some(CertificateTrouble::Expired))) => {
            findings.warning("tls", format_args!("{shown} runs out within two weeks"));
        }
        (Ok(None), _) => findings.good("tls", format_args!("{shown} can be served for {host}")),
    }
}
