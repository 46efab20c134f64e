//! `headwater schema`: the published schemas.

use std::io::Write;

use anyhow::{Result, bail};

use crate::schemas::{Kind, Published, published};

/// Prints one, or lists all.
pub fn run(name: Option<&str>, out: &mut impl Write) -> Result<()> {
    let all = published();
    let Some(name) = name else {
        for (kind, title) in [(Kind::File, "Files that people write:"), (Kind::Message, "Messages that programs read:")]
        {
            writeln!(out, "{title}")?;
            for Published { name, about, .. } in all.iter().filter(|one| one.kind == kind) {
                writeln!(out, "  {name:<17} {about}")?;
            }
        }
        return Ok(());
    };
    let Some(schema) = all.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = all.iter().map(|one| one.name).collect();
        bail!("there is no schema {name:?}; write one of: {}", names.join(", "));
    };
    out.write_all(schema.text.as_bytes())?;
    Ok(())
}
