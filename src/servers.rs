//! What holds for every server that we reach: secrets come from files that nobody else can read, and what is not
//! encrypted stays on this machine.

use std::path::Path;

/// Whether a host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Reads a file with a secret; the line end does not belong to it. Others must not be able to read it.
///
/// # Errors
/// A sentence with the file's name and what to do.
pub fn secret(path: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    let about = std::fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(format!("{shown} can be read by others: chmod 600 {shown}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    Ok(text.trim_end().to_owned())
}
