//! The program: the command line is in the library.

use std::process::ExitCode;

/// Events are many small texts that one thread makes and another drops: the system's allocator spends a quarter of the
/// time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    headwater::cli::main()
}
