//! Mobile numbers as the systems want them.

/// A mobile number as systems in China take it: without the country where that is China.
pub fn national(address: &str) -> String {
    let plain: String = address.chars().filter(|letter| !" -()".contains(*letter)).collect();
    let rest = ["+86", "0086"].iter().find_map(|country| plain.strip_prefix(country));
    rest.filter(|rest| rest.len() == CHINESE_DIGITS).map_or(plain.clone(), str::to_owned)
}

/// Digits of a mobile number in China.
const CHINESE_DIGITS: usize = 11;

/// A number with its country.
pub fn international(number: &str) -> String {
    let is_chinese = number.len() == CHINESE_DIGITS && number.starts_with('1');
    if is_chinese { format!("+86{number}") } else { number.to_owned() }
}
