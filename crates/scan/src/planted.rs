//! A home folder of sixty files for tests: credentials that nobody has where people keep theirs, and what merely looks like
//! some. They are made when the test runs, so that nothing like a credential lies in this repository.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use data_encoding::BASE64;
use keys::sha256;

use crate::checksum::Checksum;

pub(crate) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// What was planted.
#[derive(Debug, Default)]
pub struct Planted {
    /// The file below the home folder, and the rule that must find what is in it.
    pub credentials: Vec<(String, &'static str)>,
    /// Every secret, in every form in which it lies there.
    pub secrets: Vec<String>,
    /// How many files there are.
    pub files: usize,
}

/// A text that looks random and is the same each time.
pub(crate) fn random(seed: &str, letters: &str, length: usize) -> String {
    let letters = letters.as_bytes();
    let mut text = String::new();
    for block in 0_u32.. {
        for byte in sha256(format!("{seed} {block}").as_bytes()) {
            if text.len() == length {
                return text;
            }
            text.push(
                letters
                    .get(usize::from(byte) % letters.len())
                    .map_or('0', |letter| char::from(*letter)),
            );
        }
    }
    text
}

fn github(kind: &str, seed: &str) -> String {
    Checksum::Crc32Base62.complete(kind, &random(seed, ALNUM, 30))
}

struct Planter<'a> {
    home: &'a Path,
    planted: Planted,
}

impl Planter<'_> {
    fn file(&mut self, path: &str, mode: u32, text: &str) -> io::Result<()> {
        let path = self.home.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        self.planted.files += 1;
        Ok(())
    }

    /// A file with one secret, where `§` stands in its text.
    fn secret(&mut self, path: &str, rule: &'static str, secret: &str, text: &str) -> io::Result<()> {
        self.planted.credentials.push((path.to_owned(), rule));
        self.planted.secrets.push(secret.to_owned());
        self.file(path, 0o600, &text.replace('§', secret))
    }

    fn decoy(&mut self, path: &str, text: &str) -> io::Result<()> {
        self.file(path, 0o644, text)
    }
}

/// Plants a home folder.
pub fn home(home: &Path) -> io::Result<Planted> {
    let mut planter = Planter {
        home,
        planted: Planted::default(),
    };
    clients(&mut planter)?;
    tools(&mut planter)?;
    shells_and_projects(&mut planter)?;
    decoys(&mut planter)?;
    Ok(planter.planted)
}

/// What eleven clients and more keep.
fn clients(to: &mut Planter<'_>) -> io::Result<()> {
    let hex = |seed: &str, length| random(seed, HEX, length);
    to.secret(
        ".cursor/mcp.json",
        "github-pat",
        &github("ghp_", "cursor"),
        r#"{"mcpServers": {"github": {"command": "npx", "args": ["-y", "server-github"], "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "§"}}}}"#,
    )?;
    to.secret(
        ".claude.json",
        "named-token",
        &hex("claude code", 40),
        r#"{"numStartups": 12, "projects": {"/home/ana/x": {"mcpServers": {"gitea": {"type": "stdio", "command": "gitea-mcp", "args": ["-t", "stdio"], "env": {"GITEA_HOST": "https://git.example.com", "GITEA_ACCESS_TOKEN": "§"}}}}}}"#,
    )?;
    to.secret(
        ".config/Claude/claude_desktop_config.json",
        "named-token",
        &random("desktop", ALNUM, 44),
        "{\n  \"mcpServers\": {\n    \"jira\": {\n      \"command\": \"uvx\",\n      \"args\": [\"mcp-atlassian\", \"--jira-url\", \"https://jira.example.com\", \"--jira-personal-token\", \"§\"]\n    }\n  }\n}\n",
    )?;
    to.secret(
        ".config/Code/User/mcp.json",
        "gitlab-pat",
        &format!("glpat-{}", random("vscode", ALNUM, 20)),
        "{\n  // mine\n  \"servers\": {\n    \"gitlab\": {\"type\": \"http\", \"url\": \"https://gitlab.example.com/mcp\", \"headers\": {\"PRIVATE-TOKEN\": \"§\",},},\n  },\n}\n",
    )?;
    to.secret(
        ".config/Code/User/settings.json",
        "authorization-header",
        &random("settings", ALNUM, 36),
        "{\"editor.fontSize\": 14, \"mcp\": {\"servers\": {\"own\": {\"url\": \"https://own.example.com/mcp\", \"headers\": {\"Authorization\": \"Bearer §\"}}}}}",
    )?;
    to.secret(
        ".codex/config.toml",
        "sentry-user-token",
        &format!("sntryu_{}", hex("codex", 64)),
        "model = \"o5\"\n\n[mcp_servers.sentry]\ncommand = \"npx\"\nargs = [\"@sentry/mcp-server\"]\n\n[mcp_servers.sentry.env]\nSENTRY_ACCESS_TOKEN = '§'\n",
    )?;
    to.secret(
        ".codeium/windsurf/mcp_config.json",
        "slack-bot",
        &format!(
            "xoxb-{}-{}",
            random("a", "123456789", 12),
            random("windsurf", ALNUM, 24)
        ),
        r#"{"mcpServers": {"slack": {"command": "slack-mcp", "env": {"SLACK_MCP_XOXB_TOKEN": "§"}}}}"#,
    )?;
    to.secret(
        ".config/zed/settings.json",
        "notion-token",
        &format!("ntn_{}", random("zed", ALNUM, 46)),
        r#"{"theme": "One Dark", "context_servers": {"notion": {"command": "npx", "args": [], "env": {"OPENAPI_MCP_HEADERS": "{\"Authorization\": \"Bearer §\", \"Notion-Version\": \"2022-06-28\"}"}}}}"#,
    )?;
    to.secret(
        ".gemini/settings.json",
        "grafana-service-account",
        &format!("glsa_{}_{}", random("gemini", ALNUM, 32), hex("sum", 8)),
        r#"{"mcpServers": {"grafana": {"httpUrl": "https://grafana.example.com/mcp", "headers": {"X-Grafana-Service-Account-Token": "§"}}}}"#,
    )?;
    to.secret(
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        "linear-api-key",
        &format!("lin_api_{}", random("cline", ALNUM, 40)),
        r#"{"mcpServers": {"linear": {"command": "npx", "args": ["mcp-remote", "https://mcp.linear.app/sse", "--header", "Authorization: §"]}}}"#,
    )?;
    to.secret(
        ".continue/config.yaml",
        "openai-project-key",
        &format!("sk-proj-{}", random("continue", ALNUM, 74)),
        "models:\n  - name: gpt\n    provider: openai\n    apiKey: §\nmcpServers:\n  - name: docs\n    url: https://docs.example.com/mcp\n",
    )?;
    to.secret(
        ".continue/mcpServers/figma.yaml",
        "figma-pat",
        &format!("figd_{}", random("figma", ALNUM, 40)),
        "mcpServers:\n  - name: Figma\n    command: npx\n    args:\n      - figma-mcp\n      - --figma-api-key=§\n",
    )?;
    to.secret(
        ".config/goose/config.yaml",
        "huggingface-token",
        &format!("hf_{}", random("goose", "abcdefghijkLMNOPQRSTuvwxyzXYZ", 34)),
        "extensions:\n  hf:\n    type: stdio\n    cmd: hf-mcp\n    envs:\n      HF_TOKEN: \"§\"\n",
    )?;
    to.secret(
        ".config/amp/settings.json",
        "url-token",
        &random("amp", ALNUM, 32),
        r#"{"amp.mcpServers": {"search": {"url": "https://search.example.com/mcp?api_key=§"}}}"#,
    )?;
    to.secret(
        ".config/opencode/opencode.json",
        "vestibule-service-token",
        &Checksum::Crc32Base32.complete("vst_st_", &random("opencode", BASE32, 52)),
        r#"{"mcp": {"door": {"type": "remote", "url": "https://mcp.example.com/mcp/gitea", "headers": {"Authorization": "Bearer §"}}}}"#,
    )
}

/// What tools keep.
fn tools(to: &mut Planter<'_>) -> io::Result<()> {
    let hex = |seed: &str, length| random(seed, HEX, length);
    let password = |seed: &str| format!("{}!{}", random(seed, ALNUM, 9), random(seed, HEX, 3));
    to.secret(
        ".netrc",
        "named-password",
        &password("netrc"),
        "machine git.example.com\n  login ana\n  password §\n",
    )?;
    to.secret(
        ".git-credentials",
        "url-password",
        &hex("credentials", 40),
        "https://ana:§@git.example.com\n",
    )?;
    to.secret(
        ".npmrc",
        "npm-access-token",
        &Checksum::Crc32Base62.complete("npm_", &random("npm", ALNUM, 30)),
        "registry=https://npm.example.com/\n//npm.example.com/:_authToken=§\n",
    )?;
    to.secret(
        ".pypirc",
        "pypi-token",
        &format!("pypi-AgEIcHlwaS5vcmc{}", random("pypi", ALNUM, 120)),
        "[distutils]\nindex-servers = pypi\n[pypi]\nusername = __token__\npassword = §\n",
    )?;
    let pair = BASE64.encode(format!("ana:{}", password("docker")).as_bytes());
    to.secret(
        ".docker/config.json",
        "basic-credentials",
        &pair,
        r#"{"auths": {"registry.example.com": {"auth": "§"}}, "credsStore": ""}"#,
    )?;
    to.secret(".kube/config", "named-token", &random("kube", ALNUM, 64), "apiVersion: v1\nkind: Config\nclusters:\n- name: prod\n  cluster:\n    server: https://k8s.example.com:6443\nusers:\n- name: ana\n  user:\n    token: §\n")?;
    to.secret(
        ".config/gh/hosts.yml",
        "github-oauth",
        &github("gho_", "gh"),
        "github.com:\n    user: ana\n    oauth_token: §\n    git_protocol: https\n",
    )?;
    to.secret(
        ".config/glab-cli/config.yml",
        "gitlab-pat",
        &format!("glpat-{}", random("glab", ALNUM, 20)),
        "hosts:\n    gitlab.example.com:\n        token: §\n        api_protocol: https\n",
    )?;
    to.secret(".config/tea/config.yml", "named-token", &hex("tea", 40), "logins:\n    - name: work\n      url: https://git.example.com\n      token: §\n      default: true\n")?;
    to.secret(
        ".aws/credentials",
        "named-token",
        &random("aws", ALNUM, 40),
        "[default]\naws_secret_access_key = §\nregion = eu-central-1\n",
    )?;
    to.secret(
        ".cargo/credentials.toml",
        "crates-io-token",
        &format!("cio{}", random("crates", ALNUM, 32)),
        "[registry]\ntoken = \"§\"\n",
    )?;
    to.secret(
        ".config/rclone/rclone.conf",
        "named-password",
        &password("rclone"),
        "[box]\ntype = webdav\nurl = https://box.example.com\npass = §\n",
    )?;
    let key = BASE64.encode(random("ssh", ALNUM, 300).as_bytes());
    to.secret(
        ".ssh/id_ed25519",
        "private-key",
        &key,
        &format!("-----BEGIN {0} KEY-----\n§\n-----END {0} KEY-----\n", "PRIVATE"),
    )?;
    to.secret(
        ".m2/settings.xml",
        "github-fine-grained-pat",
        &format!(
            "github_pat_{}_{}",
            random("m2", ALNUM, 22),
            random("m3", ALNUM, 59)
        ),
        "<settings><servers><server><id>gh</id><password>§</password></server></servers></settings>\n",
    )
}

fn shells_and_projects(to: &mut Planter<'_>) -> io::Result<()> {
    to.secret(
        ".bashrc",
        "anthropic-api-key",
        &format!("sk-ant-api03-{}", random("bashrc", ALNUM, 95)),
        "alias ll='ls -l'\nexport ANTHROPIC_API_KEY=\"§\"\n",
    )?;
    to.secret(
        ".zshrc",
        "named-token",
        &random("zsh", ALNUM, 32),
        "export PATH=$PATH:/opt/bin\nexport JIRA_API_TOKEN=§ # mine\n",
    )?;
    to.secret(
        ".config/fish/config.fish",
        "digitalocean-token",
        &format!("dop_v1_{}", random("fish", HEX, 64)),
        "set -gx DIGITALOCEAN_TOKEN §\n",
    )?;
    to.secret(
        "work/shop/.env",
        "stripe-live-key",
        &format!("sk_live_{}", random("stripe", ALNUM, 32)),
        "PORT=8080\nSTRIPE_SECRET_KEY=§\nDATABASE_POOL=5\n",
    )?;
    to.secret(
        "work/shop/.env.local",
        "url-password",
        &random("db", ALNUM, 18),
        "DATABASE_URL=postgres://shop:§@db.internal:5432/shop\n",
    )?;
    to.secret("work/shop/.vscode/mcp.json", "github-app-user", &github("ghu_", "project"), r#"{"servers": {"github": {"url": "https://api.githubcopilot.com/mcp/", "headers": {"Authorization": "Bearer §"}}}}"#)?;
    to.secret(
        "work/bot/.mcp.json",
        "telegram-bot",
        &format!("{}:AA{}", random("t", "123456789", 10), random("bot", ALNUM, 33)),
        r#"{"mcpServers": {"tg": {"command": "tg-mcp", "env": {"BOT": "§"}}}}"#,
    )?;
    to.secret(
        "Dropbox/notes/.env",
        "sendgrid-key",
        &format!("SG.{}.{}", random("sg", ALNUM, 22), random("grid", ALNUM, 43)),
        "SENDGRID=§\n",
    )?;
    to.secret(
        "work/wide/.env",
        "groq-key",
        &format!("gsk_{}", random("wide", ALNUM, 52)),
        "GROQ_API_KEY=§\r\n",
    )?;
    // As PowerShell writes it.
    let path = to.home.join("work/wide/.env");
    let text = fs::read_to_string(&path)?;
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    fs::write(&path, wide)?;
    to.secret(
        "work/clone/.git/config",
        "github-app-installation",
        &github("ghs_", "remote"),
        "[remote \"origin\"]\n\turl = https://x-access-token:§@github.com/a/b\n",
    )?;
    // The same token twice: two places, one credential.
    to.secret(
        "work/copy/.env",
        "github-pat",
        &github("ghp_", "cursor"),
        "GITHUB_TOKEN=§\n",
    )
}

/// What is no credential.
fn decoys(to: &mut Planter<'_>) -> io::Result<()> {
    let wrong_sum = format!("ghp_{}", random("wrong", ALNUM, 36));
    let files: [(&str, &str); 20] = [
        (
            "work/docs/.env.example",
            "GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nAPI_KEY=<your key>\nDB_PASSWORD=changeme\nSECRET=your-secret-here\n",
        ),
        (
            "work/docs/.env.sample",
            "TOKEN=${TOKEN}\nA_TOKEN=$(pass show a)\nB_TOKEN=op://vault/b/token\nC_TOKEN=\"{{ c_token }}\"\nD_PASSWORD_FILE=/run/secrets/d\n",
        ),
        (
            ".windsurf/mcp.json",
            r#"{"mcpServers": {"github": {"command": "npx", "env": {"GITHUB_TOKEN": "${env:GITHUB_TOKEN}"}}}}"#,
        ),
        (
            ".roo/mcp.json",
            r#"{"mcpServers": {"door": {"url": "https://mcp.example.com/mcp/gitea"}}}"#,
        ),
        (
            ".lmstudio/mcp.json",
            r#"{"mcpServers": {"a": {"command": "a", "args": ["--token-file", "/run/secrets/a", "--max-tokens", "128000"]}}}"#,
        ),
        (
            ".gitconfig",
            "[user]\n\tname = Ana Lee\n\temail = ana@example.com\n\tsigningkey = ~/.ssh/id_ed25519.pub\n[credential]\n\thelper = cache\n",
        ),
        (
            ".profile",
            "export LANG=en_US.UTF-8\nexport LESS_TERMCAP_md=$'\\e[01;31m'\nexport KEYTIMEOUT=1\n",
        ),
        (
            ".zshenv",
            "export GPG_TTY=$(tty)\nexport SSH_AUTH_SOCK=/run/user/1000/keyring/ssh\n",
        ),
        (
            ".zprofile",
            "eval \"$(brew shellenv)\"\nexport GITHUB_TOKEN=\"$(gh auth token)\"\n",
        ),
        (
            "work/site/.envrc",
            "source_up\nexport AWS_PROFILE=work\nexport VAULT_ADDR=https://vault.example.com:8200\nexport VAULT_TOKEN=`cat ~/.vault-token`\n",
        ),
        (
            "work/site/.env.test",
            "DB_PASSWORD=postgres\nSECRET_KEY=test\nTOKEN_TTL=3600\nMAX_TOKENS=4096\nSESSION_SECRET=0123456789abcdef0123456789abcdef\n",
        ),
        (
            "work/site/.env.production",
            "COMMIT=9fceb02d0ae598e95dc970b74767f19372d61af8\nIMAGE=registry.example.com/a@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\nAPI_URL=https://api.example.com/v1\nPUBLIC_KEY=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9x\n",
        ),
        (
            ".config/zed/keymap.json",
            r#"[{"bindings": {"ctrl-k ctrl-s": "zed::OpenKeymap"}}]"#,
        ),
        (
            ".aws/config",
            "[default]\nregion = eu-central-1\nsso_start_url = https://example.awsapps.com/start\n",
        ),
        (
            ".yarnrc.yml",
            "nodeLinker: node-modules\nnpmAuthToken: \"${NPM_TOKEN}\"\n",
        ),
        (
            ".terraformrc",
            "plugin_cache_dir = \"$HOME/.terraform.d/plugin-cache\"\n",
        ),
        (
            "work/site/deploy.env",
            "OAUTH_CLIENT_ID=5f1c7a3e-9d2b-4c58-8e0f-6a7b8c9d0e1f\nOAUTH_TOKEN_URL=https://login.example.com/oauth/token\nOTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20${OTEL}\n",
        ),
        (
            "work/site/.kiro/settings/mcp.json",
            r#"{"mcpServers": {"x": {"command": "docker", "args": ["run", "-e", "GITHUB_TOKEN", "-e", "API_KEY=$API_KEY", "ghcr.io/github/github-mcp-server"]}}}"#,
        ),
        ("work/site/.env.ci", "GITHUB_TOKEN=§\n"),
        ("work/site/.env.allowed", "GITHUB_TOKEN=§ # vestibule:allow\n"),
    ];
    for (path, text) in files {
        // One whose checksum is wrong is none, and one that is allowed is left alone.
        let token = if path.ends_with("allowed") {
            github("ghp_", "allowed")
        } else {
            wrong_sum.clone()
        };
        let text = if text.contains('§') {
            text.replace('§', &token)
        } else {
            text.to_owned()
        };
        to.decoy(path, &text)?;
    }
    Ok(())
}
