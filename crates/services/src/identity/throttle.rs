//! Failed sign-ins are counted by account and network, and by network alone: an IPv4 address, or the 64 bits of an IPv6
//! address that are given to one customer, who may use any of the addresses behind them.
//!
//! The counts live in memory: whoever can restart the server needs no guessing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, Duration, Utc};
use pilotdeck_domain::identity::Username;
use sha2::{Digest as _, Sha256};

/// Failures by one account and address before they must wait.
const PER_ACCOUNT: u32 = 10;
/// Failures by one address, whatever the account: it keeps the ledger and the hashing from being flooded.
const PER_ADDRESS: u32 = 200;
/// How long failures count.
const WINDOW: Duration = Duration::minutes(15);
/// Counters kept; when there are more, those of the oldest windows go first.
const MOST: usize = 20_000;

/// What is counted together: the network, and the digest of the account's name (people type passwords there).
type Key = (Option<IpAddr>, Option<[u8; 32]>);

/// An attempt that was counted as a failure until it is forgiven.
pub(super) struct Attempt(Vec<Key>);

/// The counters.
#[derive(Default)]
pub(super) struct Throttle(HashMap<Key, Window>);

struct Window {
    began: DateTime<Utc>,
    failures: u32,
}

impl Throttle {
    /// Counts an attempt as a failure before its password is looked at, so that many at once do not slip through; or
    /// says how many seconds to wait.
    pub(super) fn begin(
        &mut self,
        username: &str,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Attempt, u64> {
        let address = address.map(network);
        // Names that are the same but for the case of their letters are one account.
        let account = Sha256::digest(Username::folded(username).as_bytes()).into();
        self.count(&[((address, Some(account)), PER_ACCOUNT), ((address, None), PER_ADDRESS)], now)
    }

    /// Counts a code that is tried for one account, wherever it comes from.
    pub(super) fn begin_guess(&mut self, id: &str, now: DateTime<Utc>) -> Result<Attempt, u64> {
        // No name to sign in with has a control character.
        let account = Sha256::new().chain_update("\ncode\n").chain_update(id).finalize().into();
        self.count(&[((None, Some(account)), PER_ACCOUNT)], now)
    }

    fn count(&mut self, limits: &[(Key, u32)], now: DateTime<Utc>) -> Result<Attempt, u64> {
        for (key, limit) in limits {
            if let Some(window) = self.0.get(key).filter(|window| now < window.began + WINDOW)
                && window.failures >= *limit
            {
                let wait = window.began + WINDOW - now;
                return Err(u64::try_from(wait.num_seconds()).unwrap_or_default() + 1);
            }
        }
        self.make_room(now);
        for (key, _) in limits {
            let window = self.0.entry(*key).or_insert(Window { began: now, failures: 0 });
            if now >= window.began + WINDOW {
                *window = Window { began: now, failures: 0 };
            }
            window.failures += 1;
        }
        Ok(Attempt(limits.iter().map(|(key, _)| *key).collect()))
    }

    /// The attempt was no failure: the account's earlier ones at this address are forgotten, too.
    pub(super) fn forgive(&mut self, attempt: &Attempt) {
        self.withdraw(attempt);
        for key in attempt.0.iter().filter(|(_, account)| account.is_some()) {
            self.0.remove(key);
        }
    }

    /// The attempt was no failure; those before it still count.
    pub(super) fn withdraw(&mut self, attempt: &Attempt) {
        for key in &attempt.0 {
            if let Some(window) = self.0.get_mut(key) {
                window.failures = window.failures.saturating_sub(1);
            }
        }
    }

    fn make_room(&mut self, now: DateTime<Utc>) {
        if self.0.len() < MOST {
            return;
        }
        self.0.retain(|_, window| now < window.began + WINDOW);
        if self.0.len() >= MOST {
            let mut began: Vec<_> = self.0.values().map(|window| window.began).collect();
            began.sort_unstable();
            let median = began[began.len() / 2];
            self.0.retain(|_, window| window.began > median);
        }
    }
}

/// The network that an address belongs to.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + minutes * 60, 0).unwrap()
    }

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn the_eleventh_failure_must_wait_until_the_window_has_passed() {
        let mut throttle = Throttle::default();
        for _ in 0..PER_ACCOUNT {
            assert!(throttle.begin("ada", HERE, at(0)).is_ok());
        }

        assert_eq!(throttle.begin("ada", HERE, at(5)).err(), Some(601));
        assert!(throttle.begin("bob", HERE, at(5)).is_ok());
        assert!(throttle.begin("ada", None, at(5)).is_ok());
        assert!(throttle.begin("ada", HERE, at(15)).is_ok());
    }

    #[test]
    fn a_success_forgets_the_failures_before_it() {
        let mut throttle = Throttle::default();
        for _ in 1..PER_ACCOUNT {
            throttle.begin("ada", HERE, at(0)).map(drop).unwrap();
        }
        let attempt = throttle.begin("ada", HERE, at(0)).map_err(drop).unwrap();
        throttle.forgive(&attempt);

        assert!(throttle.begin("ada", HERE, at(1)).is_ok());
    }

    #[test]
    fn codes_are_counted_wherever_they_come_from_and_the_case_of_a_name_does_not_matter() {
        let mut throttle = Throttle::default();
        for _ in 0..PER_ACCOUNT {
            throttle.begin_guess("user-1", at(0)).map(drop).unwrap();
            throttle.begin("ada", HERE, at(0)).map(drop).unwrap();
        }

        assert!(throttle.begin_guess("user-1", at(1)).is_err());
        assert!(throttle.begin_guess("user-2", at(1)).is_ok());
        assert!(throttle.begin(" ADA ", HERE, at(1)).is_err());
    }

    #[test]
    fn an_attempt_that_is_withdrawn_leaves_those_before_it() {
        let mut throttle = Throttle::default();
        for _ in 1..PER_ACCOUNT {
            throttle.begin("ada", HERE, at(0)).map(drop).unwrap();
        }
        for _ in 0..3 {
            let attempt = throttle.begin("ada", HERE, at(0)).map_err(drop).unwrap();
            throttle.withdraw(&attempt);
        }

        assert!(throttle.begin("ada", HERE, at(0)).is_ok());
        assert!(throttle.begin("ada", HERE, at(0)).is_err());
    }

    #[test]
    fn one_address_cannot_try_ever_more_accounts() {
        let mut throttle = Throttle::default();
        for turn in 0..PER_ADDRESS {
            assert!(throttle.begin(&format!("user-{turn}"), HERE, at(0)).is_ok());
        }

        assert!(throttle.begin("one-more", HERE, at(0)).is_err());
    }

    #[test]
    fn the_addresses_of_one_network_are_one_guesser() {
        let mut throttle = Throttle::default();
        for turn in 0..u16::try_from(PER_ACCOUNT).unwrap() {
            let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, turn, 0, 0, turn));
            assert!(throttle.begin("ada", Some(address), at(0)).is_ok());
        }

        let next = "2001:db8:1:2:ffff::1".parse().unwrap();
        let elsewhere = "2001:db8:1:3::1".parse().unwrap();
        assert!(throttle.begin("ada", Some(next), at(0)).is_err());
        assert!(throttle.begin("ada", Some(elsewhere), at(0)).is_ok());
    }
}
