#![expect(clippy::disallowed_methods, reason = "a test has no tables")]

use super::*;
use futures_util::future::join_all;

async fn readers() -> (Readers, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("test.db"))
        .create_if_missing(true);
    (Readers::open(options).await.unwrap(), folder)
}

#[tokio::test]
async fn who_reads_for_long_holds_up_nobody() {
    let (readers, _folder) = readers().await;
    let long = readers.snapshot().await.unwrap();
    let reads = (0..64).map(async |_| {
        let mut reader = readers.read().await.unwrap();
        sqlx::query("SELECT 1").execute(&mut *reader).await.unwrap();
    });
    let all = tokio::time::timeout(Duration::from_secs(20), join_all(reads));
    assert!(all.await.is_ok());
    drop(long);
    for _ in 0..8 {
        assert!(readers.snapshot().await.is_ok());
    }
    readers.close().await;
    assert!(readers.read().await.is_err());
}

/// As the database does by itself when the disk fails.
#[tokio::test]
async fn a_transaction_that_ended_by_itself_leaves_no_old_view() {
    let (readers, _folder) = readers().await;
    for _ in 0..COUNT {
        let mut snapshot = readers.snapshot().await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut *snapshot).await.unwrap();
    }
    for _ in 0..COUNT {
        let mut reader = readers.read().await.unwrap();
        assert_eq!(Manager::get_transaction_depth(&reader), 0);
        sqlx::query("SELECT 1").execute(&mut *reader).await.unwrap();
    }
}

/// Whoever has a permit finds a connection, however others come and go meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn one_is_free_for_whoever_has_a_permit() {
    let (readers, _folder) = readers().await;
    let readers = std::sync::Arc::new(readers);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let readers = std::sync::Arc::clone(&readers);
        tasks.spawn(async move {
            for _ in 0..50_000 {
                let reader = readers.read().await?;
                tokio::task::yield_now().await;
                drop(reader);
            }
            Ok::<_, StoreError>(())
        });
    }
    for ended in tasks.join_all().await {
        ended.unwrap();
    }
}
