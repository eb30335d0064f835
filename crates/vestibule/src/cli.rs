//! The command line: what can be typed, and which code it runs.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::config::environment::{CONFIG, Environment};
use crate::config::file::{self, Loaded};
use crate::operator;
use crate::operator::audit_record::AuditCommand;
use crate::operator::key::KeyCommand;
use crate::output::Output;
use crate::{clock, commands};

/// The configuration file, if nobody names another.
const DEFAULT_CONFIG: &str = "vestibule.yaml";

/// One OAuth 2.1 front door for every MCP server
///
/// Sign in once in the browser; no MCP server, laptop or CI job holds a personal access token any more.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Exit codes: 0 done, 1 not done, 2 wrong usage or configuration, 3 no such thing, 4 already so.
Documentation: docs/ beside the source, and `vestibule help COMMAND`.")]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Options {
    /// The configuration file
    #[arg(long, short, global = true, value_name = "FILE", env = CONFIG, default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: everything on this machine, with a sample MCP server and a demo account
    Demo(commands::demo::Demo),
    /// Write a commented vestibule.yaml
    Init(commands::init::Init),
    /// Say what is wrong with the configuration or its surroundings
    Check,
    /// Run the server
    Serve(Serve),
    #[command(flatten)]
    Person(commands::person::PersonCommand),
    /// An access token for a server that you are signed in to; or service tokens, for programs without a browser
    #[command(args_conflicts_with_subcommands = true)]
    Token {
        #[command(subcommand)]
        service: Option<operator::token::TokenCommand>,
        #[command(flatten)]
        token: commands::person::AccessToken,
    },
    #[command(flatten)]
    Operate(operator::Command),
    /// Write the whole database into one file, also while the server runs
    Backup(commands::backup::Backup),
    /// Put a backup into an empty database
    Restore(commands::backup::Restore),
    /// Providers and MCP servers that are known, as the configuration names them
    #[command(subcommand)]
    Preset(commands::preset::PresetCommand),
    /// Find credentials that lie in files: in the configuration of MCP clients, in .env files and anywhere else
    Scan(commands::scan::Scan),
    /// Put the door in the place of credentials that lie in the configuration of MCP clients
    Adopt(commands::adopt::Adopt),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Print what a shell needs to complete commands
    Completions(commands::shell::Completions),
    /// Write manual pages
    Man(commands::shell::Man),
    /// Print a page of the documentation that is made from the code
    #[command(subcommand, hide = true)]
    Reference(commands::reference::Reference),
}

#[derive(Debug, Args)]
struct Serve {
    /// Threads that answer requests; as many as there are processors if not given
    #[arg(long, value_name = "NUMBER")]
    worker_threads: Option<NonZeroUsize>,
}

impl Cli {
    /// Runs the command. Gives the exit code.
    pub fn run(self) -> u8 {
        let output = Output {
            json: self.options.json && !self.command.owns_output(),
        };
        if cfg!(windows) && self.command.is_of_the_server() {
            let text = "the server runs on Linux and macOS, and so do the commands to it; on Windows there are those \
                        of people and programs, `vestibule login` first";
            return output.failed(&operator::Failure::Usage(text.to_owned()).into());
        }
        let runtime = match runtime(self.command.worker_threads()) {
            Ok(runtime) => runtime,
            Err(error) => return output.failed(&anyhow::anyhow!("no threads: {error}")),
        };
        let (environment, world) = (Environment::read(), clock::system_world());
        let load = || load(&self.options.config, &environment);
        let outcome = runtime.block_on(async {
            match self.command {
                Command::Demo(demo) => Box::pin(demo.run(environment.clone(), world)).await,
                Command::Init(init) => init.run(&self.options.config, output),
                Command::Check => commands::check::run(load(), &environment, &world, output).await,
                Command::Serve(_) => {
                    let loaded = load()?;
                    let log = crate::telemetry::start(&loaded)?;
                    let served = Box::pin(crate::serve::serve(loaded, environment.clone(), world)).await;
                    log.close().await;
                    served
                }
                Command::Operate(operator::Command::Key(KeyCommand::Master)) => {
                    output.answer(&operator::key::master(&world));
                    Ok(())
                }
                Command::Operate(operator::Command::Key(KeyCommand::Public { file })) => {
                    output.answer(&operator::key::public(&file)?);
                    Ok(())
                }
                Command::Person(command) => command.run(world, output).await,
                Command::Token { service: None, token } => token.run(world, output).await,
                Command::Token {
                    service: Some(command),
                    token: _,
                } => {
                    let command = operator::Command::Token(command);
                    commands::operate::run(command, load()?, environment.clone(), world, output).await
                }
                Command::Operate(operator::Command::Audit(command)) => {
                    let config = &self.options.config;
                    Box::pin(commands::audit::run(command, config, &environment, world, output)).await
                }
                Command::Operate(command) => {
                    commands::operate::run(command, load()?, environment.clone(), world, output).await
                }
                Command::Backup(backup) => backup.run(load()?, environment.clone(), world, output).await,
                Command::Restore(restore) => restore.run(load()?, environment.clone(), world, output).await,
                Command::Preset(command) => command.run(output),
                Command::Scan(scan) => {
                    // A file that merely lies in the folder that is looked at does not say which door to trust.
                    let is_named = self.options.config.as_path() != std::path::Path::new(DEFAULT_CONFIG);
                    let loaded = if is_named { Some(load()?) } else { None };
                    scan.run(loaded.as_ref(), &environment, &world, output)
                }
                Command::Adopt(adopt) => Box::pin(adopt.run(&environment, &world, output)).await,
                Command::Schema => {
                    output.print(&format!("{:#}", crate::config::schema()));
                    Ok(())
                }
                Command::Completions(completions) => completions.run(&mut Self::command()),
                Command::Man(man) => man.run(&mut Self::command(), output),
                Command::Reference(page) => {
                    output.print(page.text(&mut Self::command()).trim_end());
                    Ok(())
                }
            }
        });
        match outcome {
            Ok(()) => 0,
            Err(error) => output.failed(&error),
        }
    }
}

impl Command {
    /// Whether standard output is for messages alone, so that not even an error may stand there.
    fn owns_output(&self) -> bool {
        use commands::person::PersonCommand;
        matches!(self, Self::Person(PersonCommand::Bridge { installing: None, .. }))
    }

    /// Whether it is, or talks to, the server of this machine.
    fn is_of_the_server(&self) -> bool {
        use operator::Command as Operate;
        match self {
            // What reads or makes a file alone.
            Self::Operate(
                Operate::Key(KeyCommand::Master | KeyCommand::Public { .. })
                | Operate::Audit(AuditCommand::Verify { file: Some(_), .. }),
            ) => false,
            Self::Demo(_)
            | Self::Init(_)
            | Self::Check
            | Self::Serve(_)
            | Self::Operate(_)
            | Self::Backup(_)
            | Self::Restore(_) => true,
            Self::Token { service, .. } => service.is_some(),
            _ => false,
        }
    }

    fn worker_threads(&self) -> Option<NonZeroUsize> {
        match self {
            Self::Serve(serve) => serve.worker_threads,
            _ => None,
        }
    }
}

/// One thread works without handing anything to others.
fn runtime(threads: Option<NonZeroUsize>) -> io::Result<Runtime> {
    let threads = match threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };
    if threads == NonZeroUsize::MIN {
        return Builder::new_current_thread().enable_all().build();
    }
    Builder::new_multi_thread()
        .worker_threads(threads.get())
        .enable_all()
        .build()
}

fn load(path: &std::path::Path, environment: &Environment) -> anyhow::Result<Loaded> {
    Ok(file::load(path, environment)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library checks of a command line only when it is used.
    #[test]
    fn every_command_can_be_parsed() {
        Cli::command().debug_assert();
    }
}
