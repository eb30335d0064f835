//! `bench`: the parts of a measurement that are programs of their own. `cargo xtask bench` runs them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use bench::calls::Call;
use bench::{bad, bare, first_byte, house, people, streams, token_endpoint, upstream};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Parts of `cargo xtask bench`")]
enum Cli {
    /// Answer as an MCP server
    Upstream {
        /// Where to listen
        listen: SocketAddr,
    },
    /// Copy requests and answers, and look at nothing
    Bare {
        /// Where to listen
        listen: SocketAddr,
        /// Where to send everything
        upstream: SocketAddr,
    },
    /// Print the configuration of a door
    Configure(house::Plan),
    /// Print the door's ES256 key as PEM
    PublicKey {
        /// Where the door listens
        address: SocketAddr,
    },
    /// Print the body of a request
    Body {
        /// Which
        call: Call,
    },
    /// Sign people in and write their tokens, one a line: access and refresh token
    SignIn(people::SignIn),
    /// Ask with bad tokens, and fail if one gets through or a good one does not
    TurnAway(bad::TurnAway),
    /// Open streams, hold them until standard input ends
    Streams(streams::Streams),
    /// Measure the time to the first byte over one idle connection
    FirstByte(first_byte::FirstByte),
    /// Load a token endpoint
    Tokens(token_endpoint::Tokens),
    /// Multiply the accounts of a backup
    Multiply {
        /// The backup, with one account that is multiplied
        from: PathBuf,
        /// The backup to write
        to: PathBuf,
        /// How many accounts it shall have
        count: u32,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Every part runs on one thread, so that a measurement knows what it pays for.
fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match cli {
            Cli::Upstream { listen } => upstream::serve(listen).await,
            Cli::Bare { listen, upstream } => bare::serve(listen, upstream).await,
            Cli::Configure(plan) => {
                anstream::print!("{}", plan.configuration());
                Ok(())
            }
            Cli::PublicKey { address } => {
                anstream::println!("{}", bad::public_key(address).await?);
                Ok(())
            }
            Cli::Body { call } => {
                anstream::print!("{}", call.body());
                Ok(())
            }
            Cli::SignIn(sign_in) => sign_in.run().await,
            Cli::TurnAway(turn_away) => turn_away.run().await,
            Cli::Streams(streams) => streams.run().await,
            Cli::FirstByte(first_byte) => first_byte.run(),
            Cli::Tokens(tokens) => tokens.run().await,
            Cli::Multiply { from, to, count } => people::multiply(&from, &to, count),
        }
    })
}
