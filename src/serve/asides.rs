//! What runs beside the doors for as long as the program does. A part that panics is named in the log, counted, and makes
//! the program not ready: nothing else would tell that it is gone.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, pending};

use tokio::task::{Id, JoinSet};

use crate::pipeline::health::Health;

/// The parts, by name.
#[derive(Default)]
pub struct Asides {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Asides {
    /// Begins a part. One that has nothing more to do may end.
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(part).id();
        self.names.insert(id, name);
    }

    /// Waits for parts that break, until the future is dropped.
    pub async fn watch(&mut self, health: &Health) -> Infallible {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let Err(error) = ended else { continue };
            let name = self.names.get(&error.id()).copied().unwrap_or("a part");
            let Ok(panic) = error.try_into_panic() else { continue };
            tracing::error!(part = name, why = words(&*panic), "a part of the program has broken, restart it");
            health.note_broken(name);
        }
        pending().await
    }

    /// Ends all of them.
    pub fn end(&mut self) {
        self.tasks.abort_all();
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&'static str>().copied()).unwrap_or("it panicked")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_named_and_the_others_go_on() {
        let (health, mut asides) = (Health::default(), Asides::default());
        let (told, hear) = tokio::sync::oneshot::channel::<()>();
        asides.spawn("clerk", async { panic!("out of ink") });
        asides.spawn("short", async {});
        asides.spawn("long", async {
            drop(told);
            pending().await
        });
        let broken = async {
            // It is dropped, not told: the long part runs.
            let _ = hear.await;
            while health.broken().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            never = asides.watch(&health) => match never {},
            () = broken => {}
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("nobody saw it"),
        }
        assert_eq!(health.broken(), ["clerk"]);
        assert_eq!(asides.tasks.len(), 1, "the long one goes on");
    }
}
