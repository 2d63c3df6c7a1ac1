//! The manifest of the Slack app, with the address filled in; the file itself is `config/slack-manifest.yaml`.

/// The embedded manifest.
pub const MANIFEST: &str = include_str!("../../config/slack-manifest.yaml");

/// The address that the file has where yours belongs.
const PLACEHOLDER: &str = "https://alch.example.com";

/// The manifest for an app whose requests go to `url` (`https://host`; the path is added), or for Socket Mode, which
/// has no addresses. Without either, the placeholder stays.
pub fn render(url: Option<&str>, socket: bool) -> String {
    if socket {
        return for_socket();
    }
    match url {
        Some(url) => {
            let host = url.trim().trim_end_matches('/').trim_end_matches("/slack/events").trim_end_matches('/');
            MANIFEST.replace(PLACEHOLDER, host)
        }
        None => MANIFEST.to_owned(),
    }
}

/// The scopes that the bot asks for.
pub fn bot_scopes() -> Vec<String> {
    list(MANIFEST, "bot")
}

/// The entries of the list that follows `key` in this plain YAML, without its comments.
fn list(manifest: &str, key: &str) -> Vec<String> {
    let mut lines = manifest.lines().filter(|line| !line.trim_start().starts_with('#'));
    let found = lines.by_ref().any(|line| line.trim().strip_suffix(':') == Some(key));
    if !found {
        return Vec::new();
    }
    lines.map_while(|line| line.trim_start().strip_prefix("- ")).map(str::to_owned).collect()
}

fn for_socket() -> String {
    let mut manifest = String::with_capacity(MANIFEST.len());
    for line in MANIFEST.lines().filter(|line| !line.contains(PLACEHOLDER)) {
        if line.contains("With Socket Mode no address is needed") {
            manifest.push_str(
                "  # Needs an app-level token with connections:write (Basic Information) in SLACK_APP_TOKEN.\n",
            );
        } else if line.contains("app-level token with connections:write") {
            // The second line of the comment that was replaced.
        } else {
            manifest.push_str(&line.replace("socket_mode_enabled: false", "socket_mode_enabled: true"));
            manifest.push('\n');
        }
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scopes_are_those_needed_and_none_more() {
        let scopes = list(MANIFEST, "bot");
        let needed = [
            "commands",
            "chat:write",
            "app_mentions:read",
            "im:history",
            "users:read",
            "usergroups:read",
            "channels:read",
            "groups:read",
            "im:write",
            "channels:history",
            "groups:history",
            "files:write",
        ];
        assert_eq!(scopes, needed);
        assert_eq!(list(MANIFEST, "bot_events"), ["app_mention", "message.im", "app_home_opened"]);
    }

    #[test]
    fn each_scope_says_why() {
        let lines: Vec<&str> = MANIFEST.lines().map(str::trim).collect();
        for scope in list(MANIFEST, "bot") {
            let at = lines.iter().position(|line| *line == format!("- {scope}")).expect("listed");
            assert!(lines[at - 1].starts_with("# "), "{scope}");
        }
    }

    #[test]
    fn the_address_is_filled_in_everywhere() {
        for url in ["https://bot.acme.test", "https://bot.acme.test/", "https://bot.acme.test/slack/events"] {
            let manifest = render(Some(url), false);
            assert_eq!(manifest.matches("https://bot.acme.test/slack/events\n").count(), 3, "{url}");
            assert!(!manifest.contains("example.com"));
        }
        assert_eq!(render(None, false), MANIFEST);
    }

    #[test]
    fn socket_mode_has_no_address() {
        let manifest = render(Some("https://bot.acme.test"), true);
        assert!(manifest.contains("  socket_mode_enabled: true\n"), "{manifest}");
        assert!(!manifest.contains("/slack/events"));
        assert!(!manifest.contains("request_url"));
        assert!(manifest.contains("app-level token"));
    }

    #[test]
    fn it_is_plain_yaml() {
        for manifest in [render(None, false), render(None, true)] {
            for line in manifest.lines() {
                let indent = line.len() - line.trim_start().len();
                assert!(!line.contains('\t') && indent % 2 == 0, "{line}");
            }
            for key in ["_metadata:", "display_information:", "features:", "oauth_config:", "settings:"] {
                assert!(manifest.lines().any(|line| line == key), "{key}");
            }
            for fact in ["should_escape: true", "org_deploy_enabled: false", "token_rotation_enabled: false"] {
                assert!(manifest.contains(fact), "{fact}");
            }
            assert!(manifest.contains("messages_tab_read_only_enabled: false"));
        }
    }
}
