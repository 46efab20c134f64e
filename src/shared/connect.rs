//! Connections to Redis: one server, the master that sentinels name, or a cluster.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};

use super::address::{Kind, Node, Servers};
use super::client::told;
use super::settings::Settings;
use crate::servers::secret;

/// A connection; clones share it.
#[derive(Clone)]
pub enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(cmd, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Who we are, and what protects the way.
struct Proofs {
    user: Option<String>,
    password: Option<String>,
    sentinel_password: Option<String>,
    certificates: TlsCertificates,
}

impl Proofs {
    fn read(settings: &Settings) -> Result<Self, String> {
        let bytes = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let client_tls = match (&settings.client_certificate_file, &settings.client_key_file) {
            (Some(certificate), Some(key)) => {
                Some(ClientTlsConfig { client_cert: bytes(certificate)?, client_key: secret(key)?.into_bytes() })
            }
            _ => None,
        };
        let root_cert = settings.ca_file.as_ref().map(bytes).transpose()?;
        Ok(Self {
            user: settings.user.clone(),
            password: settings.password_file.as_deref().map(secret).transpose()?,
            sentinel_password: settings.sentinel_password_file.as_deref().map(secret).transpose()?,
            certificates: TlsCertificates { client_tls, root_cert },
        })
    }
}

/// Connects once. Takes as long as the servers let it: the caller sets the limit.
///
/// # Errors
/// A sentence: what cannot be read, or what the servers say.
pub async fn connect(settings: &Settings, servers: &Servers) -> Result<Link, String> {
    // The first one who comes installs it; the outcome says only who that was.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let proofs = Proofs::read(settings)?;
    let link = match &servers.kind {
        Kind::One => one(settings, servers, &proofs).await,
        Kind::Sentinels(name) => master(settings, servers, name, &proofs).await,
        Kind::Cluster => cluster(settings, servers, &proofs).await,
    };
    link.map_err(|error| told(&error))
}

fn address(node: &Node, tls: bool) -> ConnectionAddr {
    let Node { host, port } = node.clone();
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn asking(settings: &Settings) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.connect_max()))
        .set_response_timeout(Some(settings.answer_max()))
}

async fn one(settings: &Settings, servers: &Servers, proofs: &Proofs) -> RedisResult<Link> {
    let Some(node) = servers.nodes.first() else { return Err(no_server()) };
    // Its name would be set with a command that servers before 7.2 do not know and that no user needs a right for.
    let mut about = RedisConnectionInfo::default().set_db(servers.db).set_skip_set_lib_name();
    if let Some(user) = &proofs.user {
        about = about.set_username(user);
    }
    if let Some(password) = &proofs.password {
        about = about.set_password(password);
    }
    let info: ConnectionInfo = address(node, servers.tls).into_connection_info()?.set_redis_settings(about);
    let client =
        if servers.tls { Client::build_with_tls(info, proofs.certificates.clone())? } else { Client::open(info)? };
    Ok(Link::One(client.get_multiplexed_async_connection_with_config(&asking(settings)).await?))
}

async fn master(settings: &Settings, servers: &Servers, name: &str, proofs: &Proofs) -> RedisResult<Link> {
    let nodes = servers.nodes.iter().map(|node| address(node, servers.tls));
    let mut sentinels = SentinelClientBuilder::new(nodes, name, SentinelServerType::Master)?;
    if servers.tls {
        sentinels = sentinels
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(proofs.certificates.clone())
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(proofs.certificates.clone());
    }
    if let Some(user) = &proofs.user {
        sentinels = sentinels.set_client_to_redis_username(user);
    }
    if let Some(password) = &proofs.password {
        sentinels = sentinels.set_client_to_redis_password(password);
    }
    if let Some(user) = &settings.sentinel_user {
        sentinels = sentinels.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &proofs.sentinel_password {
        sentinels = sentinels.set_client_to_sentinel_password(password);
    }
    let mut client = sentinels.build()?;
    Ok(Link::One(client.get_async_connection_with_config(&asking(settings)).await?))
}

async fn cluster(settings: &Settings, servers: &Servers, proofs: &Proofs) -> RedisResult<Link> {
    let nodes = servers.nodes.iter().map(|node| address(node, servers.tls));
    let mut cluster = ClusterClientBuilder::new(nodes)
        .connection_timeout(settings.connect_max())
        .response_timeout(settings.answer_max());
    if servers.tls {
        cluster = cluster.tls(TlsMode::Secure).certs(proofs.certificates.clone());
    }
    if let Some(user) = &proofs.user {
        cluster = cluster.username(user);
    }
    if let Some(password) = &proofs.password {
        cluster = cluster.password(password);
    }
    Ok(Link::Cluster(cluster.build()?.get_async_connection().await?))
}

fn no_server() -> redis::RedisError {
    (redis::ErrorKind::InvalidClientConfig, "no server is named").into()
}
