//! `vestibule init`: a commented configuration to begin with.

use std::path::{Path, PathBuf};

use clap::Args;
use protocol::Origin;
use serde_json::json;

use crate::operator::{Answer, Failure};
use crate::output::Output;
use crate::private_file;

/// `vestibule init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where people and clients will reach this door
    #[arg(long, default_value = "https://mcp.example.com", value_name = "URL")]
    public_url: Origin,
    /// The file to write, instead of the one that --config names
    file: Option<PathBuf>,
}

impl Init {
    /// Runs it.
    pub fn run(self, config: &Path, output: Output) -> anyhow::Result<()> {
        let file = self.file.as_deref().unwrap_or(config);
        let text = text(&self.public_url);
        match private_file::write_new(file, &text) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let text = format!("{} is there already; it was left alone", file.display());
                return Err(Failure::Conflict(text).into());
            }
            Err(error) => return Err(anyhow::anyhow!("{}: {error}", file.display())),
        }
        let shown = file.display();
        output.answer(&Answer::done(
            format!(
                "{shown} is written. Next:\n\n  edit {shown}\n  vestibule check --config {shown}\n  vestibule serve --config {shown}"
            ),
            json!({ "file": file }),
        ));
        Ok(())
    }
}

/// The file's text.
pub fn text(public_url: &Origin) -> String {
    include_str!("init/vestibule.yaml").replace("https://mcp.example.com", public_url.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::Environment;
    use crate::config::file;

    #[test]
    fn what_it_writes_is_a_configuration() {
        let origin = "https://door.example".parse().unwrap();
        let loaded = file::parse(
            &text(&origin),
            Path::new("a.yaml"),
            PathBuf::new(),
            &Environment::default(),
        );
        let config = loaded.unwrap().config;
        assert_eq!(config.public_url, Some(origin));
        assert!(
            config.servers.is_empty(),
            "nothing is open until somebody says so"
        );
    }

    /// Taking away the `#` before a key gives a configuration too.
    #[test]
    fn what_it_suggests_is_a_configuration() {
        let text = text(&"https://door.example".parse().unwrap());
        // `# Words` is a comment, `#key:` and `#  member:` are suggestions.
        let suggestion = |line: &str| {
            let rest = line.strip_prefix('#')?;
            (!rest.starts_with(' ') || rest.starts_with("  ")).then(|| rest.to_owned())
        };
        let replaced = ["listen: 127.0.0.1:8080", "servers: {}"];
        let lines = text.lines().filter(|line| !replaced.contains(line));
        let lines: Vec<_> = lines
            .map(|line| suggestion(line).unwrap_or_else(|| line.to_owned()))
            .collect();
        let text = lines.join("\n");
        let loaded = file::parse(
            &text,
            Path::new("a.yaml"),
            PathBuf::new(),
            &Environment::default(),
        );
        let config = loaded.unwrap_or_else(|error| panic!("{error}\n{text}")).config;
        assert_eq!(config.servers.len(), 2);
        assert!(config.tls.is_some());
    }
}
