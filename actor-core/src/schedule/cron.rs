//! Cron expressions in time zones: the next moment at which the local time matches.

use super::ScheduleError;
use crate::clock::Timestamp;

/// The first match after `now`. A local time that does not exist on the day the clocks go forward is
/// skipped (T6). One that comes twice on the day they go back counts once, unless the expression says
/// `*` for minute or hour.
#[cfg(feature = "cron")]
pub(super) fn next(
    expression: &str,
    zone: &str,
    now: Timestamp,
) -> Result<Timestamp, ScheduleError> {
    use croner::parser::{CronParser, Seconds, Year};

    let bad = |why: String| ScheduleError::BadCron {
        expression: expression.to_owned(),
        why,
    };
    let fields = expression.split_whitespace().count();
    if fields != 5 {
        return Err(bad(format!("it has {fields} fields and needs five")));
    }
    let unknown = || ScheduleError::UnknownTimeZone(zone.to_owned());
    let zone = jiff::tz::TimeZone::get(zone).map_err(|_| unknown())?;
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed);
    let cron = parser
        .build()
        .parse(expression)
        .map_err(|e| bad(e.to_string()))?;
    let now = i64::try_from(now.as_millis()).map_err(|e| bad(e.to_string()))?;
    let now = jiff::Timestamp::from_millisecond(now).map_err(|e| bad(e.to_string()))?;
    let mut at = now.to_zoned(zone);
    loop {
        at = cron
            .find_next_occurrence(&at, false)
            .map_err(|_| bad("it never comes true".to_owned()))?;
        // A time that falls into the gap is moved behind it, and then is none that was asked for.
        if cron.is_time_matching(&at).unwrap_or(true) {
            break;
        }
    }
    u64::try_from(at.timestamp().as_millisecond())
        .map(Timestamp::from_millis)
        .map_err(|e| bad(e.to_string()))
}

/// Without the feature `cron` nothing matches.
#[cfg(not(feature = "cron"))]
pub(super) fn next(
    expression: &str,
    _zone: &str,
    _now: Timestamp,
) -> Result<Timestamp, ScheduleError> {
    Err(ScheduleError::BadCron {
        expression: expression.to_owned(),
        why: "this program was built without the feature `cron`".to_owned(),
    })
}

#[cfg(test)]
#[cfg(feature = "cron")]
mod tests {
    use super::*;

    /// The next `n` matches after a time, as the clocks of the zone show them.
    fn matches(
        expression: &str,
        zone: &str,
        from: &str,
        n: usize,
    ) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let from: jiff::Zoned = from.parse()?;
        let mut at = Timestamp::from_millis(from.timestamp().as_millisecond().try_into()?);
        let mut found = Vec::new();
        for _ in 0..n {
            let before = at;
            at = next(expression, zone, at)?;
            assert!(before < at);
            let shown = jiff::Timestamp::from_millisecond(at.as_millis().try_into()?)?;
            let shown = shown.to_zoned(jiff::tz::TimeZone::get(zone)?);
            found.push(shown.strftime("%d.%m. %H:%M %:z").to_string());
        }
        Ok(found)
    }

    #[test]
    fn t6_a_time_that_the_spring_day_lacks_is_skipped() {
        let berlin = "Europe/Berlin";
        let eve = "2026-03-28T02:00:00[Europe/Berlin]";
        assert_eq!(
            matches("30 2 * * *", berlin, eve, 2).unwrap(),
            ["28.03. 02:30 +01:00", "30.03. 02:30 +02:00"]
        );
        let night = "2026-03-29T01:30:00[Europe/Berlin]";
        assert_eq!(
            matches("*/30 * * * *", berlin, night, 2).unwrap(),
            ["29.03. 03:00 +02:00", "29.03. 03:30 +02:00"]
        );
        assert_eq!(
            matches("0 9 * * *", berlin, night, 1).unwrap(),
            ["29.03. 09:00 +02:00"]
        );
    }

    #[test]
    fn t6_a_time_that_the_autumn_day_has_twice_counts_once() {
        let berlin = "Europe/Berlin";
        let night = "2026-10-25T01:00:00[Europe/Berlin]";
        assert_eq!(
            matches("30 2 * * *", berlin, night, 2).unwrap(),
            ["25.10. 02:30 +02:00", "26.10. 02:30 +01:00"]
        );
        assert_eq!(
            matches("*/30 * * * *", berlin, night, 6).unwrap(),
            [
                "25.10. 01:30 +02:00",
                "25.10. 02:00 +02:00",
                "25.10. 02:30 +02:00",
                "25.10. 02:00 +01:00",
                "25.10. 02:30 +01:00",
                "25.10. 03:00 +01:00",
            ]
        );
    }

    #[test]
    fn t6_what_is_no_expression_or_zone_says_why() {
        let check = |expression: &str, zone: &str| {
            let error = next(expression, zone, Timestamp::from_millis(1)).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            check("* * * *", "UTC"),
            "`* * * *` is no cron expression: it has 4 fields and needs five"
        );
        assert!(check("0 * * * * *", "UTC").contains("needs five"));
        assert!(check("@daily", "UTC").contains("needs five"));
        assert!(check("99 * * * *", "UTC").starts_with("`99 * * * *` is no cron expression"));
        assert!(check("0 0 31 2 *", "UTC").ends_with("it never comes true"));
        assert_eq!(
            check("* * * * *", "Mars/Crater"),
            "there is no time zone `Mars/Crater`"
        );
        assert!(next("0 0 * * MON-FRI", "Asia/Kolkata", Timestamp::from_millis(1)).is_ok());
        assert!(next("0 0 * * *", "UTC", Timestamp::from_millis(u64::MAX)).is_err());
    }
}
