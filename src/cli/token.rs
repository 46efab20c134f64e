//! `headwater token`: credentials for people and sources.

use std::collections::BTreeSet;
use std::io::{Write as _, stdout};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::arguments::TokenCommand;
use crate::access::file::Record;
use crate::access::store::Wanted;
use crate::clock::machine;
use crate::domain::access::Role;
use crate::domain::ci::Area;
use crate::domain::ids::{OrgId, TenantId};
use crate::domain::time::Timestamp;
use crate::private;
use crate::serve::{TOKENS_FILE, tokens};

/// Characters of a user's name.
const NAME_CHARS_MAX: usize = 64;

/// Runs one of the token commands.
///
/// # Errors
/// When the role is unknown or the file cannot be read or written.
pub fn run(command: TokenCommand) -> Result<()> {
    let now = machine()();
    match command {
        TokenCommand::Create { data, role, name, tenant, org, area, short } => {
            private::folder(&data).with_context(|| format!("make {}", data.display()))?;
            let Some(role) = Role::parse(&role) else {
                bail!("role {role:?}: use viewer, operator, analyst, admin or source")
            };
            let orgs: BTreeSet<OrgId> = org.into_iter().map(OrgId::from).collect();
            let orgs = (!orgs.is_empty()).then_some(orgs);
            let areas = areas(&area)?;
            let wanted = Wanted { name, role, tenant: TenantId::from(tenant), orgs, areas, expires_at: None };
            let tokens = tokens(&data)?;
            let by = user();
            let token = if short { tokens.create_key(wanted, &by, now) } else { tokens.create_here(wanted, &by, now) }?;
            writeln!(stdout(), "token (shown only now): {}", token.reveal())?;
        }
        TokenCommand::List { data, json } => list(&data, json)?,
        TokenCommand::Revoke { data, id } => tokens(&data)?.revoke_here(&id, &user(), now)?,
    }
    Ok(())
}

/// Who sits at the command line, as the system says; behind `sudo`, who has called it.
fn user() -> String {
    let named = ["SUDO_USER", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    user.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

/// The areas that a credential is limited to; none named: all.
fn areas(words: &[String]) -> Result<Option<BTreeSet<Area>>> {
    let read = |word: &String| {
        Area::parse(word)
            .with_context(|| format!("area {word:?}: use facility, cloud, application, support or security"))
    };
    let areas: BTreeSet<Area> = words.iter().map(read).collect::<Result<_>>()?;
    Ok((!areas.is_empty()).then_some(areas))
}

/// Who may come in: everything but what proves it.
fn list(data: &Path, json: bool) -> Result<()> {
    let file = data.join(TOKENS_FILE);
    ensure!(
        file.exists(),
        "no credentials: there is no {}; make one with `headwater token create --data {} --role admin --name you`",
        file.display(),
        data.display()
    );
    let records = tokens(data)?.list();
    if json {
        for one in &records {
            writeln!(stdout(), "{}", shown(one))?;
        }
        return Ok(());
    }
    writeln!(
        stdout(),
        "{:<12}  {:<8}  {:<20}  {:<12}  {:<24}  {:<24}  ENDS",
        "ID",
        "ROLE",
        "NAME",
        "TENANT",
        "MADE",
        "LAST USED"
    )?;
    for one in &records {
        let Record { id, name, role, tenant, .. } = one;
        let at = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| at.to_string());
        let ends = one.revoked_at.map_or_else(|| at(one.expires_at), |at| format!("revoked {at}"));
        let orgs = one.orgs.iter().flatten().map(OrgId::as_str);
        let only: Vec<&str> = orgs.chain(one.areas.iter().flatten().map(|area| area.as_str())).collect();
        let only = if only.is_empty() { String::new() } else { format!("  (only {})", only.join(", ")) };
        writeln!(
            stdout(),
            "{id:<12}  {:<8}  {name:<20}  {:<12}  {:<24}  {:<24}  {ends}{only}",
            role.as_str(),
            tenant.as_str(),
            one.created_at.to_string(),
            at(one.last_used_at)
        )?;
    }
    Ok(())
}

fn shown(one: &Record) -> serde_json::Value {
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": one.id, "name": one.name, "role": one.role, "tenant": one.tenant, "orgs": one.orgs, "areas": one.areas,
        "created_at": one.created_at.to_string(), "expires_at": at(one.expires_at), "revoked_at": at(one.revoked_at),
        "last_used_at": at(one.last_used_at),
    })
}
