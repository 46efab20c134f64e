//! Loghub: log lines of several systems, each parsed once and in order, all with the same parameters.

use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::detect::log::templates::{Read, Templates};

use crate::nab::sorted;
use crate::table::Table;

/// More than any of the systems has.
const TEMPLATES_MAX: usize = 10_000;

/// `folder` is the set's; `out` is a folder that gets `<system>.csv` per system. The lines say how many templates each has.
pub fn predict(folder: &Path, out: &Path) -> Result<Vec<String>> {
    let parts = out.with_extension("");
    std::fs::create_dir_all(&parts).with_context(|| format!("make {}", parts.display()))?;
    let mut told = vec!["system,lines,templates".to_owned()];
    for path in sorted(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(system) = name.strip_suffix(".lines.csv.gz").or_else(|| name.strip_suffix(".lines.csv")) else {
            continue;
        };
        let table = Table::read(&path)?;
        let (number, content) = (table.column("LineId")?, table.column("Content")?);
        let mut templates = Templates::new(TEMPLATES_MAX);
        let mut of_lines = Vec::new();
        for row in table.rows() {
            let (Read::Known(id) | Read::Fresh(id)) = templates.take(&row[content]) else {
                anyhow::bail!("{system} has more than {TEMPLATES_MAX} templates")
            };
            of_lines.push((&row[number], id));
        }
        // What was taken up by another template later is part of it.
        let line = |(number, id): &(&String, _)| {
            let template = templates.get(*id);
            format!("{number},{},\"{}\"", template.id.0, template.text.replace('"', "\"\""))
        };
        let text: Vec<String> =
            ["LineId,EventId,EventTemplate".to_owned()].into_iter().chain(of_lines.iter().map(line)).collect();
        let file = parts.join(format!("{system}.csv"));
        std::fs::write(&file, text.join("\n") + "\n").with_context(|| format!("write {}", file.display()))?;
        told.push(format!("{system},{},{}", of_lines.len(), templates.all().len()));
    }
    Ok(told)
}
