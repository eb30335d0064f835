//! What both databases say of every query. `sqlx` checks the queries against these descriptions when there is
//! no database, so they must be true: this asks the databases.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::command::{cargo, program, root, run};
use crate::postgres::Postgres;

/// `cargo xtask sql`.
#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// Change nothing; fail if something would change
    #[arg(long)]
    check: bool,
}

impl Sql {
    /// Runs it with a database of its own.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let postgres = Postgres::start()?;
        if self.check {
            check(&postgres)
        } else {
            renew(&postgres)
        }
    }
}

/// Fails if the descriptions in the repository are not what the databases say.
pub(crate) fn check(postgres: &Postgres) -> anyhow::Result<()> {
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        describe(&engine, postgres, folder.path())?;
        let (said, kept) = (read(folder.path())?, read(&engine.kept())?);
        if said != kept {
            let differs = said
                .keys()
                .chain(kept.keys())
                .find(|name| said.get(*name) != kept.get(*name));
            bail!(
                "{}: {} is not what the database says; `cargo xtask sql` renews it",
                engine.crate_name,
                differs.map_or("something", String::as_str)
            );
        }
    }
    Ok(())
}

fn renew(postgres: &Postgres) -> anyhow::Result<()> {
    for engine in ENGINES {
        let folder = tempfile::tempdir()?;
        describe(&engine, postgres, folder.path())?;
        let kept = engine.kept();
        if kept.exists() {
            std::fs::remove_dir_all(&kept)?;
        }
        std::fs::create_dir(&kept)?;
        let said = read(folder.path())?;
        for (name, text) in &said {
            std::fs::write(kept.join(name), text)?;
        }
        anstream::println!("{}: {} queries", engine.crate_name, said.len());
    }
    Ok(())
}

struct Engine {
    crate_name: &'static str,
    variable: &'static str,
    postgres: bool,
}

const ENGINES: [Engine; 2] = [
    Engine {
        crate_name: "store-sqlite",
        variable: "VESTIBULE_SQLITE_URL",
        postgres: false,
    },
    Engine {
        crate_name: "store-postgres",
        variable: "VESTIBULE_POSTGRES_URL",
        postgres: true,
    },
];

impl Engine {
    fn kept(&self) -> std::path::PathBuf {
        root().join("crates").join(self.crate_name).join(".sqlx")
    }
}

/// Has the compiler ask a database with the newest schema about every query.
fn describe(engine: &Engine, postgres: &Postgres, into: &Path) -> anyhow::Result<()> {
    let home = root().join("crates").join(engine.crate_name);
    let schema = migrations(&home.join("migrations"))?;
    let sqlite = tempfile::tempdir()?;
    let url = if engine.postgres {
        let url = postgres.url();
        let script = sqlite.path().join("schema.sql");
        std::fs::write(
            &script,
            format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n{schema}"),
        )?;
        run(program("psql")
            .args(["-q", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(&script)
            .arg(&url)
            .env("PGOPTIONS", "-c client_min_messages=warning"))?;
        url
    } else {
        let file = sqlite.path().join("schema.db");
        let make = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
        run(program("/usr/bin/python3")
            .args(["-c", make])
            .arg(&file)
            .arg(&schema))?;
        format!("sqlite://{}", file.display())
    };
    // The compiler asks only when it compiles.
    run(program("touch").arg(home.join("src/lib.rs")))?;
    run(cargo()
        .args(["check", "--quiet", "-p", engine.crate_name])
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", into)
        .env(engine.variable, url))
}

fn migrations(folder: &Path) -> anyhow::Result<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let texts: Result<Vec<_>, _> = files.iter().map(std::fs::read_to_string).collect();
    Ok(texts.context("migrations")?.join("\n"))
}

fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("query-") {
            files.insert(name.to_owned(), std::fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}
