//! A master key that a program prints, as one does that asks a key management service to open a wrapped key.
//!
//! The program is the operator's: a list of words, run without a shell. It gets the environment that we got, but for
//! our own variables and for those that the configuration names as credentials, no input, and a deadline. What it
//! prints is the key and is shown to nobody; what it complains about is shown when it fails.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use keys::MasterKey;
use keys::master::BadMasterKey;
use model::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::config::environment::Environment;
use crate::config::file::Loaded;
use crate::system;

/// How long it may take: a service at the other end of a bad line, and its retries.
const DEADLINE: Duration = Duration::from_secs(30);
/// Most that is read of what it prints. A key is 64 characters.
const LONGEST: usize = 4096;
/// Most that is shown of its complaint.
const SHOWN: usize = 1000;

/// A program that printed no master key.
#[derive(Debug, Error)]
pub enum CommandError {
    /// It cannot be run, or not be listened to.
    #[error("the master key's command {program}: {source}")]
    Run {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It says itself that it failed.
    #[error("the master key's command {program} failed ({status}){}", said(complaint))]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to its standard error.
        complaint: String,
    },
    /// It did not end in time, and was ended.
    #[error("the master key's command {program} did not end within {}s{}", DEADLINE.as_secs(), said(complaint))]
    Late {
        /// Which.
        program: String,
        /// The end of what it wrote to its standard error.
        complaint: String,
    },
    /// It ended well and printed something else.
    #[error(
        "the master key's command {program} printed something else: {source}{}",
        said(complaint)
    )]
    NoKey {
        /// Which.
        program: String,
        /// What it should have been.
        source: BadMasterKey,
        /// The end of what it wrote to its standard error.
        complaint: String,
    },
}

fn said(complaint: &str) -> String {
    match complaint {
        "" => String::new(),
        complaint => format!(", and said: {complaint}"),
    }
}

/// Runs it and reads the key.
///
/// # Errors
/// What it did instead.
pub async fn ask(
    words: &[String],
    loaded: &Loaded,
    environment: &Environment,
) -> Result<MasterKey, CommandError> {
    ask_until(tokio::time::sleep(DEADLINE), words, loaded, environment).await
}

async fn ask_until(
    late: impl Future<Output = ()>,
    words: &[String],
    loaded: &Loaded,
    environment: &Environment,
) -> Result<MasterKey, CommandError> {
    let (program, arguments) = match words.split_first() {
        Some((program, arguments)) => (program.clone(), arguments),
        None => (String::new(), words),
    };
    let failed = |source| CommandError::Run {
        program: program.clone(),
        source,
    };
    let secrets = named_as_secrets(loaded);
    let mut command = Command::new(place(&program, loaded));
    // So that whatever it starts ends with it when it is late.
    system::apart(&mut command);
    let mut child = command
        .args(arguments)
        .env_clear()
        .envs(environment.for_programs(&secrets))
        .current_dir(&loaded.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let group = child.id();
    let (printed, complaint) = (child.stdout.take(), child.stderr.take());
    let mut ending = String::new();
    let running = async { tokio::join!(read(printed), listen(complaint, &mut ending), child.wait()) };
    let outcome = tokio::select! {
        outcome = running => Some(outcome),
        () = late => None,
    };
    let complaint = ending.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((printed, (), status)) = outcome else {
        system::end_group(group);
        return Err(CommandError::Late { program, complaint });
    };
    let status = status.map_err(failed)?;
    if !status.success() {
        return Err(CommandError::Failed {
            program,
            status,
            complaint,
        });
    }
    let printed = printed.map_err(failed)?;
    MasterKey::from_text(printed.expose_secret()).map_err(|source| CommandError::NoKey {
        program,
        source,
        complaint,
    })
}

/// A program with a slash in its name is found as other paths of the configuration are, any other one on `PATH`.
fn place(program: &str, loaded: &Loaded) -> PathBuf {
    if program.contains('/') {
        loaded.resolve(program.as_ref())
    } else {
        program.into()
    }
}

/// The variables that the configuration shows to servers and providers, `${env:NAME}`.
fn named_as_secrets(loaded: &Loaded) -> Vec<String> {
    let text = serde_json::to_string(&loaded.config).unwrap_or_default();
    let named = text.split("${env:").skip(1);
    named
        .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
        .collect()
}

/// What it prints, in memory that is wiped; cut where no key is so long, so that it does not wait for us.
async fn read(printed: Option<impl AsyncRead + Unpin>) -> io::Result<SecretString> {
    let Some(mut printed) = printed else {
        return Ok(SecretString::default());
    };
    // Never grown, since growing would leave a copy behind.
    let mut bytes = Vec::with_capacity(LONGEST + 64);
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    let read = (&mut printed).take(limit).read_to_end(&mut bytes).await;
    tokio::io::copy(&mut printed, &mut tokio::io::sink()).await?;
    // Something that is no text is no key; what it was is nobody's business either.
    let text = String::from_utf8(bytes).unwrap_or_default();
    read.map(|_| text.into())
}

/// The last of what it complains about, without what could move a terminal's cursor.
async fn listen(complaint: Option<impl AsyncRead + Unpin>, ending: &mut String) {
    let Some(mut complaint) = complaint else { return };
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = complaint.read(&mut bytes).await {
        let more = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
        let more = more.chars().map(|c| if c.is_control() { ' ' } else { c });
        ending.extend(more);
        let surplus = ending.chars().count().saturating_sub(SHOWN);
        *ending = ending.chars().skip(surplus).collect();
    }
}

#[cfg(test)]
mod tests;
