//! `vestibule backup` and `vestibule restore`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use audit::{Person, What};
use clap::Args;
use model::World;
use serde_json::json;
use store::StoreError;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt as _;

use crate::archive::{self, ArchiveError};
use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::control::{self, Conversation, Reply, Request};
use crate::house::Foundation;
use crate::operator::{Answer, Failure};
use crate::output::Output;
use crate::storage::Storage;
use crate::system;

/// `vestibule backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write; it must not exist yet
    file: PathBuf,
}

/// `vestibule restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    file: PathBuf,
}

impl Backup {
    /// Runs it.
    pub async fn run(
        self,
        loaded: Loaded,
        environment: Environment,
        world: World,
        output: Output,
    ) -> anyhow::Result<()> {
        if self.file.exists() {
            let text = format!("{} is there already", self.file.display());
            return Err(Failure::Conflict(text).into());
        }
        let draft = match control::ask(&loaded.data_dir(), &Request::Backup).await? {
            Some(conversation) => receive(conversation, &self.file).await?,
            None => {
                let operator = system::own_name();
                let foundation = Foundation::open(loaded, environment, world).await?;
                let made = archive::make(&foundation, &operator).await;
                foundation.close().await;
                copy(&made?, &self.file)?
            }
        };
        let rows = archive::verify(draft.path())?;
        draft
            .persist_noclobber(&self.file)
            .map_err(|error| error.error)
            .with_context(|| self.file.display().to_string())?;
        output.answer(&Answer::done(
            format!(
                "{} holds {rows} rows. The signing keys in it are sealed under the master key; back that up too, in another place",
                self.file.display()
            ),
            json!({ "file": self.file, "rows": rows }),
        ));
        Ok(())
    }
}

/// A file beside the one that will be, so that the last step is a rename.
fn beside(file: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    NamedTempFile::new_in(folder).with_context(|| folder.display().to_string())
}

fn copy(made: &NamedTempFile, file: &Path) -> anyhow::Result<NamedTempFile> {
    let mut draft = beside(file)?;
    std::io::copy(&mut made.reopen()?, &mut draft)?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

async fn receive(mut conversation: Conversation, file: &Path) -> anyhow::Result<NamedTempFile> {
    let length = match conversation.reply {
        Reply::Archive(length) => length,
        Reply::Failure(failure) => return Err(failure.into()),
        Reply::Answer(_) | Reply::Stream => bail!("the running server answered something else"),
    };
    let draft = beside(file)?;
    let mut out = tokio::fs::File::from_std(draft.reopen()?);
    let copied = tokio::io::copy(&mut (&mut conversation.rest).take(length), &mut out).await?;
    if copied != length {
        bail!("the running server broke off");
    }
    out.sync_all().await?;
    Ok(draft)
}

impl Restore {
    /// Runs it.
    pub async fn run(
        self,
        loaded: Loaded,
        environment: Environment,
        world: World,
        output: Output,
    ) -> anyhow::Result<()> {
        let data_dir = loaded.data_dir();
        if system::connect(&control::path(&data_dir)).await.is_ok() {
            let text = format!("a server runs on {}; stop it first", data_dir.display());
            return Err(Failure::Conflict(text).into());
        }
        let rows = archive::verify(&self.file).with_context(|| self.file.display().to_string())?;
        let storage = Storage::open(&loaded).await?;
        let restored = archive::restore(&*storage.store(), &self.file, rows).await;
        storage.close().await;
        let restored = match restored {
            Err(ArchiveError::Store(error @ StoreError::NotEmpty)) => {
                return Err(Failure::Conflict(error.to_string()).into());
            }
            other => other?,
        };
        // What this data directory wrote last need not be in the backup.
        audit::head::forget(&data_dir).with_context(|| data_dir.display().to_string())?;
        let foundation = Foundation::open(loaded, environment, world)
            .await
            .context("the rows are restored, but the server will not start")?;
        let what = What::Administration {
            operator: system::own_name(),
            command: "restore".to_owned(),
            target: self.file.display().to_string(),
        };
        foundation.recorder.record(what, Person::default());
        foundation.close().await;
        output.answer(&Answer::done(
            format!("{restored} rows restored"),
            json!({ "rows": restored }),
        ));
        Ok(())
    }
}
