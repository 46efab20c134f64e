//! Addresses of Redis: one server, the sentinels of one, or nodes of a cluster.

use axum::http::Uri;

/// How servers belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    One,
    /// They know who the master of this name is.
    Sentinels(String),
    Cluster,
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub host: String,
    pub port: u16,
}

/// Servers, as the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    pub kind: Kind,
    pub nodes: Vec<Node>,
    pub tls: bool,
    pub db: i64,
}

/// One address, read.
struct Address {
    node: Node,
    scheme: String,
    path: String,
}

type Faults = Vec<(String, String, &'static str)>;

const EXAMPLE: &str =
    "write redis://host:6379, rediss://host:6379 (TLS), redis+sentinel://host:26379/name or several of one kind";

/// Reads addresses that belong together.
///
/// # Errors
/// Each one that is wrong: key, what is wrong, what to write.
pub fn read(urls: &[String]) -> Result<Servers, Faults> {
    let mut faults = Faults::new();
    let mut addresses = Vec::new();
    for (number, url) in urls.iter().enumerate() {
        match address(url) {
            Ok(address) => addresses.push(address),
            Err((what, remedy)) => faults.push((format!("redis.urls.{number}"), what, remedy)),
        }
    }
    let mut servers = Servers { kind: Kind::One, nodes: Vec::new(), tls: false, db: 0 };
    let Some(first) = addresses.first() else { return if faults.is_empty() { Ok(servers) } else { Err(faults) } };
    let differ = |(_, other): &(usize, &Address)| (&other.scheme, &other.path) != (&first.scheme, &first.path);
    if let Some((number, _)) = addresses.iter().enumerate().find(differ) {
        let what = "it is of another kind than the first one".to_owned();
        faults.push((format!("redis.urls.{number}"), what, "all servers have the same scheme and the same path"));
    }
    servers.tls = first.scheme.starts_with("rediss");
    match (first.scheme.rsplit_once('+').map(|(_, kind)| kind), first.path.as_str()) {
        (Some("sentinel"), "") => {
            let what = "it does not say whose master the sentinels know".to_owned();
            faults.push(("redis.urls.0".into(), what, "write redis+sentinel://host:26379/name"));
        }
        (Some("sentinel"), name) => servers.kind = Kind::Sentinels(name.to_owned()),
        (_, "" | "0") => {}
        (None, db) if addresses.len() == 1 && db.parse::<u16>().is_ok() => {
            servers.db = db.parse().unwrap_or_default();
        }
        (_, path) => {
            let what = format!("/{path} is no database, or the servers are a cluster, which has only one");
            faults.push(("redis.urls.0".into(), what, "write redis://host:6379/0"));
        }
    }
    if first.scheme.ends_with("+cluster") || (addresses.len() > 1 && servers.kind == Kind::One) {
        servers.kind = Kind::Cluster;
    }
    servers.nodes = addresses.into_iter().map(|address| address.node).collect();
    if faults.is_empty() { Ok(servers) } else { Err(faults) }
}

fn address(url: &str) -> Result<Address, (String, &'static str)> {
    if url.contains('@') {
        let what = "a user or password stands in the address".to_owned();
        return Err((what, "use user and password_file, so that it is in no log"));
    }
    let uri: Uri = url.parse().map_err(|error| (format!("{url:?} cannot be read: {error}"), EXAMPLE))?;
    let scheme = uri.scheme_str().unwrap_or_default().to_owned();
    let port = match scheme.as_str() {
        "redis" | "rediss" | "redis+cluster" | "rediss+cluster" => 6379,
        "redis+sentinel" | "rediss+sentinel" => 26379,
        _ => return Err((format!("{url:?} is no address of Redis"), EXAMPLE)),
    };
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| (format!("{url:?} names no host"), EXAMPLE))?;
    if uri.query().is_some() {
        return Err((format!("{url:?} has a query"), "the other settings of `redis` say what it could"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let node = Node { host, port: uri.port_u16().unwrap_or(port) };
    Ok(Address { node, scheme, path: uri.path().trim_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(urls: &[&str]) -> String {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        match read(&urls) {
            Ok(Servers { kind, nodes, tls, db }) => {
                let nodes: Vec<String> = nodes.iter().map(|node| format!("{}:{}", node.host, node.port)).collect();
                format!("{kind:?} {} tls={tls} db={db}", nodes.join(" "))
            }
            Err(faults) => faults.into_iter().map(|(key, what, _)| format!("{key}: {what}")).collect(),
        }
    }

    #[test]
    fn addresses_say_how_servers_belong_together() {
        assert_eq!(told(&["redis://localhost"]), "One localhost:6379 tls=false db=0");
        assert_eq!(told(&["rediss://[::1]:7/2"]), "One ::1:7 tls=true db=2");
        let sentinels = ["redis+sentinel://a:1/main", "redis+sentinel://b/main"];
        assert_eq!(told(&sentinels), "Sentinels(\"main\") a:1 b:26379 tls=false db=0");
        assert_eq!(told(&["redis://a", "redis://b"]), "Cluster a:6379 b:6379 tls=false db=0");
        assert_eq!(told(&["rediss+cluster://a"]), "Cluster a:6379 tls=true db=0");
    }

    #[test]
    fn what_is_no_address_is_named_with_its_place() {
        for (urls, expected) in [
            (&["redis://a", "rediss://b"][..], "redis.urls.1: it is of another kind"),
            (&["redis+sentinel://a"], "redis.urls.0: it does not say whose master"),
            (&["redis://a/x"], "redis.urls.0: /x is no database"),
            (&["redis://a/1", "redis://b/1"], "redis.urls.0: /1 is no database"),
            (&["nats://a"], "redis.urls.0: \"nats://a\" is no address"),
            (&["redis://a?x=1"], "redis.urls.0: \"redis://a?x=1\" has a query"),
            (&["127.0.0.1:6379"], "redis.urls.0: \"127.0.0.1:6379\" "),
        ] {
            assert!(told(urls).starts_with(expected), "{urls:?}: {}", told(urls));
        }
    }
}
