//! The command line: arguments in, one library call out.

fn main() {}
