//! Views of the console's board where several instances share a journal: on the shelf beside it.

use tokio::runtime::Handle;

use crate::api::view_file::Board;
use crate::nats::shelf::Shelf;

/// What it is called there.
const NAME: &str = "views";

/// The shelf, for callers that block.
pub struct OnShelf {
    pub shelf: Shelf,
    pub runtime: Handle,
}

impl Board for OnShelf {
    fn read(&self) -> Result<Option<(u64, Vec<u8>)>, String> {
        let found = self.runtime.block_on(self.shelf.read(NAME)).map_err(|error| error.to_string())?;
        Ok(found.map(|(seq, text)| (seq, text.to_vec())))
    }

    fn replace(&self, behind: u64, text: Vec<u8>) -> Result<bool, String> {
        self.runtime.block_on(self.shelf.put(NAME, Some(behind), text)).map_err(|error| error.to_string())
    }
}
