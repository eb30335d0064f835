//! `vestibule adopt`: in the place of a credential in a client's configuration, the door, where that client signs in by itself.
//!
//! Which servers there are comes from the person alone: those they name, and those they are signed in to. A file that lies in
//! some folder cannot make them trust a door.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Reset, Style};
use clap::Args;
use model::World;
use scan::adopt::{Backup, Plan};
use scan::{Limits, Rules};
use serde_json::{Value, json};

use super::person::Whose;
use super::scan::{look, servers};
use crate::config::environment::Environment;
use crate::operator::{Answer, Failure};
use crate::output::{Output, Said, printable};

mod revoke;

use revoke::{Fate, Old};

/// `vestibule adopt`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Adopt {
    /// What to look at, as `vestibule scan` does
    paths: Vec<PathBuf>,
    /// A server of the door, as `https://mcp.example.com/mcp/gitea`; those that you are signed in to are known already
    #[arg(long, value_name = "URL")]
    door: Vec<String>,
    /// Change what is shown, and ask nothing
    #[arg(long)]
    yes: bool,
    /// Then revoke the old credentials at their providers, where a token can revoke itself: GitHub, GitLab, Slack, and service tokens of a door
    #[arg(long)]
    revoke: bool,
    /// Put back what the last change found, where nobody has changed it since
    #[arg(long, conflicts_with_all = ["paths", "door", "yes", "revoke", "forget"])]
    undo: bool,
    /// Delete what --undo would put back, with the credentials in it, once they are taken back at their providers
    #[arg(long, conflicts_with_all = ["paths", "door", "yes", "revoke"])]
    forget: bool,
    #[command(flatten)]
    whose: Whose,
}

impl Adopt {
    /// Runs it.
    ///
    /// # Errors
    /// Nothing was changed, or not everything.
    pub async fn run(self, environment: &Environment, world: &World, output: Output) -> anyhow::Result<()> {
        let folder = self.whose.folder("adopted")?;
        if self.undo {
            return undo(Backup::all(&folder), output);
        }
        if self.forget {
            return forget(Backup::all(&folder), output);
        }
        let servers = servers::known(&self.door, None, &self.whose)?;
        if servers.is_empty() {
            let text = "there is no server to put in their place; name one with --door, or sign in: `vestibule login URL`";
            return Err(Failure::Usage(text.to_owned()).into());
        }
        let rules = Rules::built_in()?;
        let mut scan = scan::Scan::new(&rules, world.now(), world.random(), Limits::default());
        look::at(&mut scan, &self.paths, false, &rules, environment)?;
        let report = scan.finish();
        let plan = scan::adopt::plan(&report.findings, &rules, &servers, world.now());
        if plan.changes.is_empty() {
            let text = format!("{}Nothing to change.", left(&plan));
            output.answer(&Answer::done(
                text,
                json!({ "changed": [], "left": left_json(&plan) }),
            ));
            return Ok(());
        }
        if !output.json {
            output.print(&shown(&plan));
        }
        self.agreed(&plan)?;
        let backup = Backup::apply(&folder, &plan.changes, world.now()).map_err(|error| {
            anyhow::Error::from(error)
                .context("not everything was changed; `vestibule adopt --undo` puts it back")
        })?;
        let old = Old {
            plan: &plan,
            report: &report,
            rules: &rules,
        };
        let fate = if self.revoke {
            let endings = scan::adopt::endings(&plan, &report, &rules, world.now());
            let fate = old.revoke(endings, &backup, self.yes).await;
            fate.map_err(|error| error.context("the files are changed, and nothing was revoked"))?
        } else {
            Fate::default()
        };
        output.answer(&Answer::done(
            format!("{}{}", done(&plan), old.told(&fate)),
            json!({
                "changed": changed_json(&plan), "left": left_json(&plan), "revoke": old.json(&fate),
                "backup": backup.file(),
            }),
        ));
        if fate.has_failed() {
            Err(Said.into())
        } else {
            Ok(())
        }
    }

    fn agreed(&self, plan: &Plan) -> anyhow::Result<()> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Unavailable("nothing was changed; say --yes".to_owned()).into());
        }
        let question = format!("Change {} as shown?", files(plan.changes.len()));
        if dialoguer::Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact()?
        {
            Ok(())
        } else {
            Err(Failure::Unavailable("nothing was changed".to_owned()).into())
        }
    }
}

fn files(count: usize) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}

/// Every change, as a difference without values.
fn shown(plan: &Plan) -> String {
    let mut text = left(plan);
    for change in &plan.changes {
        let bold = Style::new().bold();
        let title = printable(&change.shown);
        let _ = writeln!(text, "{bold}{title}{Reset}  ({})", change.client.title);
        for line in change.difference.lines().filter(|line| !line.starts_with("@@")) {
            let style = match line.as_bytes().first() {
                Some(b'+') => AnsiColor::Green.on_default(),
                Some(b'-') => AnsiColor::Red.on_default(),
                _ => Style::new(),
            };
            let _ = writeln!(text, "  {style}{}{Reset}", printable(line));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// What is left to its person.
fn left(plan: &Plan) -> String {
    let mut text = String::new();
    for left in &plan.left {
        let (place, name) = (printable(&left.shown), printable(&left.name));
        let _ = writeln!(
            text,
            "{place}: {name} is left to you, because {}: put {} there",
            left.why, left.url
        );
    }
    text
}

fn done(plan: &Plan) -> String {
    let mut text = format!("{} changed.", files(plan.changes.len()));
    for change in &plan.changes {
        let names = change
            .replacements
            .iter()
            .map(|one| format!("{} is {}", one.name, one.url));
        let _ = write!(
            text,
            "\n  {}: {}",
            change.shown,
            names.collect::<Vec<_>>().join(", ")
        );
    }
    text
}

fn changed_json(plan: &Plan) -> Vec<Value> {
    let one = |change: &scan::adopt::Change| {
        let entries = change
            .replacements
            .iter()
            .map(|one| json!({ "server": one.name, "url": one.url }));
        json!({
            "path": change.shown, "client": change.client.id, "entries": entries.collect::<Vec<_>>(),
            "difference": change.difference,
        })
    };
    plan.changes.iter().map(one).collect()
}

fn left_json(plan: &Plan) -> Vec<Value> {
    let one = |left: &scan::adopt::Left| {
        json!({
            "path": left.shown, "client": left.client.id, "server": left.name, "url": left.url,
            "why": left.why.to_string(),
        })
    };
    plan.left.iter().map(one).collect()
}

fn undo(mut backups: Vec<Backup>, output: Output) -> anyhow::Result<()> {
    let none = || Failure::NotFound("there is nothing to undo".to_owned());
    let undone = backups.pop().ok_or_else(none)?.undo()?;
    let names: Vec<String> = undone
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut text: Vec<String> = names.iter().map(|name| format!("{name} is as it was")).collect();
    text.extend(undone.failed.iter().map(ToString::to_string));
    text.extend(undone.ended.iter().map(revoke::warning));
    let failed: Vec<String> = undone.failed.iter().map(ToString::to_string).collect();
    output.answer(&Answer::done(
        text.join("\n"),
        json!({ "undone": names, "failed": failed, "revoked": revoke::undone_json(&undone.ended) }),
    ));
    if undone.failed.is_empty() {
        Ok(())
    } else {
        let text = "not everything is as it was; the backup is still there".to_owned();
        Err(Failure::Unavailable(text).into())
    }
}

fn forget(backups: Vec<Backup>, output: Output) -> anyhow::Result<()> {
    let count = backups.len();
    for backup in backups {
        backup.forget()?;
    }
    let text = match count {
        0 => "there is no backup".to_owned(),
        1 => "1 backup is deleted".to_owned(),
        count => format!("{count} backups are deleted"),
    };
    output.answer(&Answer::done(text, json!({ "deleted": count })));
    Ok(())
}
