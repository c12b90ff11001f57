//! Tenants' tables: accounts, API keys, answers kept for idempotency keys, settings.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::network::Country;
use tandem_model::time::WallTime;
use tandem_pricing::policy::Version;

use super::rows::{array, bytes, hex, hex_id, id, refused, word};
use super::{SqliteStore, denials, policies, sales};
use crate::store::PromotionGiven;
use crate::store::tenants::{
    AccountRecord, Conversion, ConversionKey, DenialRecord, KeyRecord, REPLY_TTL, ReplyRecord,
    SETTING_BYTES_MAX, Tenants,
};
use crate::store::{Answer, PAGE_MAX, Rule, StoreError};

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<WallTime> {
    row.get(column).map(WallTime::from_micros)
}

fn later(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<WallTime>> {
    let at: Option<i64> = row.get(column)?;
    Ok(at.map(WallTime::from_micros))
}

/// Answers older than this are forgotten.
fn oldest_kept_us(now: WallTime) -> i64 {
    let ttl = i64::try_from(REPLY_TTL.as_micros()).expect("a day fits");
    now.micros().saturating_sub(ttl)
}

/// Keeps answers; a key that has one which is not too old yet fails the commit.
pub(super) fn keep_replies(
    connection: &Connection,
    replies: &[ReplyRecord],
) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO replies (account, key, route, body_sha256, status, body, at_us)
        SELECT unhex(value ->> 0), value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4,
               value ->> 5, value ->> 6
        FROM jsonb_each(?1) WHERE TRUE
        ON CONFLICT (account, key, route) DO UPDATE SET
            body_sha256 = excluded.body_sha256, status = excluded.status, body = excluded.body,
            at_us = excluded.at_us
        WHERE replies.at_us < excluded.at_us - ?2
        RETURNING 1";
    if replies.is_empty() {
        return Ok(());
    }
    let rows = replies.iter().map(|r| {
        let (account, sha256) = (hex_id(r.account.uuid()), hex(&r.body_sha256));
        (account, &r.key, &r.route, sha256, r.status, &r.body, r.at)
    });
    let ttl = -oldest_kept_us(WallTime::from_micros(0));
    let mut statement = connection.prepare_cached(SQL)?;
    let kept = statement.query_map(params![array(rows), ttl], |_| Ok(()))?;
    if kept.collect::<Result<Vec<()>, _>>()?.len() == replies.len() {
        return Ok(());
    }
    Err(refused(
        Rule::ReplyKept,
        "an idempotency key has its answer",
    ))
}

const ACCOUNT: &str = "id, name, created_at_us, country";

fn account_row(row: &Row<'_>) -> rusqlite::Result<AccountRecord> {
    let country: Option<String> = row.get(3)?;
    let country = country.map(|code| word::<Country>(3, code)).transpose()?;
    Ok(AccountRecord {
        id: id(row, 0, AccountId::PREFIX)?,
        name: row.get(1)?,
        country,
        created_at: moment(row, 2)?,
    })
}

const KEY: &str = "id, account, name, hash, scopes, created_at_us, expires_at_us, revoked_at_us";

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let scopes: String = row.get(4)?;
    Ok(KeyRecord {
        id: id(row, 0, ApiKeyId::PREFIX)?,
        account: id(row, 1, AccountId::PREFIX)?,
        name: row.get(2)?,
        hash: row.get(3)?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        created_at: moment(row, 5)?,
        expires_at: later(row, 6)?,
        revoked_at: later(row, 7)?,
    })
}

fn insert_key(connection: &Connection, key: &KeyRecord) -> Result<(), StoreError> {
    if let Some(wrong) = key
        .scopes
        .iter()
        .find(|s| s.is_empty() || s.contains(char::is_whitespace))
    {
        return Err(refused(Rule::Other, format!("`{wrong}` is no scope")));
    }
    let (expires, revoked) = (
        key.expires_at.map(WallTime::micros),
        key.revoked_at.map(WallTime::micros),
    );
    connection
        .prepare_cached(&format!(
            "INSERT INTO api_keys ({KEY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        ))?
        .execute(params![
            bytes(key.id.uuid()),
            bytes(key.account.uuid()),
            key.name,
            key.hash,
            key.scopes.join(" "),
            key.created_at.micros(),
            expires,
            revoked,
        ])?;
    Ok(())
}

fn reply_row(row: &Row<'_>) -> rusqlite::Result<ReplyRecord> {
    Ok(ReplyRecord {
        account: id(row, 0, AccountId::PREFIX)?,
        key: row.get(1)?,
        route: row.get(2)?,
        body_sha256: row.get(3)?,
        status: row.get(4)?,
        body: row.get(5)?,
        at: moment(row, 6)?,
    })
}

fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row(params![name], |row| row.get(0))
        .optional()
}

fn short_enough(name: &str, value: &[u8]) -> Result<(), StoreError> {
    if value.len() <= SETTING_BYTES_MAX {
        return Ok(());
    }
    let detail = format!(
        "setting {name} has {} bytes; the limit is {SETTING_BYTES_MAX}",
        value.len()
    );
    Err(refused(Rule::Other, detail))
}

impl Tenants for SqliteStore {
    fn add_account(&self, account: AccountRecord, reply: Option<ReplyRecord>) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| {
            keep_replies(c, reply.as_slice())?;
            c.prepare_cached(&format!(
                "INSERT INTO accounts ({ACCOUNT}) VALUES (?1, ?2, ?3, ?4)"
            ))?
            .execute(params![
                bytes(account.id.uuid()),
                account.name,
                account.created_at.micros(),
                account.country.as_ref().map(Country::as_str),
            ])?;
            Ok(())
        }))
    }

    fn account(&self, id: AccountId) -> Answer<'_, Option<AccountRecord>> {
        Box::pin(async move {
            self.read(|c| {
                c.prepare_cached(&format!("SELECT {ACCOUNT} FROM accounts WHERE id = ?1"))?
                    .query_row(params![bytes(id.uuid())], account_row)
                    .optional()
            })
        })
    }

    fn accounts(&self, after: Option<AccountId>, limit: u32) -> Answer<'_, Vec<AccountRecord>> {
        let after = after.map_or([0; 16], |id| bytes(id.uuid()));
        Box::pin(async move {
            self.read(|c| {
                c.prepare_cached(&format!(
                    "SELECT {ACCOUNT} FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2"
                ))?
                .query_map(params![after, limit.min(PAGE_MAX)], account_row)?
                .collect()
            })
        })
    }

    fn add_key(&self, key: KeyRecord, reply: Option<ReplyRecord>) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| {
            keep_replies(c, reply.as_slice())?;
            insert_key(c, &key)
        }))
    }

    fn key(&self, id: ApiKeyId) -> Answer<'_, Option<KeyRecord>> {
        Box::pin(async move {
            self.read(|c| {
                c.prepare_cached(&format!("SELECT {KEY} FROM api_keys WHERE id = ?1"))?
                    .query_row(params![bytes(id.uuid())], key_row)
                    .optional()
            })
        })
    }

    fn keys(
        &self,
        account: AccountId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Answer<'_, Vec<KeyRecord>> {
        let after = after.map_or([0; 16], |id| bytes(id.uuid()));
        Box::pin(async move {
            self.read(|c| {
                c.prepare_cached(&format!(
                    "SELECT {KEY} FROM api_keys
                     WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
                ))?
                .query_map(
                    params![bytes(account.uuid()), after, limit.min(PAGE_MAX)],
                    key_row,
                )?
                .collect()
            })
        })
    }

    fn revoke_key(&self, account: AccountId, id: ApiKeyId, at: WallTime) -> Answer<'_, bool> {
        Box::pin(self.write(move |c| {
            let changed = c
                .prepare_cached(
                    "UPDATE api_keys SET revoked_at_us = ifnull(revoked_at_us, ?3)
                     WHERE id = ?1 AND account = ?2",
                )?
                .execute(params![
                    bytes(id.uuid()),
                    bytes(account.uuid()),
                    at.micros()
                ])?;
            Ok(changed == 1)
        }))
    }

    fn reply(
        &self,
        account: AccountId,
        key: String,
        route: String,
        now: WallTime,
    ) -> Answer<'_, Option<ReplyRecord>> {
        Box::pin(async move {
            self.read(|c| {
                c.prepare_cached(
                    "SELECT account, key, route, body_sha256, status, body, at_us FROM replies
                     WHERE account = ?1 AND key = ?2 AND route = ?3 AND at_us >= ?4",
                )?
                .query_row(
                    params![bytes(account.uuid()), key, route, oldest_kept_us(now)],
                    reply_row,
                )
                .optional()
            })
        })
    }

    fn forget_replies(&self, now: WallTime) -> Answer<'_, u64> {
        Box::pin(self.write(move |c| {
            let forgotten = c
                .prepare_cached(
                    "DELETE FROM replies WHERE rowid IN (
                         SELECT rowid FROM replies WHERE at_us < ?1 ORDER BY at_us LIMIT ?2)",
                )?
                .execute(params![oldest_kept_us(now), PAGE_MAX])?;
            Ok(forgotten as u64)
        }))
    }

    fn add_denials(&self, denials: Vec<DenialRecord>) -> Answer<'_, u64> {
        Box::pin(self.write(move |c| denials::add(c, &denials)))
    }

    fn denials(
        &self,
        account: Option<AccountId>,
        below: Option<u64>,
        limit: u32,
    ) -> Answer<'_, Vec<DenialRecord>> {
        Box::pin(async move { self.read(|c| denials::list(c, account, below, limit)) })
    }

    fn forget_denials(&self, before: WallTime) -> Answer<'_, u64> {
        Box::pin(self.write(move |c| denials::forget(c, before)))
    }

    fn promotions_given(&self) -> Answer<'_, Vec<PromotionGiven>> {
        Box::pin(async move { self.read(sales::given) })
    }

    fn add_conversion(&self, counts: Vec<(ConversionKey, Conversion)>) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| sales::log(c, &counts)))
    }

    fn conversion(&self, skip: u32, limit: u32) -> Answer<'_, Vec<(ConversionKey, Conversion)>> {
        Box::pin(async move { self.read(|c| sales::conversion(c, skip, limit)) })
    }

    fn add_policy(&self, version: Version, reply: Option<ReplyRecord>) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| {
            keep_replies(c, reply.as_slice())?;
            policies::add(c, &version)
        }))
    }

    fn policies(&self, below: Option<u32>, limit: u32) -> Answer<'_, Vec<Version>> {
        Box::pin(async move { self.read(|c| policies::list(c, below, limit)) })
    }

    fn policy(&self, number: Option<u32>) -> Answer<'_, Option<Version>> {
        Box::pin(async move { self.read(|c| policies::one(c, number)) })
    }

    fn setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(async move { self.read(|c| setting(c, name)) })
    }

    fn setting_or(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, Vec<u8>> {
        Box::pin(self.write(move |c| {
            short_enough(name, &value)?;
            c.prepare_cached(
                "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![name, value])?;
            Ok(setting(c, name)?.unwrap_or(value))
        }))
    }

    fn set_setting(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, ()> {
        Box::pin(self.write(move |c| {
            short_enough(name, &value)?;
            c.prepare_cached(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![name, value])?;
            Ok(())
        }))
    }
}
