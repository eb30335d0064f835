//! `vestibule git-credential`: fresh tokens for `git`, which keeps none.

use std::io::Read as _;

use clap::Args;
use client::TokenError;
use client::git_credential::GitCredential;
use model::World;

use super::{Whose, screen};
use crate::output::Output;

/// More than `git` ever says.
const MOST: u64 = 256 << 10;

/// `vestibule git-credential`.
#[derive(Debug, Args)]
pub struct GitHelper {
    /// What git wants: get, store or erase; anything else is left aside
    operation: String,
    #[command(flatten)]
    whose: Whose,
}

impl GitHelper {
    /// Answers `git`, on standard output.
    ///
    /// # Errors
    /// The folder in which it is written down who signed in where cannot be read.
    pub(super) async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let mut text = String::new();
        std::io::stdin().take(MOST).read_to_string(&mut text)?;
        let asked = GitCredential::read(&text);
        let around = self.whose.around(world)?;
        let servers = around.home.servers()?;
        let Some(known) = asked.server(&servers) else {
            // Another helper may know it.
            return Ok(());
        };
        match self.operation.as_str() {
            "get" => match client::access(&known.url, &around, None).await {
                Ok(access) => output.print(asked.answer(known, &access).trim_end()),
                Err(error) => {
                    // Nobody else has one, and nobody can type one.
                    screen::warn(&error.to_string());
                    output.print("quit=1");
                }
            },
            // It was refused, whatever its date says: the next one is another (git-credential(1) says it so).
            "erase" => match client::access(&known.url, &around, asked.refused()).await {
                Ok(_) | Err(TokenError::SignedOut(_)) => {}
                Err(error) => screen::warn(&error.to_string()),
            },
            // `store`: the tokens lie where they lie.
            _ => {}
        }
        Ok(())
    }
}
