//! Load on a token endpoint: refreshing in chains, or redeeming codes that were fetched before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use tokio::task::JoinSet;

use crate::first_byte::now;
use crate::house::SERVER;
use crate::http_client::Connection;
use crate::people::{Person, Tokens as Given, redemption, refreshing};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Grant {
    /// Each refresh token is used for the next.
    Refresh,
    /// Codes that were fetched before.
    Code,
}

/// `bench tokens`: waits for a line on standard input, loads, and prints how many in how many seconds.
#[derive(Debug, Args)]
pub struct Tokens {
    /// Where to ask
    #[arg(long)]
    address: SocketAddr,
    /// How the door is known
    #[arg(long)]
    url: String,
    /// What to ask for
    #[arg(long)]
    grant: Grant,
    /// At once
    #[arg(long, default_value_t = 64)]
    people: u32,
    /// The number of the first person
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// Codes of each person; a person may ask for 300 in ten minutes
    #[arg(long, default_value_t = 100)]
    codes: usize,
    /// For so many seconds, if refreshing
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// What one worker holds.
enum Held {
    Chain(Given),
    Codes(Vec<String>),
}

impl Tokens {
    /// Signs people in, then loads.
    ///
    /// # Errors
    /// If an answer is no token.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut held = Vec::new();
        for number in self.first..self.first + self.people {
            held.push(self.prepare(number).await?);
        }
        anstream::println!("ready");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let (began, done) = (now(), Arc::new(AtomicU64::new(0)));
        let until = began + Duration::from_secs(self.seconds);
        let mut workers = JoinSet::new();
        for held in held {
            let connection = Connection::open(self.address, self.host()).await?;
            let done = Arc::clone(&done);
            workers.spawn(async move {
                match held {
                    Held::Chain(tokens) => refresh(connection, tokens, until, &done).await,
                    Held::Codes(codes) => redeem(connection, codes, &done).await,
                }
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        let took = began.elapsed().as_secs_f64();
        anstream::println!("{} {took}", done.load(Ordering::Relaxed));
        Ok(())
    }

    fn host(&self) -> &str {
        self.url.split("://").nth(1).unwrap_or(&self.url)
    }

    async fn prepare(&self, number: u32) -> anyhow::Result<Held> {
        let mut person = Person::sign_in(self.address, &self.url, number).await?;
        if self.grant == Grant::Refresh {
            return Ok(Held::Chain(person.tokens(SERVER).await?));
        }
        // The first one is redeemed, so that the others find the consent remembered.
        person.tokens(SERVER).await?;
        let mut codes = Vec::with_capacity(self.codes);
        for _ in 0..self.codes {
            codes.push(person.code(SERVER).await?);
        }
        Ok(Held::Codes(codes))
    }
}

async fn refresh(
    mut connection: Connection,
    mut tokens: Given,
    until: std::time::Instant,
    done: &AtomicU64,
) -> anyhow::Result<()> {
    while now() < until {
        let reply = connection
            .send_form("/token", &[], &refreshing(&tokens.refresh))
            .await?;
        tokens = Given::of(&reply).context("refreshing")?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn redeem(mut connection: Connection, codes: Vec<String>, done: &AtomicU64) -> anyhow::Result<()> {
    ensure!(!codes.is_empty(), "no codes");
    for code in codes {
        let reply = connection.send_form("/token", &[], &redemption(&code)).await?;
        Given::of(&reply).context("redeeming")?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
