//! What the writer answers when the database fails under it.

use super::*;

/// A connection to a new file with one table, which may have so many pages of 4 KiB.
fn small(pages: u32) -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let connection = Connection::open(folder.path().join("t.db")).expect("a new file");
    let sql = format!("CREATE TABLE t (n INTEGER, x BLOB); PRAGMA max_page_count = {pages}");
    connection.execute_batch(&sql).expect("an empty database");
    (folder, connection)
}

/// Writes a row with so many bytes.
fn insert(n: i64, bytes: u64) -> Work {
    Box::new(move |savepoint| {
        savepoint.execute("INSERT INTO t VALUES (?1, zeroblob(?2))", (n, bytes))?;
        Ok(())
    })
}

fn rows(connection: &Connection) -> Vec<i64> {
    let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").expect("t");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("numbers")
}

#[test]
fn what_does_not_fit_on_the_disk_is_told_so_and_the_writer_goes_on() {
    let (_folder, mut connection) = small(20);
    let works = vec![insert(1, 10), insert(2, 1 << 20), insert(3, 10)];
    let results = in_one_transaction(&mut connection, works);
    let full = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::Database(why)) if why.contains("full"));
    match results {
        // SQLite may end the one statement or the whole transaction.
        Ok(results) => {
            assert!(full(&results[1]), "{results:?}");
            assert_eq!((&results[0], &results[2]), (&Ok(()), &Ok(())));
            assert_eq!(rows(&connection), [1, 3]);
        }
        Err(why) => {
            assert!(why.to_string().contains("full"), "{why}");
            assert!(rows(&connection).is_empty());
        }
    }
    let works = vec![insert(4, 10)];
    assert_eq!(in_one_transaction(&mut connection, works), Ok(vec![Ok(())]));
    assert_eq!(rows(&connection).last(), Some(&4));
}

#[tokio::test]
async fn when_sqlite_gives_the_transaction_up_all_are_told_its_reason_and_nothing_stays() {
    let (_folder, connection) = small(100);
    let file = connection.path().map(str::to_owned).expect("it has a file");
    let writer = Writer::start(connection).expect("a thread");
    let gives_up: Work = Box::new(|savepoint| {
        savepoint.execute_batch("ROLLBACK")?;
        Err(StoreError::Database("disk I/O error".into()))
    });
    let (before, lost, after) = tokio::join!(
        writer.submit(insert(1, 10)),
        writer.submit(gives_up),
        writer.submit(insert(2, 10)),
    );
    let stored = rows(&Connection::open(&file).expect("the same file"));
    for (n, result) in [(1, before), (2, after)] {
        // Whether they shared its transaction is up to the threads.
        match result {
            Ok(()) => assert!(stored.contains(&n), "{stored:?}"),
            Err(StoreError::Database(why)) => {
                assert_eq!(why, "disk I/O error");
                assert!(!stored.contains(&n), "{stored:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    let why = StoreError::Database("disk I/O error".into());
    assert_eq!(lost, Err(why));
    assert_eq!(writer.submit(insert(3, 10)).await, Ok(()));
}

#[test]
fn when_the_transaction_is_lost_nothing_of_its_group_stays() {
    let (_folder, mut connection) = small(100);
    let gives_up: Work = Box::new(|savepoint| {
        savepoint.execute_batch("ROLLBACK")?;
        Err(StoreError::Database("disk I/O error".into()))
    });
    let works = vec![insert(1, 10), gives_up, insert(2, 10)];
    let lost = in_one_transaction(&mut connection, works);
    let why = StoreError::Database("disk I/O error".into());
    assert_eq!(lost, Err(why));
    assert!(rows(&connection).is_empty());
    let works = vec![insert(3, 10)];
    assert_eq!(in_one_transaction(&mut connection, works), Ok(vec![Ok(())]));
    assert_eq!(rows(&connection), [3]);
}
