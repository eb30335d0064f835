//! Signing in without a person.

use clap::Args;
use client::{Assertion, Program, Variables};

use crate::operator::Failure;

/// What `--workload` means without more.
const ACTIONS: &str = "actions";

/// As what.
#[derive(Debug, Args)]
pub struct Alone {
    /// As the client itself: nobody is asked
    #[arg(long, requires = "client_id", conflicts_with_all = ["workload", "device", "as_other_user"])]
    client_credentials: bool,
    /// As a CI job or a pod for which its platform vouches: by the token in a file, by `env:NAME`, or, without more, by the
    /// one that a job of GitHub, Gitea or Forgejo can ask for. Nobody is asked
    #[arg(
        long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = ACTIONS,
        conflicts_with_all = ["device", "as_other_user"]
    )]
    workload: Option<String>,
}

impl Alone {
    /// As what somebody wants to be signed in; nothing if it is as themselves.
    pub(super) fn program(&self, variables: &Variables) -> Result<Option<Program>, Failure> {
        Ok(match self.workload.as_deref() {
            Some(place) => Some(Program::Workload(assertion(place, variables)?)),
            None => self.client_credentials.then_some(Program::ClientCredentials),
        })
    }
}

/// Where `--workload` says that the platform's token is.
fn assertion(place: &str, variables: &Variables) -> Result<Assertion, Failure> {
    match (place, place.strip_prefix("env:")) {
        (ACTIONS, _) => Assertion::found(variables).ok_or_else(|| {
            Failure::Usage(
                "this is no job that can ask for a token (`permissions: id-token: write` lets one, at GitHub); say \
                 where one is: --workload=FILE or --workload=env:NAME"
                    .to_owned(),
            )
        }),
        (_, Some(name)) => Ok(Assertion::Variable(name.to_owned())),
        // Where it is read from is kept, and whoever reads it next may be somewhere else.
        _ => match std::path::absolute(place) {
            Ok(path) => Ok(Assertion::File(path)),
            Err(error) => Err(Failure::Usage(format!("{place}: {error}"))),
        },
    }
}
