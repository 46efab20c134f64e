//! `headwater token`: credentials for people and sources.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

use super::arguments::TokenCommand;
use crate::access::store::Wanted;
use crate::clock::machine;
use crate::domain::access::Role;
use crate::domain::ids::{OrgId, TenantId};
use crate::serve::tokens;

/// Runs one of the token commands.
///
/// # Errors
/// When the role is unknown or the file cannot be read or written.
pub fn run(command: TokenCommand) -> Result<()> {
    let now = machine()();
    match command {
        TokenCommand::Create { data, role, name, tenant, org } => {
            std::fs::create_dir_all(&data).with_context(|| format!("make {}", data.display()))?;
            let Some(role) = Role::parse(&role) else {
                bail!("role {role:?}: use viewer, operator, analyst, admin or source")
            };
            let orgs: BTreeSet<OrgId> = org.into_iter().map(OrgId::from).collect();
            let orgs = (!orgs.is_empty()).then_some(orgs);
            let wanted = Wanted { name, role, tenant: TenantId::from(tenant), orgs, expires_at: None };
            let token = tokens(&data)?.create(wanted, now)?;
            println!("token (shown only now): {}", token.reveal());
        }
        TokenCommand::List { data } => {
            for record in tokens(&data)?.list() {
                println!("{}", serde_json::to_string(&record)?);
            }
        }
        TokenCommand::Revoke { data, id } => tokens(&data)?.revoke(&id, now)?,
    }
    Ok(())
}
