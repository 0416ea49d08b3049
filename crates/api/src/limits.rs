//! How many requests a minute a caller may make.
//!
//! People and the keys of people are counted one by one; agents and the administrator's scripts, which share a token, by the network that they
//! come from; so is whoever has no credential. A network is an IPv4 address, or the 64 bits of an IPv6 address that are
//! given to one customer.
//!
//! The counters are a fixed table of numbers that are changed without a lock: whoever comes from ever more addresses gets no
//! memory for it. Two callers may share a place in it, and nobody can choose with whom: the places are drawn with a secret.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, ResponseError as _, web};
use chrono::{DateTime, Utc};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use pilotdeck_domain::identity::{Actor, ActorKind, Permission};
use pilotdeck_services::Services;

use crate::client;
use crate::console::is_for_people;
use crate::error::{ApiError, ErrorCode};
use crate::server::Surface;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// What browsers may show to pages of the listed origins.
pub(crate) const HEADERS: [&str; 3] =
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
/// What is never refused: whoever looks after the server has to see it when it has the most to do.
pub(crate) const EXEMPT: [&str; 5] =
    ["/health", "/health/live", "/health/ready", "/api/health", "/metrics"];
/// Places of the table; they take 512 KiB for each kind of caller.
const PLACES: usize = 1 << 16;

/// Requests a minute that one caller may make; 0 is as many as they like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// A person who signed in, or one of a person's keys.
    pub people: u32,
    /// The holders of a token in one network, or everybody there where agents need none.
    pub tokens: u32,
    /// Whoever has no credential, by network.
    pub strangers: u32,
}

/// Who is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallerKind {
    /// A person, or a person's key.
    Person,
    /// The holders of a token.
    Token,
    /// Whoever has no credential.
    Stranger,
}

impl CallerKind {
    pub(crate) const ALL: [Self; 3] = [Self::Person, Self::Token, Self::Stranger];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Token => "token",
            Self::Stranger => "stranger",
        }
    }
}

/// The counters of a server.
pub(crate) struct Limiters {
    /// In the order of [`CallerKind`].
    limiters: [Option<Limiter<MonotonicClock>>; 3],
    secret: RandomState,
}

impl Limiters {
    pub(crate) fn new(limits: Limits) -> Self {
        let limiters = [limits.people, limits.tokens, limits.strangers]
            .map(|limit| Limiter::new(limit, PLACES, MonotonicClock));
        Self { limiters, secret: RandomState::new() }
    }

    /// Whether anybody is counted at all.
    pub(crate) fn are_on(&self) -> bool {
        self.limiters.iter().any(Option::is_some)
    }

    fn take(&self, request: &ServiceRequest) -> Option<(CallerKind, Result<Budget, Budget>)> {
        let extensions = request.extensions();
        let actor = extensions.get::<Actor>()?;
        let network = || self.secret.hash_one(client::address(request.request()).map(network));
        let author = actor.require(Permission::Public).ok()?;
        let (kind, place) = match (&author.id, author.kind) {
            (Some(id), kind) => (CallerKind::Person, self.secret.hash_one((kind.as_str(), id))),
            (None, ActorKind::Anybody) if actor.require(Permission::ReadProjects).is_err() => {
                (CallerKind::Stranger, network())
            }
            (None, _) => (CallerKind::Token, network()),
        };
        Some((kind, self.limiters[kind as usize].as_ref()?.take(place)))
    }
}

/// The network that an address belongs to.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

/// What is left to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    limit: u32,
    remaining: u32,
    /// When it is whole again.
    reset: Duration,
    /// When the next request may be made.
    retry_after: Duration,
}

impl Budget {
    fn tell(self, headers: &mut HeaderMap, now: DateTime<Utc>) {
        let reset = now.timestamp().saturating_add_unsigned(seconds(self.reset));
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
        headers.insert(RESET, reset.into());
    }
}

/// Whole seconds that are not too few.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

struct Limiter<C: Clock> {
    limit: NonZeroU32,
    counters: RateLimiter<u64, Places, C, StateInformationMiddleware>,
}

impl<C: Clock> Limiter<C> {
    fn new(limit: u32, places: usize, clock: C) -> Option<Self> {
        let limit = NonZeroU32::new(limit)?;
        let places = Places((0..places).map(|_| InMemoryState::default()).collect());
        let counters = RateLimiter::new(Quota::per_minute(limit), places, clock);
        Some(Self { limit, counters })
    }

    /// Takes one request from the budget of `place`, if there is one left; a refused one takes nothing.
    fn take(&self, place: u64) -> Result<Budget, Budget> {
        let limit = self.limit.get();
        let one = Duration::from_mins(1) / limit;
        match self.counters.check_key(&place) {
            Ok(left) => {
                let remaining = left.remaining_burst_capacity().min(limit);
                let reset = one * (limit - remaining);
                Ok(Budget { limit, remaining, reset, retry_after: Duration::ZERO })
            }
            Err(refused) => {
                let retry_after = refused.wait_time_from(self.counters.clock().now());
                let reset = retry_after + one * (limit - 1);
                Err(Budget { limit, remaining: 0, reset, retry_after })
            }
        }
    }
}

/// The table.
#[derive(Debug)]
struct Places(Box<[InMemoryState]>);

impl StateStore for Places {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let places = u64::try_from(self.0.len()).expect("a length fits");
        let place = usize::try_from(key % places).expect("it is below a length");
        self.0[place].measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

/// Refuses requests beyond the limit, before anything is done for them.
pub(crate) async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let surface = request.app_data::<web::Data<Surface>>().expect("the server has a surface");
    let path = request.path();
    if EXEMPT.contains(&path) || is_for_people(path) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let services = request.app_data::<web::Data<Services>>().expect("the server has services");
    let clock = services.clock().clone();
    match surface.limiters.take(&request) {
        None => Ok(next.call(request).await?.map_into_boxed_body()),
        Some((_, Ok(budget))) => {
            let mut response = next.call(request).await?.map_into_boxed_body();
            budget.tell(response.headers_mut(), clock.now());
            Ok(response)
        }
        Some((kind, Err(budget))) => {
            surface.metrics.refused(kind);
            let mut response = refusal(budget).error_response();
            budget.tell(response.headers_mut(), clock.now());
            Ok(request.into_response(response))
        }
    }
}

fn refusal(budget: Budget) -> ApiError {
    let wait = seconds(budget.retry_after).max(1);
    let message = format!(
        "too many requests: {} a minute may be made; come again in {wait} seconds",
        budget.limit
    );
    ApiError::new(ErrorCode::RateLimited, message).retry_after(wait)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limiter(limit: u32, places: usize) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limiter::new(limit, places, clock.clone()).unwrap(), clock)
    }

    #[test]
    fn a_budget_is_used_up_and_comes_back_with_the_time() {
        let (limiter, clock) = limiter(60, PLACES);
        for left in (0..60).rev() {
            let budget = limiter.take(7).unwrap();
            assert_eq!((budget.limit, budget.remaining), (60, left));
            assert_eq!(seconds(budget.reset), u64::from(60 - left));
        }

        let refused = limiter.take(7).unwrap_err();
        assert_eq!(
            (refused.remaining, seconds(refused.retry_after), seconds(refused.reset)),
            (0, 1, 60)
        );
        assert!(limiter.take(8).is_ok(), "another caller");

        clock.advance(Duration::from_secs(2));
        assert!(limiter.take(7).is_ok() && limiter.take(7).is_ok());
        assert!(limiter.take(7).is_err());
    }

    #[test]
    fn refused_requests_do_not_extend_the_wait() {
        let (limiter, clock) = limiter(1, PLACES);
        limiter.take(1).unwrap();
        for waited in 0..60 {
            let refused = limiter.take(1).unwrap_err();
            assert_eq!(seconds(refused.retry_after), 60 - waited);
            clock.advance(Duration::from_secs(1));
        }

        assert!(limiter.take(1).is_ok());
    }

    #[test]
    fn any_number_of_callers_takes_the_same_memory_and_callers_of_one_place_share_it() {
        let (limiter, _) = limiter(2, 16);
        for caller in 0..32 {
            limiter.take(caller).unwrap();
        }

        assert!((0..1_000_000).all(|caller| limiter.take(caller).is_err()));
        assert_eq!(limiter.counters.into_state_store().0.len(), 16);
    }

    #[test]
    fn no_limit_is_none() {
        assert!(Limiter::new(0, 1, MonotonicClock).is_none());
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_a_customers_part_of_an_ipv6_address() {
        let of = |address: &str| network(address.parse().unwrap()).to_string();

        assert_eq!(of("10.0.0.1"), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::1"), "::");
    }
}
