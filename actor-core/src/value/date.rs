//! Dates as the text JavaScript writes for them. No time zones, no parsing.

use super::{Value, tag};

const DAY: i64 = 86_400_000;
/// The furthest a JavaScript `Date` reaches from 1970.
const LARGEST: f64 = 8.64e15;

/// Milliseconds since 1970 of a date's content, which is in seconds.
fn epoch_millis(seconds: &Value) -> Option<i64> {
    let millis = match seconds {
        Value::Int(n) | Value::BigInt(n) => *n as f64 * 1000.0,
        Value::Float(f) => (f * 1000.0).round(),
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    (millis.abs() <= LARGEST).then_some(millis as i64)
}

/// The ISO 8601 text of a tagged date, as `Date.prototype.toJSON` writes it.
pub(crate) fn date_text(number: u64, content: &Value) -> Option<String> {
    match (number, content) {
        (tag::DATE_TEXT, Value::Text(text)) => Some(text.clone()),
        (tag::EPOCH, seconds) => epoch_millis(seconds).map(iso),
        _ => None,
    }
}

fn iso(millis: i64) -> String {
    let (days, in_day) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let year = if (0..=9999).contains(&year) {
        format!("{year:04}")
    } else {
        let sign = if year < 0 { '-' } else { '+' };
        format!("{sign}{:06}", year.abs())
    };
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month and day of a day counted from 1970, by counting years from March, so that the leap
/// day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_javascript_writes() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_227_211_476, "2026-11-21T02:13:31.476Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
        ];
        for (millis, text) in cases {
            let Value::Tag(number, content) = Value::date(millis) else {
                panic!("not a date")
            };
            assert_eq!(date_text(number, &content).as_deref(), Some(text));
        }
        assert_eq!(date_text(tag::EPOCH, &Value::Float(f64::NAN)), None);
    }
}
