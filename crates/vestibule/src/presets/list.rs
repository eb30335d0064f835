//! The files. A test sees that none is forgotten.

/// Providers, for connectors.
pub(super) const PROVIDERS: &[(&str, &str)] = &[
    ("gitea", include_str!("../../presets/providers/gitea.yaml")),
    ("forgejo", include_str!("../../presets/providers/forgejo.yaml")),
    ("github", include_str!("../../presets/providers/github.yaml")),
    (
        "github-app",
        include_str!("../../presets/providers/github-app.yaml"),
    ),
    (
        "github-enterprise",
        include_str!("../../presets/providers/github-enterprise.yaml"),
    ),
    ("gitlab", include_str!("../../presets/providers/gitlab.yaml")),
    (
        "jira-data-center",
        include_str!("../../presets/providers/jira-data-center.yaml"),
    ),
    (
        "confluence-data-center",
        include_str!("../../presets/providers/confluence-data-center.yaml"),
    ),
    (
        "atlassian-cloud",
        include_str!("../../presets/providers/atlassian-cloud.yaml"),
    ),
    ("sentry", include_str!("../../presets/providers/sentry.yaml")),
    ("slack", include_str!("../../presets/providers/slack.yaml")),
    (
        "slack-mcp",
        include_str!("../../presets/providers/slack-mcp.yaml"),
    ),
    ("notion", include_str!("../../presets/providers/notion.yaml")),
    ("google", include_str!("../../presets/providers/google.yaml")),
    (
        "microsoft",
        include_str!("../../presets/providers/microsoft.yaml"),
    ),
];

/// MCP servers and plain HTTP APIs, for what is shown to them.
pub(super) const SERVERS: &[(&str, &str)] = &[
    ("gitea-mcp", include_str!("../../presets/servers/gitea-mcp.yaml")),
    (
        "github-mcp-server",
        include_str!("../../presets/servers/github-mcp-server.yaml"),
    ),
    (
        "gitlab-mcp",
        include_str!("../../presets/servers/gitlab-mcp.yaml"),
    ),
    (
        "mcp-atlassian-jira",
        include_str!("../../presets/servers/mcp-atlassian-jira.yaml"),
    ),
    (
        "mcp-atlassian-confluence",
        include_str!("../../presets/servers/mcp-atlassian-confluence.yaml"),
    ),
    (
        "mcp-atlassian-cloud",
        include_str!("../../presets/servers/mcp-atlassian-cloud.yaml"),
    ),
    (
        "sentry-mcp",
        include_str!("../../presets/servers/sentry-mcp.yaml"),
    ),
    (
        "mcp-grafana",
        include_str!("../../presets/servers/mcp-grafana.yaml"),
    ),
    (
        "notion-mcp",
        include_str!("../../presets/servers/notion-mcp.yaml"),
    ),
    (
        "notion-mcp-server",
        include_str!("../../presets/servers/notion-mcp-server.yaml"),
    ),
    ("slack-mcp", include_str!("../../presets/servers/slack-mcp.yaml")),
    ("gitea-api", include_str!("../../presets/servers/gitea-api.yaml")),
    (
        "gitlab-api",
        include_str!("../../presets/servers/gitlab-api.yaml"),
    ),
    (
        "gitlab-git",
        include_str!("../../presets/servers/gitlab-git.yaml"),
    ),
    ("jira-api", include_str!("../../presets/servers/jira-api.yaml")),
];

/// Providers at which people sign in.
pub(super) const SIGN_IN: &[(&str, &str)] = &[
    ("gitea", include_str!("../../presets/sign-in/gitea.yaml")),
    ("forgejo", include_str!("../../presets/sign-in/forgejo.yaml")),
    ("gitlab", include_str!("../../presets/sign-in/gitlab.yaml")),
    ("github", include_str!("../../presets/sign-in/github.yaml")),
    (
        "github-enterprise",
        include_str!("../../presets/sign-in/github-enterprise.yaml"),
    ),
    ("google", include_str!("../../presets/sign-in/google.yaml")),
    ("entra", include_str!("../../presets/sign-in/entra.yaml")),
];
