//! What in a log line is a word of its template, and what is a value: numbers, addresses, paths, times, names of hosts.

/// What ends a word beside white space.
const ENDS: &str = "=:,()[]{}\"'<>|;";
/// What is cut off the ends of a word.
const EDGES: &str = ".!?*#-_";
/// Days, months and time zones as they stand in dates.
const DATES: [&str; 26] = [
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep",
    "oct", "nov", "dec", "pdt", "pst", "edt", "est", "cst", "utc", "gmt",
];
/// Units: after a value they belong to it, as what is told in kilobytes may be told in megabytes the next time.
const UNITS: [&str; 20] = [
    "b", "kb", "mb", "gb", "tb", "k", "m", "g", "ms", "s", "sec", "secs", "us", "ns", "min", "mins", "kib", "mib",
    "gib", "h",
];
/// Values that look like words.
const VALUES: [&str; 8] = ["null", "true", "false", "none", "NULL", "True", "False", "None"];
/// Ends of names of hosts, and two-letter ends of names of files.
const DOMAINS: [&str; 8] = ["com", "net", "org", "edu", "gov", "local", "internal", "lan"];
const FILES: [&str; 12] = ["so", "py", "go", "rs", "js", "cc", "hh", "sh", "pl", "rb", "md", "cs"];

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Word(&'a str),
    Value(&'a str),
    /// Spaces, brackets, punctuation: no part of what makes a template.
    Between(&'a str),
}

/// Cuts a line into its pieces; together they are the line.
pub fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let spaces = rest.len() - rest.trim_start().len();
        if spaces > 0 {
            out.push(Piece::Between(&rest[..spaces]));
            rest = &rest[spaces..];
            continue;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        of_token(&rest[..end], &mut out);
        rest = &rest[end..];
    }
    out
}

/// The words of a line, in order: what makes its template.
pub fn words(line: &str) -> Vec<&str> {
    let word = |piece: &Piece<'_>| matches!(piece, Piece::Word(_));
    let text = |piece| match piece {
        Piece::Word(word) | Piece::Value(word) | Piece::Between(word) => word,
    };
    pieces(line).into_iter().filter(word).map(text).collect()
}

/// What stands between two white spaces.
fn of_token<'a>(token: &'a str, out: &mut Vec<Piece<'a>>) {
    let bare = token.trim_matches(|c: char| "\"'([{<,;>}])".contains(c));
    if !bare.is_empty() && (is_path(bare) || is_octets(bare)) {
        let at = token.find(bare).unwrap_or_default();
        push(out, Piece::Between(&token[..at]));
        push(out, Piece::Value(bare));
        push(out, Piece::Between(&token[at + bare.len()..]));
        return;
    }
    let mut rest = token;
    while !rest.is_empty() {
        // Two dots and more are filling: "instruction......0".
        let ends = rest.find(|c| ENDS.contains(c)).into_iter().chain(rest.find(".."));
        let end = ends.min().unwrap_or(rest.len());
        of_part(&rest[..end], out);
        rest = &rest[end..];
        let filled = rest.len() - rest.trim_start_matches(|c| ENDS.contains(c)).len();
        let filled = if filled == 0 { rest.len() - rest.trim_start_matches('.').len() } else { filled };
        push(out, Piece::Between(&rest[..filled]));
        rest = &rest[filled..];
    }
}

fn of_part<'a>(part: &'a str, out: &mut Vec<Piece<'a>>) {
    let is_edge = |c: char| EDGES.contains(c);
    let inner = part.trim_matches(is_edge);
    let inner = if is_path(inner) { inner } else { inner.trim_matches('/').trim_matches(is_edge) };
    if inner.is_empty() {
        push(out, Piece::Between(part));
        return;
    }
    let at = inner.as_ptr() as usize - part.as_ptr() as usize;
    push(out, Piece::Between(&part[..at]));
    let value = Piece::Value(inner);
    let last = out.iter().rev().find(|piece| !matches!(piece, Piece::Between(_)));
    let is_unit = matches!(last, Some(Piece::Value(_))) && UNITS.contains(&inner.to_lowercase().as_str());
    push(out, if is_unit || is_path(inner) || is_value(inner) { value } else { Piece::Word(inner) });
    push(out, Piece::Between(&part[at + inner.len()..]));
}

fn push<'a>(out: &mut Vec<Piece<'a>>, piece: Piece<'a>) {
    if !matches!(piece, Piece::Between("")) {
        out.push(piece);
    }
}

fn is_path(text: &str) -> bool {
    (text.len() > 1 && text.starts_with('/'))
        || text.starts_with("./")
        || text.starts_with("../")
        || text.contains("://")
        || text.contains(":\\")
}

/// Pairs of hexadecimal digits: hardware addresses.
fn is_octets(text: &str) -> bool {
    let is_octet = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split([':', '-']).count() >= 4 && text.split([':', '-']).all(is_octet)
}

fn is_value(word: &str) -> bool {
    let is_date = || word.starts_with(char::is_uppercase) && DATES.contains(&word.to_lowercase().as_str());
    word.bytes().any(|byte| byte.is_ascii_digit())
        || VALUES.contains(&word)
        || word.contains('\\')
        || word.matches('/').count() >= 2
        || (word.contains('@') && word.len() > 2)
        || is_date()
        || is_host(word)
}

/// A name in small letters with dots, that ends like a host's and not like a file's.
fn is_host(word: &str) -> bool {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || b".-_".contains(&byte));
    let Some(end) = word.rsplit_once('.').map(|(_, end)| end).filter(|_| is_plain && !word.contains("..")) else {
        return false;
    };
    word.matches('.').count() >= 2 || DOMAINS.contains(&end) || (end.len() == 2 && !FILES.contains(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_words() {
        for (line, told) in [
            ("Received block blk_-162 of size 67 from /10.251.42.84", "Received block of size from"),
            ("generating core.4711", "generating"),
            ("github.com:443 close, 0 bytes (9.40 KB) sent, lifetime <1 sec", "close bytes sent lifetime"),
            ("session opened for user root by (uid=0)", "session opened for user root by uid"),
            ("program interrupt: illegal instruction......0", "program interrupt illegal instruction"),
            ("chip FF:F2:9F:16:E2:23:00:0D ip=10.0.0.1 on Fri Jul 01 08:16:53 PDT 2005", "chip ip on"),
            ("\"GET /v2/servers HTTP/1.1\" status: 200", "GET status"),
            ("java.io.IOException: 连接 失败", "java.io.IOException 连接 失败"),
        ] {
            assert_eq!(words(line).join(" "), told, "{line}");
            let whole: String = pieces(line)
                .iter()
                .map(|piece| match piece {
                    Piece::Word(text) | Piece::Value(text) | Piece::Between(text) => *text,
                })
                .collect();
            assert_eq!(whole, line);
        }
    }
}
