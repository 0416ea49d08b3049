//! The settings: whether they can be read, mean something, and fit to each other.

use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};

use super::Findings;
use crate::logging;
use crate::settings::{LogSettings, ServeArgs, Settings, unknown_variables};

const CHECK: &str = "settings";
/// The shortest token that nobody guesses.
const MIN_TOKEN: usize = 20;

/// The settings, if the server would start with them.
pub(super) fn check(args: &ServeArgs, findings: &mut Findings) -> Option<Settings> {
    for (name, meant) in unknown_variables() {
        let step = match meant {
            Some(meant) => format!("call it {meant}, or remove it"),
            None => "remove it; pilotdeck --help lists what there is".to_owned(),
        };
        findings.warn(CHECK, format!("{name} is no setting, and does nothing"), step);
    }
    if let Err(error) = LogSettings::read().and_then(|settings| logging::filter(&settings)) {
        findings.fail(CHECK, format!("{error:#}"), "correct it; the server does not start before");
    }
    let settings = match Settings::read(args) {
        Ok(settings) => settings,
        Err(error) => {
            let step = "correct it; the server does not start before";
            findings.fail(CHECK, format!("{error:#}"), step);
            return None;
        }
    };
    contradictions(&settings, findings);
    if findings.is_fine(CHECK) {
        findings.ok(CHECK, "they can be read, and fit to each other");
    }
    Some(settings)
}

fn contradictions(settings: &Settings, findings: &mut Findings) {
    let tokens =
        [("PM_AGENT_TOKEN", &settings.agent_token), ("PM_ADMIN_TOKEN", &settings.admin_token)];
    let text =
        |token: &Option<SecretString>| token.as_ref().map(|token| token.expose_secret().to_owned());
    if let [Some(agent), Some(admin)] = tokens.map(|(_, token)| text(token))
        && agent == admin
    {
        let message =
            "PM_AGENT_TOKEN and PM_ADMIN_TOKEN are the same: every agent is an administrator";
        findings.fail(CHECK, message, "make a new PM_ADMIN_TOKEN: openssl rand -hex 32");
    }
    for (name, token) in tokens {
        if text(token).is_some_and(|token| token.len() < MIN_TOKEN) {
            let step = format!("make a longer one: {name}=$(openssl rand -hex 32)");
            findings.warn(CHECK, format!("{name} is short enough to be guessed"), step);
        }
    }
    for host in &settings.allowed_hosts {
        if host.contains('/') || host.contains('*') {
            let message = format!("PM_ALLOWED_HOSTS has {host}, which no request can carry");
            findings.warn(
                CHECK,
                message,
                "name hosts only, such as deck.example or deck.example:8443",
            );
        }
    }
    for origin in &settings.allowed_origins {
        if settings.secure_cookie && origin.starts_with("http://") && !is_this_machine(origin) {
            let message = format!(
                "pages of {origin} are allowed, and do not get the cookie, which is for HTTPS only"
            );
            findings.warn(CHECK, message, "serve those pages over HTTPS, or remove the origin");
        }
    }
    if settings.secure_cookie && !settings.is_reachable() {
        findings.warn(
            CHECK,
            "SESSION_COOKIE_SECURE is on, and there is no HTTPS: some browsers do not sign in",
            "remove it, or say which proxy speaks HTTPS (PM_TRUSTED_PROXIES)",
        );
    }
}

fn is_this_machine(origin: &str) -> bool {
    let host = origin.trim_start_matches("http://");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
