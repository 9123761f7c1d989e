//! Amounts: bytes, processors, lengths of time.

/// Bytes with a unit: `512`, `64k`, `1.5g`, `2GiB`. Units are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<i64, String> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let amount: f64 = number
        .parse()
        .map_err(|_| format!("invalid size: '{text}'"))?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let letter = unit
        .strip_suffix("ib")
        .or_else(|| unit.strip_suffix('b'))
        .unwrap_or(&unit);
    let power = match letter {
        "" if unit == "ib" => return Err(format!("invalid suffix: '{unit}'")),
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(format!("invalid suffix: '{unit}'")),
    };
    let amount = amount * 1024_f64.powi(power);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float becomes the nearest integer that there is"
    )]
    Ok(amount as i64)
}

/// As [`bytes()`], or -1.
pub(crate) fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { bytes(text) }
}

/// A number of processors, in billionths of one.
pub(crate) fn nano_cpus(text: &str) -> Result<i64, String> {
    let invalid = || format!("failed to parse {text} as a rational number");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 {
        return Err("value is too precise".to_owned());
    }
    if whole.is_empty() && fraction.is_empty()
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(invalid());
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| invalid())?
    };
    let fraction: i64 = format!("{fraction:0<9}").parse().map_err(|_| invalid())?;
    whole
        .checked_mul(1_000_000_000)
        .and_then(|whole| whole.checked_add(fraction))
        .ok_or_else(invalid)
}

/// A length of time as Go writes it, `1h15m30.5s`, in nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .ok_or_else(|| format!("time: missing unit in duration {text:?}"))?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit = tail
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let nanoseconds = match unit {
            "ns" => 1_f64,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += number * nanoseconds;
        rest = tail;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float becomes the nearest integer that there is"
    )]
    let total = total.round() as i64;
    Ok(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration, nano_cpus};

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(found: Result<T, String>, expect: Result<T, &str>) {
        assert_eq!(found, expect.map_err(str::to_owned));
    }

    #[test]
    fn bytes_have_units() {
        check(bytes("512"), Ok(512));
        check(bytes("64k"), Ok(65536));
        check(bytes("1.5g"), Ok(1_610_612_736));
        check(bytes("2GiB"), Ok(2_147_483_648));
        check(bytes("10 mb"), Ok(10_485_760));
        check(bytes("1x"), Err("invalid suffix: 'x'"));
        check(bytes("m"), Err("invalid size: 'm'"));
        check(bytes("-1"), Err("invalid size: '-1'"));
        check(bytes("1ib"), Err("invalid suffix: 'ib'"));
    }

    #[test]
    fn processors_are_decimal() {
        check(nano_cpus("1.5"), Ok(1_500_000_000));
        check(nano_cpus(".25"), Ok(250_000_000));
        check(nano_cpus("2"), Ok(2_000_000_000));
        check(nano_cpus("0.0000000001"), Err("value is too precise"));
        check(
            nano_cpus("x"),
            Err("failed to parse x as a rational number"),
        );
        check(
            nano_cpus("."),
            Err("failed to parse . as a rational number"),
        );
    }

    #[test]
    fn durations_are_those_of_go() {
        check(duration("1h15m30.5s"), Ok(4_530_500_000_000));
        check(duration("100ms"), Ok(100_000_000));
        check(duration("0"), Ok(0));
        check(duration("-1s"), Ok(-1_000_000_000));
        check(duration("5"), Err("time: missing unit in duration \"5\""));
        check(
            duration("5y"),
            Err("time: unknown unit \"y\" in duration \"5y\""),
        );
        check(duration(""), Err("time: invalid duration \"\""));
    }
}
