//! A disk that is full: input is refused with a time to come back, and goes on once there is room; nothing is lost.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::served::{Served, token};

/// A file system of its own, of a given size; gone with its owner.
pub struct Small(PathBuf);

impl Small {
    /// None where this user may not mount.
    pub fn mounted(at: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mounted.ok().filter(|ran| ran.status.success()).map(|_| Self(at.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 20, 1 << 12] {
            let block = vec![7; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Files of a process that is just ending may be open still.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn batch(n: usize) -> String {
    let event = |k: usize| {
        let filling = "x".repeat(400);
        format!(
            r#"{{"name":"full-{n}-{k}","severity":"warning","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"o-{n}-{k}"}},"description":"{filling}"}}"#
        )
    };
    format!("[{}]", (0..BATCH).map(event).collect::<Vec<_>>().join(","))
}

const BATCH: usize = 200;

#[test]
fn a_full_disk_refuses_input_until_there_is_room_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Small::mounted(&folder.path().join("disk"), 200) else {
        eprintln!("SKIPPED: this user may not mount a tmpfs");
        return;
    };
    let data = disk.0.join("data");
    let (source, reader) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let data = data.display().to_string();
    let served = Served::start(&["--data", &data]);
    let mut accepted = 0;
    let mut post = |n: usize| {
        let answer = served.answer("POST", "/api/v1/events", &source, &batch(n));
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        if status == "202" {
            accepted += BATCH as u64;
        }
        (status, answer)
    };
    assert_eq!(post(0).0, "202");
    let filler = disk.fill();
    let mut numbers = 1..;
    let refused = served.wait("a refusal", || Some(post(numbers.next()?)).filter(|(status, _)| status != "202"));
    assert_eq!(refused.0, "503", "{}", refused.1);
    assert!(refused.1.to_lowercase().contains("retry-after: "), "{}", refused.1);
    served.wait_for("the disk of the journal is full");
    let since = Instant::now();
    let said = "the disk of the journal is full: input is refused until there is room";
    served.wait("readyz to say so", || served.ask("GET", "/readyz", "", "").1.contains(said).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    // It goes on answering, and decides what it has taken.
    assert_eq!(served.ask("GET", "/livez", "", "").0, 200);
    std::fs::remove_file(filler).unwrap();
    served.wait("input to be taken again", || (post(numbers.next()?).0 == "202").then_some(()));
    assert_eq!(post(numbers.next().unwrap()).0, "202");
    served.wait("readyz to be content", || (!served.ask("GET", "/readyz", "", "").1.contains(said)).then_some(()));
    served.wait("all verdicts", || (served.accounted(&reader) == accepted).then_some(()));
    served.stop();
    let served = Served::start(&["--data", &data]);
    assert_eq!(served.accounted(&reader), accepted, "after a restart");
    served.stop();
}
