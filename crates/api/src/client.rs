//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{FORWARDED, HOST, HeaderMap, HeaderName, USER_AGENT, VIA};
use actix_web::{HttpRequest, web};
use ipnet::IpNet;
use pilotdeck_domain::identity::UserAgent;
use pilotdeck_services::identity::Origin;

use crate::hosts;
use crate::server::Surface;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What proxies add. A request with any of them did not come straight from a program on this machine.
const OF_PROXIES: [HeaderName; 6] = [
    FORWARDED_FOR,
    FORWARDED,
    VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// Where the client comes from, as its sessions remember it.
pub(crate) fn origin(request: &HttpRequest) -> Origin {
    let agent = request.headers().get(USER_AGENT);
    Origin {
        address: address(request),
        user_agent: agent.and_then(|agent| UserAgent::of_header(agent.as_bytes())),
    }
}

/// The address of the client: the peer, or what trusted proxies say of it.
pub(crate) fn address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let surface = request.app_data::<web::Data<Surface>>().expect("the server has a surface");
    Some(of(peer, request.headers(), &surface.setup.trusted_proxies))
}

/// Whether a program on this machine asks, and no proxy brought the request.
pub(crate) fn is_local(request: &ServiceRequest) -> bool {
    let surface = request.app_data::<web::Data<Surface>>().expect("the server has a surface");
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return false };
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    peer.is_loopback()
        && !is_trusted(peer, &surface.setup.trusted_proxies)
        && hosts::is_loopback(hosts::without_port(host))
        && !is_proxied(headers)
}

/// Whether a proxy brought the request though none is expected: whoever sent it may be anywhere.
pub(crate) fn is_by_unknown_proxy(request: &ServiceRequest, trusted: &[IpNet]) -> bool {
    trusted.is_empty() && is_proxied(request.headers())
}

fn is_proxied(headers: &HeaderMap) -> bool {
    OF_PROXIES.iter().any(|name| headers.contains_key(name))
}

fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    // Each proxy adds its peer at the end, to the header that it got or as a header of its own.
    let elements = |name: &HeaderName| -> Vec<&str> {
        headers
            .get_all(name)
            // What is no text is still a hop: one that is no address.
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .collect()
    };
    let hops = elements(&FORWARDED_FOR);
    if !hops.is_empty() {
        return beyond(peer, &hops, trusted);
    }
    let hops: Vec<&str> = elements(&FORWARDED).into_iter().map(forwarded_for).collect();
    beyond(peer, &hops, trusted)
}

/// The nearest address that is no trusted proxy. What lies beyond it, or beyond a hop that is no address, was written
/// by nobody we trust.
fn beyond(peer: IpAddr, hops: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer.to_canonical();
    for hop in hops.iter().rev() {
        if !is_trusted(nearest, trusted) {
            break;
        }
        let Some(next) = parse(hop.trim()) else { break };
        nearest = next.to_canonical();
    }
    nearest
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|proxies| proxies.contains(&address))
}

/// What an element of `Forwarded` says of the client; nothing that is an address if it says it twice or not at all.
fn forwarded_for(element: &str) -> &str {
    let mut said = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    match (said.next(), said.next()) {
        (Some(value), None) => {
            let unquoted =
                value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            unquoted.trim()
        }
        _ => "",
    }
}

/// An address, with or without a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(HeaderName, &str)], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|proxy| {
                proxy.parse().unwrap_or_else(|_| IpNet::from(proxy.parse::<IpAddr>().unwrap()))
            })
            .collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                name.clone(),
                actix_web::http::header::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        of(peer.parse().unwrap(), &map, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_saw() {
        let proxies = ["10.0.0.1", "10.0.0.2", "192.168.0.0/16", "2001:db8:1::/48"];
        for (peer, hops, trusted, expected) in [
            ("9.9.9.9", "1.1.1.1", &[] as &[_], "9.9.9.9"),
            ("9.9.9.9", "1.1.1.1", &proxies, "9.9.9.9"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1", &proxies, "1.1.1.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", &proxies, "1.1.1.1"),
            ("10.0.0.1", "6.6.6.6, unknown", &proxies, "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, ", &proxies, "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1:99999", &proxies, "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1 7.7.7.7", &proxies, "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 你", &proxies, "10.0.0.1"),
            ("10.0.0.1", " 1.1.1.1:4711 ", &proxies, "1.1.1.1"),
            ("10.0.0.1", "[2001:db8::1]:4711", &proxies, "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]", &proxies, "2001:db8::1"),
            ("10.0.0.1", "2001:db8::1", &proxies, "2001:db8::1"),
            ("::ffff:10.0.0.1", "::ffff:1.1.1.1", &proxies, "1.1.1.1"),
            ("192.168.7.8", "6.6.6.6, 1.1.1.1, 192.168.255.1", &proxies, "1.1.1.1"),
            ("192.169.0.1", "1.1.1.1", &proxies, "192.169.0.1"),
            ("2001:db8:1::7", "2001:db8:2::1", &proxies, "2001:db8:2::1"),
            ("2001:db8:2::7", "2001:db8:2::1", &proxies, "2001:db8:2::7"),
            ("10.0.0.1", "10.0.0.2, 192.168.1.1", &proxies, "10.0.0.2"),
        ] {
            let found = client(peer, &[(FORWARDED_FOR, hops)], trusted);
            assert_eq!(found, expected, "{peer} {hops:?} {trusted:?}");
        }
        assert_eq!(client("10.0.0.1", &[], &proxies), "10.0.0.1");
        let two = [(FORWARDED_FOR, "6.6.6.6, 1.1.1.1"), (FORWARDED_FOR, "10.0.0.2")];
        assert_eq!(client("10.0.0.1", &two, &proxies), "1.1.1.1");
    }

    #[test]
    fn the_standard_header_is_read_where_the_common_one_is_not_sent() {
        let proxies = ["10.0.0.0/8"];
        for (hops, expected) in [
            ("for=1.1.1.1", "1.1.1.1"),
            ("For=6.6.6.6, FOR = \"1.1.1.1:4711\" ;proto=https", "1.1.1.1"),
            ("for=6.6.6.6, by=9.9.9.9;for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("for=1.1.1.1, for=10.0.0.2", "1.1.1.1"),
            ("for=6.6.6.6, for=_hidden", "10.0.0.1"),
            ("for=6.6.6.6, for=unknown", "10.0.0.1"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
            ("for=6.6.6.6, for=1.1.1.1;for=2.2.2.2", "10.0.0.1"),
            ("for=\"a, for=1.1.1.1", "1.1.1.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[(FORWARDED, hops)], &proxies), expected, "{hops}");
            assert_eq!(client("9.9.9.9", &[(FORWARDED, hops)], &proxies), "9.9.9.9", "{hops}");
        }
        let both = [(FORWARDED, "for=6.6.6.6"), (FORWARDED_FOR, "1.1.1.1")];
        assert_eq!(client("10.0.0.1", &both, &proxies), "1.1.1.1");
    }
}
