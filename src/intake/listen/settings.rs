//! How a listener is set up.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use chrono_tz::Tz;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::decode::snmp::Senders;
use crate::decode::snmp::authority::Authority;
use crate::decode::snmp::usm::{Passwords, Proof, User, Users};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::matcher::{Fields, Matcher, MatcherText, Op};
use crate::domain::time::Timestamp;

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Syslog,
    Snmp,
    Smtp,
}

impl Kind {
    /// The word in settings; also the source's name when none is given.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Snmp => "snmp",
            Self::Smtp => "mail",
        }
    }
}

/// What carries syslog and mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Udp,
    Tcp,
    Tls,
}

/// One listener as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerSettings {
    pub kind: Kind,
    pub address: SocketAddr,
    #[serde(default)]
    pub protocol: Protocol,
    /// The source's name; without it that of the kind.
    pub source: Option<String>,
    /// Without it the installation's own.
    pub tenant: Option<TenantId>,
    /// The mapping that messages are read with.
    pub mapping: Option<String>,
    /// The zone of times without one.
    #[schemars(with = "Option<String>")]
    pub zone: Option<Tz>,
    /// The networks that are listened to.
    #[serde(default)]
    pub allow: Vec<String>,
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Who signs the certificates of senders; without it they need none.
    pub client_ca_file: Option<PathBuf>,
    /// Mail is taken in TLS only; so it is where `client_ca_file` is named.
    #[serde(default)]
    pub tls_only: bool,
    /// Communities of SNMP 1 and 2c.
    #[serde(default)]
    pub communities: Vec<String>,
    /// Users of SNMP 3.
    #[serde(default)]
    pub users: Vec<UserSettings>,
    /// To whom mail may be addressed.
    #[serde(default)]
    pub recipients: Vec<String>,
}

/// A user of SNMP 3.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    pub name: String,
    /// md5, sha1, sha224, sha256, sha384 or sha512.
    pub auth: Option<ProofWord>,
    pub auth_password_file: Option<PathBuf>,
    /// AES-128.
    pub privacy_password_file: Option<PathBuf>,
}

/// How a user's messages are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProofWord {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// A listener, ready to listen.
pub struct Ready {
    pub kind: Kind,
    pub protocol: Protocol,
    pub source: SourceId,
    pub tenant: TenantId,
    pub mapping: String,
    pub zone: Tz,
    allow: Vec<Matcher>,
    pub senders: Senders,
    pub recipients: Vec<String>,
    pub tls: Option<Arc<ServerConfig>>,
    /// Mail that does not come in TLS is refused.
    pub is_tls_asked: bool,
}

struct Peer<'p>(&'p str);

impl Fields for Peer<'_> {
    fn field(&self, _: &str) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.0.into())
    }
}

impl Ready {
    /// Whether a sender is in a network that is listened to.
    pub fn allows(&self, peer: IpAddr) -> bool {
        let text = peer.to_canonical().to_string();
        self.allow.iter().any(|network| network.matches(&Peer(&text)))
    }
}

impl ListenerSettings {
    /// Checks the settings and reads what they name.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn ready(&self, tenant: &TenantId, now: Timestamp) -> Result<Ready> {
        let mapping = match self.kind {
            Kind::Syslog => "syslog",
            Kind::Snmp => "snmp-trap",
            Kind::Smtp => "mail",
        };
        Ok(Ready {
            kind: self.kind,
            protocol: self.protocol,
            source: SourceId::from(self.source.clone().unwrap_or_else(|| self.kind.as_str().to_owned())),
            tenant: self.tenant.clone().unwrap_or_else(|| tenant.clone()),
            mapping: self.mapping.clone().unwrap_or_else(|| mapping.to_owned()),
            zone: self.zone.unwrap_or(Tz::Asia__Shanghai),
            allow: self.networks()?,
            senders: self.senders(now)?,
            recipients: self.recipients.clone(),
            tls: if self.seals() { Some(self.tls()?) } else { None },
            is_tls_asked: self.tls_only || self.client_ca_file.is_some(),
        })
    }

    /// Whether it needs a certificate: mail begins without TLS and may go on in it.
    fn seals(&self) -> bool {
        let named = self.certificate_file.is_some() || self.key_file.is_some() || self.client_ca_file.is_some();
        self.protocol == Protocol::Tls || self.kind == Kind::Smtp && (named || self.tls_only)
    }

    fn networks(&self) -> Result<Vec<Matcher>> {
        let mut networks = self.allow.clone();
        if networks.is_empty() {
            ensure!(
                self.address.ip().is_loopback(),
                "nobody signs in here: name the networks that may send, such as allow: [10.0.0.0/8]"
            );
            networks = vec!["127.0.0.0/8".into(), "::1/128".into()];
        }
        let network = |value: String| {
            let text = MatcherText { field: "peer".into(), op: Op::Cidr, value, not: false };
            Matcher::try_from(text).context("allow")
        };
        networks.into_iter().map(network).collect()
    }

    fn senders(&self, now: Timestamp) -> Result<Senders> {
        if self.kind == Kind::Smtp && self.recipients.is_empty() {
            bail!("name the recipients that mail is taken for");
        }
        if self.kind != Kind::Smtp && self.tls_only {
            bail!("tls_only is of mail; syslog is in TLS with protocol: tls");
        }
        if self.kind == Kind::Snmp && self.communities.is_empty() && self.users.is_empty() {
            bail!("name the communities of versions 1 and 2c, or the users of version 3, that may send");
        }
        let users = self.users.iter().map(|user| user.ready().with_context(|| format!("user {}", user.name)));
        let host = rustix::system::uname();
        let about = format!("{} {} {}", host.nodename().to_string_lossy(), self.address, self.kind.as_str());
        let authority = (!self.users.is_empty()).then(|| Authority::new(&about, now));
        let users = Users::of(users.collect::<Result<_>>()?);
        Ok(Senders { communities: self.communities.clone(), users, authority })
    }

    fn tls(&self) -> Result<Arc<ServerConfig>> {
        let (Some(certificate), Some(key)) = (&self.certificate_file, &self.key_file) else {
            bail!("TLS needs certificate_file and key_file");
        };
        let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>> {
            let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            found.with_context(|| format!("read the certificates of {}", path.display()))
        };
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("read the key {}", key.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = rustls::RootCertStore::empty();
                for one in certificates(path)? {
                    roots.add(one)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        Ok(Arc::new(builder.with_single_cert(chain, key).context("certificate_file and key_file")?))
    }
}

impl UserSettings {
    fn ready(&self) -> Result<User> {
        let read = |path: &Option<PathBuf>| -> Result<Option<String>> {
            let Some(path) = path else { return Ok(None) };
            let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        };
        let (auth, privacy) = (read(&self.auth_password_file)?, read(&self.privacy_password_file)?);
        let proof = match (self.auth, &auth) {
            (Some(word), Some(password)) => Some((word.proof(), password.as_str())),
            (None, None) => None,
            _ => bail!("auth and auth_password_file go together"),
        };
        User::new(&self.name, &Passwords { proof, privacy: privacy.as_deref() }).map_err(anyhow::Error::msg)
    }
}

impl ProofWord {
    const fn proof(self) -> Proof {
        match self {
            Self::Md5 => Proof::Md5,
            Self::Sha1 => Proof::Sha1,
            Self::Sha224 => Proof::Sha224,
            Self::Sha256 => Proof::Sha256,
            Self::Sha384 => Proof::Sha384,
            Self::Sha512 => Proof::Sha512,
        }
    }
}
