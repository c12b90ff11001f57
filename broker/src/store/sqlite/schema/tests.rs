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

#[test]
fn devices_of_the_sixth_schema_are_spotless_since_their_last_failure_or_lifted_ban() {
    let mut connection = Connection::open_in_memory().unwrap();
    for step in &MIGRATIONS[..6] {
        connection.execute_batch(step).unwrap();
    }
    let uuid = |n: u8| format!("x'{}0{n}'", "00".repeat(15));
    // First seen, last seen, verdicts that failed it; of the fifth nothing was ever seen, and the
    // fourth's history was forgotten.
    let devices = [
        (1, "3, 9", 0),
        (2, "3, 9", 1),
        (3, "3, 9", 1),
        (4, "3, 9", 2),
        (5, "NULL, 9", 0),
    ];
    for (n, seen, failed) in devices {
        let sql = format!(
            "INSERT INTO devices (uuid, first_seen_us, last_seen_us, passed, could_not_run, failed,
                                  failed_since_lifted)
             VALUES ({}, {seen}, 0, 0, {failed}, 0)",
            uuid(n)
        );
        connection.execute_batch(&sql).unwrap();
    }
    let verdict = |outcome| format!(r#"{{"verdict":{{"outcome":"{outcome}"}}}}"#);
    let lifted = r#"{"lifted":{"reason":"x","by":null}}"#.to_owned();
    for (n, at, document) in [
        (1, 3, verdict("pass")),
        (2, 5, verdict("fail")),
        (2, 9, verdict("pass")),
        (3, 5, verdict("fail")),
        (3, 7, lifted),
        (3, 9, verdict("could_not_run")),
    ] {
        let line = "INSERT INTO device_history (uuid, at_us, by_operator, document)";
        let line = format!("{line} VALUES ({}, {at}, 0, ?1)", uuid(n));
        connection.execute(&line, [document]).unwrap();
    }
    connection.pragma_update(None, "user_version", 6).unwrap();
    migrate(&mut connection).unwrap();
    let mut read = connection
        .prepare("SELECT spotless_since_us FROM devices ORDER BY uuid")
        .unwrap();
    let since = read.query_map([], |row| row.get(0)).unwrap();
    let since: Vec<Option<i64>> = since.collect::<Result<_, _>>().unwrap();
    assert_eq!(since, [Some(3), Some(5), Some(7), Some(9), None]);
}
