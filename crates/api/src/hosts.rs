//! Which names this server answers for. A page elsewhere can make a browser resolve its own name to this machine; the
//! `Host` header gives that away.

use std::net::{IpAddr, SocketAddr};

/// The host names that requests may carry.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// Whether only loopback names and the listed ones pass.
    restricted: bool,
    listed: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(bound: &[SocketAddr], listed: &[String]) -> Self {
        let restricted =
            !listed.is_empty() || bound.iter().all(|address| address.ip().is_loopback());
        Self { restricted, listed: listed.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Whether a request for `host` (a `Host` header, with or without a port) is one for this server.
    pub(crate) fn allow(&self, host: &str) -> bool {
        if !self.restricted {
            return true;
        }
        let host = host.to_ascii_lowercase();
        let name = without_port(&host);
        is_loopback(name) || self.listed.iter().any(|listed| *listed == host || listed == name)
    }
}

pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') =>
        {
            name
        }
        _ => host,
    }
}

pub(crate) fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str, listed: &[&str]) -> Hosts {
        let listed: Vec<String> = listed.iter().map(|&host| host.to_owned()).collect();
        Hosts::new(&[bound.parse().unwrap()], &listed)
    }

    #[test]
    fn a_loopback_server_answers_for_loopback_names_only() {
        let hosts = hosts("127.0.0.1:8689", &[]);
        for good in
            ["localhost", "LOCALHOST:8689", "127.0.0.1:8689", "127.9.9.9", "[::1]:8689", "[::1]"]
        {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:8689",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }

    #[test]
    fn listed_names_pass_with_and_without_a_port() {
        let hosts = hosts("127.0.0.1:8689", &["Deck.example", "other.example:444"]);
        assert!(
            hosts.allow("deck.example")
                && hosts.allow("deck.example:443")
                && hosts.allow("other.example:444")
        );
        assert!(!hosts.allow("other.example:445"));
    }

    #[test]
    fn a_server_for_others_answers_for_every_name_unless_some_are_listed() {
        assert!(hosts("0.0.0.0:8689", &[]).allow("deck.example"));
        assert!(!hosts("0.0.0.0:8689", &["deck.example"]).allow("evil.example"));
    }
}
