//! The templates of all programs as bytes, so that a restart does not take every line for new.

use super::templates::Templates;
use super::watch::{Logs, Program};
use crate::detect::envelope::{Head, Unread, opened, sealed};
use crate::detect::state::Reader;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::Timestamp;

const HEAD: &Head = b"hw-lines\0\0\0\x01";

impl Logs {
    /// What was learned of all programs.
    pub fn keep(&self) -> Vec<u8> {
        sealed(HEAD, self.programs.len(), |out| {
            for (((tenant, source), name), program) in &self.programs {
                out.text(tenant.as_str());
                out.text(source.as_str());
                out.text(name);
                out.i64(program.first.0);
                out.i64(program.lines as i64);
                program.templates.write(out);
            }
        })
    }

    /// Takes up what was kept; says how many templates are known then.
    ///
    /// # Errors
    /// When the bytes are no such memory, or not whole. Nothing is taken then.
    pub fn recall(&mut self, bytes: &[u8]) -> Result<usize, Unread> {
        let max = self.templates_max();
        self.programs.extend(opened(HEAD, bytes, |from| one(from, max))?);
        Ok(self.templates())
    }
}

type Kept = (((TenantId, SourceId), Box<str>), Program);

fn one(from: &mut Reader<'_>, templates_max: usize) -> Option<Kept> {
    let whose = (TenantId::from(from.text()?), SourceId::from(from.text()?));
    let name = from.text()?.into();
    let (first, lines) = (Timestamp(from.i64()?), u64::try_from(from.i64()?).ok()?);
    let templates = Templates::read(from, templates_max)?;
    Some(((whose, name), Program::of(templates, first, lines)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::log::watch::Taken;
    use crate::domain::event::ObjectRef;
    use crate::domain::line::LogLine;

    #[test]
    fn what_was_kept_is_known_again_and_what_is_damaged_is_refused() {
        let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
        let line = |text: &str| LogLine { object: ObjectRef::default(), program: "sshd".into(), text: text.into() };
        let at = |secs: i64| Timestamp(1_767_225_600_000 + secs * 1000);
        let mut logs = Logs::new(100);
        for n in 0..600i64 {
            let user = ["root", "bob", "eve", "mallory", "trent"][n as usize % 5];
            logs.take(&tenant, &source, &line(&format!("session opened for user {user}")), at(n * 5));
        }
        let bytes = logs.keep();
        let mut again = Logs::new(100);
        assert_eq!(again.recall(&bytes), Ok(logs.templates()));
        assert_eq!(again.take(&tenant, &source, &line("session opened for user zoe"), at(3001)), Taken::Counted);
        assert_eq!(again.take(&tenant, &source, &line("kernel panic on start"), at(3002)), Taken::Fresh);
        for n in 0..200 {
            let mut flipped = bytes.clone();
            flipped[n * 7919 % bytes.len()] ^= 1 << (n % 8);
            assert!(Logs::new(100).recall(&flipped).is_err(), "flip {n}");
        }
        (0..bytes.len()).step_by(31).for_each(|end| assert!(Logs::new(100).recall(&bytes[..end]).is_err()));
    }
}
