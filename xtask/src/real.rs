//! Real servers of others that take long to build, and the tests against them. CI does without.
//!
//! What is built is pinned beside the tests, in `e2e/real`, and kept in `.cache`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::{output, program, root, run};
use crate::{end_to_end, tools};

/// A Go program, pinned by a module of ours.
struct Server {
    /// The folder of that module in `e2e/real`, of what was built in `.cache`, and the name of the program.
    name: &'static str,
    /// What is built: one program, which gets that name, or several with names of their own.
    packages: &'static [&'static str],
    /// Build tags of it.
    tags: &'static str,
    /// Its module, where more is needed of that than the program.
    module: Option<Module>,
}

/// What is needed of a module.
struct Module {
    name: &'static str,
    /// The variable that is told its version.
    version: &'static str,
    /// Files and folders that the program reads.
    files: &'static [&'static str],
}

const DEX: Server = Server {
    name: "dex",
    packages: &["github.com/dexidp/dex/cmd/dex"],
    tags: "",
    module: None,
};

const GITEA: Server = Server {
    name: "gitea",
    packages: &["code.gitea.io/gitea"],
    tags: "sqlite sqlite_unlock_notify",
    module: Some(Module {
        name: "code.gitea.io/gitea",
        version: "main.Version",
        files: &["options", "public", "templates"],
    }),
};

/// Stands for the MCP server of Gitea; its `main.go` says why.
const GITEA_MCP: Server = Server {
    name: "gitea-mcp",
    packages: &["."],
    tags: "",
    module: None,
};

/// Stands for tea, Gitea's command line; its `main.go` says why.
const GITEA_SDK: Server = Server {
    name: "gitea-sdk",
    packages: &["."],
    tags: "",
    module: None,
};

/// One of the command lines for Jira, which people use with Jira Data Center. Of Jira itself there is none to be built.
const JIRA_CLI: Server = Server {
    name: "jira-cli",
    packages: &["github.com/ankitpokhrel/jira-cli/cmd/jira"],
    tags: "",
    module: None,
};

const KUBERNETES: Server = Server {
    name: "kubernetes",
    packages: &[
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kubectl",
    ],
    tags: "",
    module: None,
};

/// Runs the tests of `e2e/real`.
pub(crate) fn run_tests() -> anyhow::Result<()> {
    tools::npm()?;
    tools::etcd()?;
    let kubernetes = KUBERNETES.build()?;
    let (dex, gitea, gitea_mcp) = (DEX.build()?, GITEA.build()?, GITEA_MCP.build()?);
    let (gitea_sdk, jira_cli) = (GITEA_SDK.build()?, JIRA_CLI.build()?);
    end_to_end::build()?;
    end_to_end::run(
        "real",
        &[
            ("VESTIBULE_REAL_DEX", dex.join("dex")),
            ("VESTIBULE_REAL_GITEA", gitea.join("gitea")),
            ("VESTIBULE_REAL_GITEA_FILES", gitea),
            ("VESTIBULE_REAL_GITEA_MCP", gitea_mcp.join("gitea-mcp")),
            ("VESTIBULE_REAL_GITEA_SDK", gitea_sdk.join("gitea-sdk")),
            ("VESTIBULE_REAL_JIRA_CLI", jira_cli.join("jira-cli")),
            ("VESTIBULE_REAL_KUBERNETES", kubernetes),
        ],
    )
}

impl Server {
    /// Builds it if what is pinned was not built yet. Gives the folder with the program and its files.
    fn build(&self) -> anyhow::Result<PathBuf> {
        let name = self.name;
        let pinned = root().join("e2e/real").join(name);
        let wanted = texts(&pinned)?;
        let home = root().join(".cache").join(name);
        let stamp = home.join("built");
        if std::fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
            anstream::eprintln!("{name}: all there");
            return Ok(home);
        }
        output(go(&pinned).arg("version")).with_context(|| {
            format!("Go 1.26 or newer is needed to build {name}; install it, then try again")
        })?;
        anstream::eprintln!("{name}: building what e2e/real/{name}/go.mod pins; that takes some minutes");
        if home.exists() {
            std::fs::remove_dir_all(&home)?;
        }
        std::fs::create_dir_all(&home)?;
        let mut linked = String::new();
        if let Some(module) = &self.module {
            run(go(&pinned).args(["mod", "download", module.name]))?;
            let found = ["list", "-m", "-f", "{{.Version}} {{.Dir}}", module.name];
            let found = output(go(&pinned).args(found))?;
            let (version, source) = found
                .trim()
                .split_once(' ')
                .context("a module without a folder")?;
            linked = format!("-X {}={}", module.version, version.trim_start_matches('v'));
            run(program("cp")
                .args(["-r", "--no-preserve=mode"])
                .args(module.files.iter().map(|file| Path::new(source).join(file)))
                .arg(&home))?;
        }
        let to = match self.packages {
            [_] => home.join(name),
            _ => home.clone(),
        };
        run(go(&pinned)
            .args(["build", "-tags", self.tags, "-ldflags", &linked, "-o"])
            .arg(to)
            .args(self.packages))?;
        std::fs::write(stamp, wanted)?;
        Ok(home)
    }
}

fn go(pinned: &Path) -> Command {
    let mut command = program("go");
    // Databases in a file are written in C.
    command
        .current_dir(pinned)
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "1");
    command
}

/// All that is pinned in a folder.
fn texts(folder: &Path) -> anyhow::Result<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).with_context(|| file.display().to_string()))
        .collect()
}
