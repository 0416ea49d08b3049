//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderName, USER_AGENT};
use actix_web::{HttpRequest, web};
use pilotdeck_domain::identity::UserAgent;
use pilotdeck_services::identity::Origin;

use crate::server::Surface;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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
    // Each proxy adds its peer at the end, to the header that it got or as a header of its own.
    let hops: Vec<&str> = request
        .headers()
        .get_all(&FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    Some(beyond(peer, &hops, &surface.setup.trusted_proxies))
}

/// The nearest address that is no trusted proxy. What lies beyond it, or beyond a hop that is no address, was written
/// by nobody we trust.
fn beyond(peer: IpAddr, hops: &[&str], trusted: &[IpAddr]) -> IpAddr {
    let mut nearest = peer.to_canonical();
    for hop in hops.iter().rev() {
        if !trusted.iter().any(|proxy| proxy.to_canonical() == nearest) {
            break;
        }
        let Some(next) = parse(hop.trim()) else { break };
        nearest = next.to_canonical();
    }
    nearest
}

/// An address, with or without a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, hops: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpAddr> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        beyond(peer.parse().unwrap(), hops, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_saw() {
        for (peer, hops, trusted, expected) in [
            ("9.9.9.9", &["1.1.1.1"] as &[_], &[] as &[_], "9.9.9.9"),
            ("9.9.9.9", &["1.1.1.1"], &["10.0.0.1"], "9.9.9.9"),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1"], &["10.0.0.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1", "10.0.0.2"], &["10.0.0.1", "10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6", "unknown"], &["10.0.0.1"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6", ""], &["10.0.0.1"], "10.0.0.1"),
            ("10.0.0.1", &[" 1.1.1.1:4711 "], &["10.0.0.1"], "1.1.1.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], &["10.0.0.1"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], &["10.0.0.1"], "1.1.1.1"),
            ("10.0.0.1", &[], &["10.0.0.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, hops, trusted), expected, "{peer} {hops:?} {trusted:?}");
        }
    }
}
