//! Logarithms in integers: scores must be the same on every machine, and `f64::ln` is not.
//!
//! Scores are natural log-odds in thousandths ("milli-nats"): 1000 means e times as likely.

/// A score or log-probability in milli-nats.
pub type Milli = i64;

/// Fractional bits of the table.
const BITS: u32 = 16;

/// log2(1 + i/256) in 16-bit fixed point, made when the program is compiled.
const LOG2: [i64; 257] = log2_table();

const fn log2_table() -> [i64; 257] {
    let mut table = [0; 257];
    let mut i = 0;
    while i <= 256 {
        table[i] = log2_mantissa(256 + i as u64);
        i += 1;
    }
    table
}

/// log2(m / 256) for m in 256..=512 by repeated squaring.
const fn log2_mantissa(m: u64) -> i64 {
    let mut x = (m as u128) << 32; // 8.32 + 8 bits: 1.0 is 1 << 40
    let one = 1u128 << 40;
    let mut log = 0i64;
    let mut bit = 0;
    if x >= one * 2 {
        return 1 << BITS;
    }
    while bit < BITS {
        x = (x * x) >> 40;
        log <<= 1;
        if x >= one * 2 {
            x >>= 1;
            log |= 1;
        }
        bit += 1;
    }
    log
}

/// ln(x) in milli-nats; x = 0 counts as 1. Error below 0.1 milli-nat.
pub fn ln(x: u64) -> Milli {
    let x = x.max(1);
    let exponent = 63 - x.leading_zeros();
    // The mantissa as 1.0 .. 2.0 with 24 fractional bits.
    let mantissa = if exponent >= 24 { x >> (exponent - 24) } else { x << (24 - exponent) };
    let fraction = mantissa - (1 << 24);
    let index = (fraction >> 16) as usize;
    let rest = (fraction & 0xffff) as i64;
    let log = LOG2[index] + (((LOG2[index + 1] - LOG2[index]) * rest) >> 16);
    let log2 = (i64::from(exponent) << BITS) + log;
    // ln 2 = 0.693147…: thousandths in 16-bit fixed point.
    (log2 * 693_147) / (1000 << BITS)
}

/// ln(n / d) in milli-nats, for n and d above 0.
pub fn ln_ratio(n: u64, d: u64) -> Milli {
    ln(n) - ln(d)
}

/// ln(p) for a probability in per mille; 0 counts as 1 per mille.
pub fn ln_permille(p: i64) -> Milli {
    ln_ratio(p.clamp(1, 1000) as u64, 1000)
}

/// e^x for a score x ≤ 0 in milli-nats, in parts per million.
pub fn exp_ppm(score: Milli) -> i64 {
    if score <= -14_000 {
        return 0;
    }
    // e^x = 2^(x / ln 2): whole powers by shifting, the rest by a cubic (error below 0.02 %).
    let log2 = (score.min(0) * 1_442_695) / 1000; // millionths of a power of two
    let whole = (-log2) / 1_000_000;
    let rest = log2 + whole * 1_000_000; // -1e6 < rest <= 0
    let r = rest;
    let square = r * r / 1_000_000;
    let cube = square * r / 1_000_000;
    let power = 1_000_000 + r * 693_147 / 1_000_000 + square * 240_227 / 1_000_000 + cube * 52_000 / 1_000_000;
    power >> whole.min(40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_is_close_to_the_real_one() {
        for x in [1u64, 2, 3, 7, 10, 255, 256, 257, 1000, 65_537, 1_000_003, u64::from(u32::MAX), u64::MAX] {
            let real = (x as f64).ln() * 1000.0;
            assert!((ln(x) as f64 - real).abs() < 1.5, "{x}: {} {real}", ln(x));
        }
    }

    #[test]
    fn exp_is_close_to_the_real_one() {
        for x in [0i64, -10, -500, -693, -1000, -2500, -7000, -12_000] {
            let real = (x as f64 / 1000.0).exp() * 1e6;
            assert!((exp_ppm(x) as f64 - real).abs() < real * 0.01 + 2.0, "{x}: {} {real}", exp_ppm(x));
        }
    }
}
