//! The program watches itself.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::served::{Served, token};
use super::write;

#[test]
fn what_is_wrong_with_itself_is_logged_and_comes_in_as_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let reader = token(&data, "operator", "li");
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let heartbeat = format!("http://{}/alive", outside.local_addr().unwrap());
    write(folder.path(), "rules/a.yaml", "routes:\n  - { id: all, receivers: [noc] }\n");
    let config = write(
        folder.path(),
        "hw.yaml",
        &format!(
            "data: data\nrules: rules\nvitals:\n  every: 1s\n  disk_free_mib_min: 1000000000\n  heartbeat_url: {heartbeat}\n"
        ),
    );
    let served = Served::start(&["--config", &config]);
    let (mut stream, _) = outside.accept().unwrap();
    let mut request = [0; 64];
    let read = stream.read(&mut request).unwrap();
    assert!(request[..read].starts_with(b"GET /alive HTTP/1.1"));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    served.wait_for("sign=\"disk-low\"");
    served.wait("the event", || (served.accounted(&reader) == 1).then_some(()));

    write(folder.path(), "rules/a.yaml", "routes: [");
    served.wait_for("sign=\"files-refused\"");
    write(folder.path(), "rules/a.yaml", "routes:\n  - { id: all, receivers: [noc, other] }\n");
    served.wait("that it is well again", || (served.count("well again sign=\"files-refused\"") == 1).then_some(()));
    served.wait("its events", || (served.accounted(&reader) == 3).then_some(()));
    served.stop();
}
