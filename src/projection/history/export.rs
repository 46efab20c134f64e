//! Text that goes into files which spreadsheets open.

/// One CSV field (RFC 4180). A field that a spreadsheet would take for a formula gets an apostrophe in front.
pub fn csv_field(text: &str, out: &mut String) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    // A plain negative number is a number.
    let neutral = formula && text.parse::<f64>().is_err();
    if !neutral && !text.contains(['"', ',', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    if neutral {
        out.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

/// One CSV line with its line end.
pub fn csv_line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        csv_field(field, &mut line);
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_formulas_are_made_text() {
        let check = |text: &str, written: &str| assert_eq!(csv_line([text]), format!("{written}\r\n"), "{text}");
        check("plain", "plain");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
        check("line\nbreak", "\"line\nbreak\"");
        check("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"");
        check("+1+cmd", "\"'+1+cmd\"");
        check("-5", "-5");
        check("@SUM(A1)", "\"'@SUM(A1)\"");
        check("\t=1", "\"'\t=1\"");
        check("＝1", "\"'＝1\"");
    }
}
