//! What stands in a store of an earlier schema is kept.

use super::*;

#[test]
fn an_account_of_the_first_schema_is_kept_and_has_no_country() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(MIGRATIONS[0]).unwrap();
    connection
        .execute_batch("INSERT INTO accounts VALUES (x'01', 'old', 3); PRAGMA user_version = 1")
        .unwrap();
    migrate(&mut connection).unwrap();
    let old: (String, i64, Option<String>) = connection
        .query_row(
            "SELECT name, created_at_us, country FROM accounts",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(old, ("old".to_owned(), 3, None));
    let wrong = "UPDATE accounts SET country = 'DEU'";
    assert!(connection.execute_batch(wrong).is_err());
    migrate(&mut connection).expect("a second start changes nothing");
}

#[test]
fn devices_of_the_fifth_schema_keep_their_counts_and_bans() {
    let mut connection = Connection::open_in_memory().unwrap();
    for step in &MIGRATIONS[..5] {
        connection.execute_batch(step).unwrap();
    }
    let old = "
        INSERT INTO devices VALUES
            (x'01010101010101010101010101010101', 'rtx4090', 'ionet', 3, 9, 4, 1, 2, 0, x'07', 1, 0),
            (x'02020202020202020202020202020202', NULL, 'aethir', 5, 8, 0, 0, 3, 1, x'08', 2, 6);
        PRAGMA user_version = 5";
    connection.execute_batch(old).unwrap();
    migrate(&mut connection).unwrap();
    let mut read = connection
        .prepare(
            "SELECT hex(uuid), model, network, first_seen_us, last_seen_us, passed, failed,
                    failed_since_lifted, banned_at_us, ban_reason, rank FROM devices",
        )
        .unwrap();
    let rows = read.query_map([], |row| {
        (0..11)
            .map(|n| row.get::<_, rusqlite::types::Value>(n))
            .collect::<Result<Vec<_>, _>>()
    });
    let rows: Vec<Vec<rusqlite::types::Value>> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    let none = rusqlite::types::Value::Null;
    let text = |t: &str| rusqlite::types::Value::Text(t.into());
    let first = [
        &[text(&"01".repeat(16)), text("rtx4090"), text("ionet")][..],
        &[3, 9, 4, 2, 2].map(Into::into),
        &[none.clone(), none.clone(), 0.into()],
    ]
    .concat();
    let second = [
        &[text(&"02".repeat(16)), none, text("aethir")][..],
        &[5, 8, 0, 3, 3, 8].map(Into::into),
        &[text("3 verdicts failed it"), 6.into()],
    ]
    .concat();
    assert_eq!(rows, [first, second]);
}
