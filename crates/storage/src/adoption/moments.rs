//! Which instant an old time text meant.

use chrono::{DateTime, Local, NaiveDateTime, TimeDelta, TimeZone, Utc};

use pilotdeck_domain::times::{Reading, WireTime, normal, read};

/// The longest stretch that any wall clock ever skipped (Samoa left out a day), and an hour.
const LONGEST_GAP_HOURS: i64 = 25;

/// The instant of a local time in the time zone of this machine: the earlier one where the clock showed it twice, and
/// moved forward by the gap where the clock never showed it.
#[must_use]
pub fn machine_time_zone(naive: NaiveDateTime) -> DateTime<Utc> {
    in_zone(&Local, naive)
}

fn in_zone<Zone: TimeZone>(zone: &Zone, naive: NaiveDateTime) -> DateTime<Utc> {
    if let Some(time) = zone.from_local_datetime(&naive).earliest() {
        return time.to_utc();
    }
    (1..=LONGEST_GAP_HOURS)
        .map(TimeDelta::hours)
        .find_map(|back| {
            let before = zone.from_local_datetime(&naive.checked_sub_signed(back)?).latest()?;
            before.to_utc().checked_add_signed(back)
        })
        .unwrap_or_else(|| naive.and_utc())
}

/// Reads old time texts.
pub(super) struct Moments<'a> {
    local: &'a (dyn Fn(NaiveDateTime) -> DateTime<Utc> + Sync),
}

/// What becomes of a text that stands where a time is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It is as it should be, or empty.
    Right,
    /// It is a time and is written so from now on.
    Rewritten(String),
    /// It is no time and stays.
    Left,
}

impl<'a> Moments<'a> {
    pub(super) fn new(local: &'a (dyn Fn(NaiveDateTime) -> DateTime<Utc> + Sync)) -> Self {
        Self { local }
    }

    pub(super) fn of(&self, text: &str) -> Moment {
        if text.is_empty() {
            return Moment::Right;
        }
        let instant = match read(text) {
            Some(Reading::Instant(instant)) => Some(instant),
            Some(Reading::Local(naive)) => Some((self.local)(naive)),
            None => None,
        };
        match instant.and_then(normal).map(WireTime::from) {
            None => Moment::Left,
            Some(time) if time.as_str() == text => Moment::Right,
            Some(time) => Moment::Rewritten(time.as_str().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, MappedLocalTime, NaiveDate};

    use super::*;

    /// One hour east of UTC, two in summer: its clock skipped 02:00 to 03:00 on 29 March 2026 and showed 02:00 to
    /// 03:00 twice on 25 October.
    #[derive(Clone, Debug)]
    struct Zone;

    impl TimeZone for Zone {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, _: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            MappedLocalTime::None
        }

        fn offset_from_local_datetime(
            &self,
            local: &NaiveDateTime,
        ) -> MappedLocalTime<FixedOffset> {
            let [winter, summer] = [1, 2].map(|hours| FixedOffset::east_opt(hours * 3600).unwrap());
            let hour = local.format("%m-%dT%H").to_string();
            match hour.as_str() {
                "03-29T02" => MappedLocalTime::None,
                "10-25T02" => MappedLocalTime::Ambiguous(summer, winter),
                hour if !("03-29T02".."10-25T02").contains(&hour) => {
                    MappedLocalTime::Single(winter)
                }
                _ => MappedLocalTime::Single(summer),
            }
        }

        fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
            unimplemented!("only local times are asked for")
        }

        fn offset_from_utc_datetime(&self, _: &NaiveDateTime) -> FixedOffset {
            unimplemented!("only local times are asked for")
        }
    }

    #[test]
    fn a_local_time_is_the_earlier_one_where_it_was_twice_and_moves_forward_where_it_never_was() {
        let local = |naive| in_zone(&Zone, naive);
        let moments = Moments::new(&local);

        for (text, instant) in [
            ("2026-01-01T12:00:00.5", "2026-01-01T11:00:00.500000Z"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00.000000Z"),
            ("2026-07-01T12:00:00", "2026-07-01T10:00:00.000000Z"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00.000000Z"),
            ("2026-07-01", "2026-06-30T22:00:00.000000Z"),
            ("2026-07-01T12:00:00+08:00", "2026-07-01T04:00:00.000000Z"),
            ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00.000000Z"),
        ] {
            assert_eq!(moments.of(text), Moment::Rewritten(instant.to_owned()), "{text}");
            assert_eq!(moments.of(instant), Moment::Right, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_stays() {
        let moments = Moments::new(&machine_time_zone);

        assert_eq!(moments.of(""), Moment::Right);
        for text in
            ["yesterday", " ", "2026-02-30", "0000-01-01T00:00:00+23:00", "+262142-12-31T23:59:59"]
        {
            assert_eq!(moments.of(text), Moment::Left, "{text}");
        }
    }
}
