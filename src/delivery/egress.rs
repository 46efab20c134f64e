//! Where we may connect to. Names are looked up once, every address is checked, and the connection goes to a checked
//! address: a name cannot point somewhere else between the check and the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::cidr::Cidr;

/// What an operator allows beyond public addresses.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// Ranges that may be connected to although they are not public.
    pub allowed: Vec<Cidr>,
    /// Ports on which this program or its stores listen: refused on addresses that are not public.
    pub own_ports: Vec<u16>,
}

/// Why a target is refused. Names the place and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Not a URL that can be sent to.
    #[error("{why}: write http(s)://host[:port]/path, credentials belong into the receiver's settings")]
    Url {
        /// What is wrong.
        why: String,
    },
    /// The address is not public, and no operator has allowed it.
    #[error("address {ip} is not public: add its range to delivery.allowed_networks if it is meant")]
    NotAllowed {
        /// The address.
        ip: IpAddr,
    },
    /// The address gives out the credentials of machines: never allowed.
    #[error("address {ip} serves the machine's own credentials: nothing is ever sent there")]
    Metadata {
        /// The address.
        ip: IpAddr,
    },
    /// It would be sent to ourselves.
    #[error("{ip} port {port} is this program or its store")]
    Ourselves {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
}

impl Egress {
    /// Checks a target as far as it can be checked without looking its name up.
    ///
    /// # Errors
    /// When the URL is not http or https, holds credentials, or names an address that is not allowed.
    pub fn target(&self, text: &str) -> Result<Url, EgressError> {
        let wrong = |why: &str| EgressError::Url { why: why.to_owned() };
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(wrong(&format!("scheme {:?} is not allowed", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user name or password"));
        }
        let host = url.host_str().ok_or_else(|| wrong("it names no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| wrong("it names no port"))?;
        // The parser has brought every way of writing a number (0x7f.1, 2130706433) to the common form.
        if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            self.check(ip, port)?;
        }
        Ok(url)
    }

    /// Checks one address.
    ///
    /// # Errors
    /// When it is neither public nor allowed, or ourselves.
    pub fn check(&self, ip: IpAddr, port: u16) -> Result<(), EgressError> {
        let inner = ip.to_canonical();
        if is_metadata(inner) {
            return Err(EgressError::Metadata { ip });
        }
        if is_public(inner) {
            return Ok(());
        }
        if !self.allowed.iter().any(|range| range.contains(ip) || range.contains(inner)) {
            return Err(EgressError::NotAllowed { ip });
        }
        if self.own_ports.contains(&port) {
            return Err(EgressError::Ourselves { ip, port });
        }
        Ok(())
    }
}

/// Whether machines of a cloud get credentials there.
fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || [[100, 100, 100, 200], [192, 0, 0, 192]].contains(&ip.octets()),
        IpAddr::V6(ip) => {
            let [a, b, .., last] = ip.segments();
            let translated = [a, b] == [0x64, 0xff9b] && is_metadata(Ipv4Addr::from_bits(ip.to_bits() as u32).into());
            a & 0xffc0 == 0xfe80 || ([a, b] == [0xfd00, 0x0ec2] && last == 0x0254) || translated
        }
    }
}

/// Whether everybody may connect to an address. What is not known to be public is not.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        [0 | 10 | 127, ..] => true,
        [100, second, ..] => (64..128).contains(&second),
        [169, 254, ..] | [192, 168, ..] | [198, 18 | 19, ..] => true,
        [172, second, ..] => (16..32).contains(&second),
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, reserved, broadcast.
        [first, ..] if first >= 224 => true,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, ..] = ip.segments();
    // NAT64: the network translates to the IPv4 address at the end.
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(Ipv4Addr::from_bits(ip.to_bits() as u32));
    }
    let is_global_unicast = a & 0xe000 == 0x2000;
    // Protocol assignments with Teredo and ORCHID, documentation, 6to4: not where a receiver lives.
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    is_global_unicast && !special
}

/// Looks names up for one target and lets only checked addresses through.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What is allowed.
    pub egress: Arc<Egress>,
    /// The target's port.
    pub port: u16,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { egress, port } = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), port)).await?.collect();
            for address in &found {
                // One bad address among good ones is an attack or a mistake: none of them is used.
                egress.check(address.ip(), port)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_are_not_public_are_refused() {
        let egress = Egress::default();
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://127.0.0.1./",
            "http://１２７.０.０.１/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://100.64.0.1/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.0.0.1/",
            "http://192.168.1.1:8080/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:7f00:1::]/",
            "http://[2001:db8::1]/",
            "http://[fc00::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
            "http://[5f00::1]/",
        ] {
            assert!(matches!(egress.target(url), Err(EgressError::NotAllowed { .. })), "{url}");
        }
        let lenient =
            Egress { allowed: vec![Cidr::parse("0.0.0.0/0").unwrap(), Cidr::parse("::/0").unwrap()], ..egress.clone() };
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
        ] {
            assert!(matches!(lenient.target(url), Err(EgressError::Metadata { .. })), "{url}");
        }
        for url in [
            "gopher://example.com/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "javascript:alert(1)",
            "//example.com/",
            "http://user@example.com/",
            "http://user:secret@example.com/",
            "http://[fe80::1%25eth0]/",
            "http:///",
            "",
        ] {
            assert!(matches!(egress.target(url), Err(EgressError::Url { .. })), "{url}");
        }
        for url in [
            "https://example.com/hook",
            "http://8.8.8.8/",
            "http://[2606:4700::1111]:8443/",
            "http://172.32.0.1/",
            "http://[64:ff9b::808:808]/",
            "http://[::ffff:8.8.8.8]/",
        ] {
            assert!(egress.target(url).is_ok(), "{url}");
        }
    }

    /// Ways to write an address of this machine, of a private network or of a machine's own credentials, in all the forms
    /// that one or another URL parser takes.
    #[test]
    fn no_spelling_of_an_address_gets_through() {
        let private = [
            "127.0.0.1",
            "127.0.0.2",
            "127.255.255.254",
            "127.1",
            "127.0.1",
            "0177.1",
            "0177.0.0.1",
            "0x7f000001",
            "0x7f.0.0.1",
            "0x7F.0x0.0x0.0x1",
            "017700000001",
            "2130706433",
            "127.0.0.1.",
            "0",
            "0.0.0.0",
            "00000000",
            "0x0",
            "１２７.0.0.1",
            "127。0。0。1",
            "127．0．0．1",
            "①②⑦.0.0.1",
            "10.0.0.1",
            "10.255.255.255",
            "167772161",
            "0xa000001",
            "012.0.0.1",
            "172.16.0.1",
            "172.20.10.2",
            "0xac.0x10.0.1",
            "192.168.0.1",
            "192.168.1.254",
            "3232235777",
            "0xc0a80101",
            "0300.0250.1.1",
            "192.168.257",
            "100.64.0.1",
            "100.127.255.254",
            "198.18.0.1",
            "198.19.255.254",
            "192.0.0.8",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "4294967295",
            "0xffffffff",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[::]",
            "[::0]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:192.168.1.1]",
            "[::ffff:0:127.0.0.1]",
            "[::127.0.0.1]",
            "[::10.0.0.1]",
            "[2002:7f00:1::]",
            "[2002:a00:1::1]",
            "[2002:c0a8:101::]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b::c0a8:101]",
            "[64:ff9b:1::7f00:1]",
            "[2001:0:7f00:1::]",
            "[2001:db8::1]",
            "[2001:10::1]",
            "[100::1]",
            "[fc00::1]",
            "[fd12:3456:789a::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[ff0e::1]",
            "[5f00::1]",
            "[3fff::1]",
        ];
        let egress = Egress::default();
        for host in private {
            for url in [format!("http://{host}/hook"), format!("https://{host}:8443/")] {
                assert!(egress.target(&url).is_err(), "{url}");
            }
        }
        // An operator who allows everything still never reaches what gives out credentials.
        let all = ["0.0.0.0/0", "::/0"].map(|text| Cidr::parse(text).unwrap()).to_vec();
        let lenient = Egress { allowed: all, ..egress.clone() };
        let metadata = [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.0.1",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "025177524776",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "169.254.169.254.",
            "１６９.254.169.254",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
            "[fe80::1]",
            "[fe80::a9fe:a9fe]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "1684301000",
            "192.0.0.192",
        ];
        for host in metadata {
            let url = format!("http://{host}/latest/meta-data/");
            assert!(matches!(lenient.target(&url), Err(EgressError::Metadata { .. })), "{url}");
        }
        let no_targets = [
            "gopher://example.com/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "javascript:alert(1)",
            "data:text/html,x",
            "dict://example.com/",
            "ldap://example.com/",
            "jar:http://example.com!/",
            "ws://example.com/",
            "unix:/var/run/docker.sock",
            "//example.com/",
            "http://user@example.com/",
            "http://user:secret@example.com/",
            "http://127.0.0.1@example.com/",
            "http://example.com@127.0.0.1/",
            "http://[fe80::1%25eth0]/",
            "http://[::1%25lo]/",
            "http://[127.0.0.1]/",
            "http://[::1/",
            "http:///",
            "http://",
            "https://",
            "",
            " ",
            "example.com/hook",
            "http://exa mple.com/",
            "http://256.256.256.256/",
            "http://1.2.3.4.5/",
            "http://0x100000000/",
            "http://example.com:99999/",
            "http://example.com:port/",
            "http://%00.example/",
        ];
        for url in no_targets {
            assert!(egress.target(url).is_err(), "{url:?}");
        }
        assert!(
            private.len() + metadata.len() + no_targets.len() >= 120,
            "{}",
            private.len() + metadata.len() + no_targets.len()
        );
    }

    #[test]
    fn an_operator_allows_ranges_but_never_ourselves() {
        let allowed = ["10.2.0.0/16", "fd00::/8", "127.0.0.1"].map(|text| Cidr::parse(text).unwrap()).to_vec();
        let egress = Egress { allowed, own_ports: vec![8080] };
        assert!(egress.target("http://10.2.255.1/").is_ok());
        assert!(egress.target("http://10.3.0.1/").is_err());
        assert!(egress.target("http://[fd12::1]/").is_ok());
        assert!(egress.target("http://[::ffff:10.2.0.1]/").is_ok());
        assert!(egress.target("http://127.0.0.1:9000/").is_ok());
        let ours = egress.target("http://127.0.0.1:8080/").unwrap_err();
        assert!(matches!(ours, EgressError::Ourselves { port: 8080, .. }));
    }
}
