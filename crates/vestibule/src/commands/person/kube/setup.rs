//! `vestibule kube setup`: the pieces that have to be written somewhere, ready to copy.

use std::path::PathBuf;
use std::process::Command;

use clap::{Args, ValueEnum};
use client::kube::API_VERSION;
use client::{Discovered, Found};
use model::World;
use serde_json::{Value, json};

use super::Cluster;
use crate::commands::person::Whose;
use crate::operator::{Answer, Failure};
use crate::output::Output;

/// Where k3s looks for the file that it is told of.
const AUTHENTICATION_FILE: &str = "/etc/rancher/k3s/authentication.yaml";

/// A piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Piece {
    /// The user of a kubeconfig
    Kubeconfig,
    /// Structured authentication configuration of the API server (Kubernetes 1.34 or newer)
    Authentication,
    /// What k3s is told of that file
    K3s,
    /// The client in vestibule.yaml
    Client,
    /// A first role for a group
    Role,
}

/// `vestibule kube setup`.
#[derive(Debug, Args)]
pub struct Setup {
    #[command(flatten)]
    cluster: Cluster,
    /// One piece alone, as a file
    #[arg(long, value_enum, value_name = "PIECE")]
    only: Option<Piece>,
    /// Write the user into your kubeconfig, by kubectl
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// The user's name in the kubeconfig
    #[arg(long, value_name = "NAME", default_value = "vestibule")]
    user: String,
    /// Let this context of the kubeconfig use it
    #[arg(long, value_name = "NAME", requires = "write")]
    context: Option<String>,
    /// What stands before every name and group in the cluster, so that nobody there is taken for somebody of its own
    #[arg(long, value_name = "TEXT", default_value = "vestibule:")]
    prefix: String,
    /// A group that is to get the first role
    #[arg(long, value_name = "NAME", default_value = "developers")]
    group: String,
    /// The certificates that vouch for the issuer, if the API server's machine does not trust it by itself
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    #[command(flatten)]
    whose: Whose,
}

impl Setup {
    pub(super) async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let url = self.cluster.url()?;
        let around = self.whose.around(world)?;
        let Found::Guarded(found) = client::discover(&around.http, &url, None).await? else {
            return Err(Failure::NotFound(format!("{} is no OpenID provider", self.cluster.issuer)).into());
        };
        if self.write {
            return self.write(&found, output);
        }
        let trusted = match &self.certificate_authority {
            Some(file) => Some(
                std::fs::read_to_string(file)
                    .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?,
            ),
            None => None,
        };
        let text = |piece| self.text(piece, &found, trusted.as_deref());
        match self.only {
            Some(piece) => output.print(text(piece).trim_end()),
            None if output.json => output.answer(&Answer::Item(json!({
                "issuer": found.issuer,
                "kubeconfig": text(Piece::Kubeconfig),
                "authentication": text(Piece::Authentication),
                "k3s": text(Piece::K3s),
                "client": text(Piece::Client),
                "role": text(Piece::Role),
            }))),
            None => output.print(&format!(
                "# 1. vestibule.yaml, at the door: the client that the cluster's ID tokens are for\n\n{}\n\
                 # 2. The API server: a file, and --authentication-config=FILE. With k3s: {AUTHENTICATION_FILE}\n\n{}\n\
                 # 3. k3s alone: /etc/rancher/k3s/config.yaml\n\n{}\n\
                 # 4. The cluster: what the group {} may do there, by kubectl apply -f\n\n{}\n\
                 # 5. Everybody's kubeconfig; `--write` has kubectl write it\n\n{}",
                text(Piece::Client),
                text(Piece::Authentication),
                text(Piece::K3s),
                self.group,
                text(Piece::Role),
                text(Piece::Kubeconfig).trim_end(),
            )),
        }
        Ok(())
    }

    fn text(&self, piece: Piece, found: &Discovered, trusted: Option<&str>) -> String {
        // What is JSON is YAML too, so that no name can become anything else.
        let quoted = |text: &str| Value::from(text).to_string();
        let (issuer, client_id) = (quoted(&found.issuer), quoted(&self.cluster.client_id));
        let prefix = quoted(&self.prefix);
        match piece {
            Piece::Kubeconfig => format!(
                "users:\n- name: {}\n  user:\n    exec:\n      apiVersion: {API_VERSION}\n      command: vestibule\n      \
                 args: {}\n      interactiveMode: IfAvailable\n      provideClusterInfo: false\n      \
                 installHint: \"vestibule is needed for this cluster\"\n",
                quoted(&self.user),
                json!(self.arguments(found)),
            ),
            Piece::Authentication => {
                let trusted = trusted.map(|pem| format!("    certificateAuthority: {}\n", quoted(pem)));
                format!(
                    "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    \
                     url: {issuer}\n    audiences: [{client_id}]\n{}  claimMappings:\n    username:\n      \
                     claim: preferred_username\n      prefix: {prefix}\n    groups:\n      claim: groups\n      \
                     prefix: {prefix}\n    uid:\n      claim: sub\n",
                    trusted.unwrap_or_default(),
                )
            }
            Piece::K3s => {
                format!("kube-apiserver-arg:\n- \"authentication-config={AUTHENTICATION_FILE}\"\n")
            }
            Piece::Client => format!(
                "clients:\n  {client_id}:\n    name: Kubernetes\n    redirect_uris: [\"http://127.0.0.1/callback\"]\n    device: true\n    \
                 scope: openid profile email groups offline_access\n",
            ),
            Piece::Role => format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {}\nroleRef:\n  \
                 apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\nsubjects:\n- kind: Group\n  \
                 apiGroup: rbac.authorization.k8s.io\n  name: {}\n",
                quoted(&format!("{}-view", self.user)),
                quoted(&format!("{}{}", self.prefix, self.group)),
            ),
        }
    }

    /// What kubectl gives to this program.
    fn arguments(&self, found: &Discovered) -> Vec<String> {
        let mut words = vec!["kube", "token", &found.issuer];
        words.extend(["--client-id", &self.cluster.client_id]);
        if let Some(profile) = self.whose.named() {
            words.extend(["--profile", profile]);
        }
        words.into_iter().map(str::to_owned).collect()
    }

    fn write(&self, found: &Discovered, output: Output) -> anyhow::Result<()> {
        let mut command = kubectl("set-credentials", &self.user);
        command
            .arg(format!("--exec-api-version={API_VERSION}"))
            .arg("--exec-command=vestibule")
            .arg("--exec-interactive-mode=IfAvailable");
        // It takes a list with commas for each of them.
        let quoted = |argument: String| format!("--exec-arg=\"{}\"", argument.replace('"', "\"\""));
        command.args(self.arguments(found).into_iter().map(quoted));
        done(command)?;
        if let Some(context) = &self.context {
            let mut command = kubectl("set-context", context);
            command.arg(format!("--user={}", self.user));
            done(command)?;
        }
        let user = &self.user;
        let text = match &self.context {
            Some(context) => {
                format!("Your kubeconfig has the user `{user}`, and the context {context} uses it.")
            }
            None => format!("Your kubeconfig has the user `{user}`: kubectl --user={user} get pods"),
        };
        output.answer(&Answer::Done {
            text,
            item: json!({ "user": user, "context": self.context, "issuer": found.issuer }),
        });
        Ok(())
    }
}

fn kubectl(what: &str, name: &str) -> Command {
    let mut command = Command::new("kubectl");
    command.args(["config", what, name]);
    command
}

fn done(mut command: Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .map_err(|error| Failure::Unavailable(format!("kubectl cannot be run: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Unavailable(format!("kubectl: {}", said.trim())).into())
}
