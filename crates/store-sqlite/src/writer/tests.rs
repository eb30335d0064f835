#![expect(clippy::disallowed_methods, reason = "a test has tables and tasks of its own")]

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::sqlite::SqliteJournalMode;
use tempfile::TempDir;

/// A writer on a file of its own, which counts its commits.
struct Place {
    writer: Writer,
    commits: Arc<AtomicU32>,
    _folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("test.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true);
        let mut conn = options.connect().await.unwrap();
        let schema = "CREATE TABLE numbers (number INTEGER PRIMARY KEY);
            CREATE TABLE texts (number INTEGER, text BLOB);
            CREATE TABLE parts (number INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)";
        sqlx::raw_sql(schema).execute(&mut conn).await.unwrap();
        let commits = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&commits);
        conn.lock_handle().await.unwrap().set_commit_hook(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            true
        });
        Self {
            writer: Writer::new(options, conn, Arc::default()).await.unwrap(),
            commits,
            _folder: folder,
        }
    }

    /// Half of them as a single statement.
    async fn add(&self, number: u32) -> Result<()> {
        let mut turn = match number % 4 {
            0 | 1 => self.writer.begin().await?,
            _ => self.writer.begin_single().await?,
        };
        insert(&mut turn, "INSERT INTO numbers VALUES ($1)", number).await?;
        turn.commit(Vec::new()).await
    }

    async fn numbers(&self) -> Vec<u32> {
        let mut turn = self.writer.begin().await.unwrap();
        let numbers = sqlx::query_scalar("SELECT number FROM numbers ORDER BY number");
        numbers.fetch_all(turn.conn()).await.unwrap()
    }
}

async fn insert(turn: &mut Turn<'_>, sql: &'static str, number: u32) -> Result<()> {
    let statement = sqlx::query::<Sqlite>(sql).bind(number);
    statement.execute(turn.conn()).await.map(drop).map_err(failed)
}

#[tokio::test]
async fn who_comes_at_once_shares_a_commit_and_who_is_alone_waits_for_nobody() {
    let place = Place::new().await;
    let outcomes = join_all((0..64).map(|number| place.add(number))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let commits = place.commits.load(Ordering::SeqCst);
    assert!(commits < 8, "{commits} commits for 64");
    place.add(64).await.unwrap();
    assert_eq!(place.commits.load(Ordering::SeqCst), commits + 1);
    assert_eq!(place.numbers().await, (0..65).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_one_takes_back_is_gone_and_the_others_stay() {
    let place = Place::new().await;
    let takes_back = async |number: u32| {
        let mut turn = place.writer.begin().await?;
        insert(&mut turn, "INSERT INTO numbers VALUES ($1)", number).await
    };
    let work = (0..60_u32).map(async |number| {
        if number % 3 == 0 {
            takes_back(number).await
        } else {
            place.add(number).await
        }
    });
    assert!(join_all(work).await.iter().all(Result::is_ok));
    let kept: Vec<_> = (0..60).filter(|number| number % 3 != 0).collect();
    assert_eq!(place.numbers().await, kept);
}

#[tokio::test]
async fn a_single_statement_that_fails_or_finds_nothing_takes_nothing_along() {
    let place = Place::new().await;
    place.add(1000).await.unwrap();
    let fails = async || {
        let mut turn = place.writer.begin_single().await?;
        insert(&mut turn, "INSERT INTO numbers VALUES ($1)", 1000).await
    };
    let finds_nothing = async || {
        let mut turn = place.writer.begin_single().await?;
        insert(&mut turn, "DELETE FROM numbers WHERE number = $1", 2000).await?;
        turn.give_up().await
    };
    let work = (0..60_u32).map(async |number| match number % 5 {
        0 => fails().await.is_err(),
        1 => finds_nothing().await.is_ok(),
        _ => place.add(number).await.is_ok(),
    });
    assert!(join_all(work).await.into_iter().all(|fits| fits));
    let kept = (0..60).filter(|number| number % 5 > 1).chain([1000]);
    assert_eq!(place.numbers().await, kept.collect::<Vec<_>>());
}

#[tokio::test]
async fn nobody_hears_of_success_when_the_commit_fails() {
    let place = Place::new().await;
    let dangles = async || {
        let mut turn = place.writer.begin().await?;
        insert(&mut turn, "INSERT INTO parts VALUES ($1)", 1000).await?;
        turn.commit(Vec::new()).await
    };
    let (mut kept, mut shared) = (Vec::new(), 0);
    for round in 0..20 {
        let (one, two) = (2 * round, 2 * round + 1);
        // The constraint is looked at when all is committed.
        let (first, dangling, last) = tokio::join!(place.add(one), dangles(), place.add(two));
        assert!(dangling.is_err());
        let heard = [(one, first.is_ok()), (two, last.is_ok())];
        kept.extend(
            heard
                .into_iter()
                .filter_map(|(number, is_ok)| is_ok.then_some(number)),
        );
        shared += heard.into_iter().filter(|(_, is_ok)| !is_ok).count();
        assert_eq!(place.numbers().await, kept);
    }
    // A slow machine commits one of them by itself now and then.
    assert!(shared > 0, "no commit was shared");
    place.add(1000).await.unwrap();
    assert_eq!(place.numbers().await.last(), Some(&1000));
}

/// What somebody else wrote and did not commit yet is nothing that anybody hears of.
#[tokio::test]
async fn whoever_comes_too_late_hears_of_it_when_it_is_so() {
    let place = Place::new().await;
    let options = place.writer.options.clone().read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let once = async || {
        let mut turn = place.writer.begin().await.unwrap();
        let sql = "INSERT INTO numbers VALUES (1) ON CONFLICT DO NOTHING";
        let done = sqlx::query::<Sqlite>(sql).execute(turn.conn()).await.unwrap();
        if done.rows_affected() == 1 {
            turn.commit(Vec::new()).await.unwrap();
            return true;
        }
        turn.give_up().await.unwrap();
        let seen = sqlx::query_scalar::<_, u32>("SELECT count(*) FROM numbers");
        assert_eq!(seen.fetch_one(&pool).await.unwrap(), 1);
        false
    };
    let outcomes = join_all((0..64).map(|_| once())).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
    assert!(place.commits.load(Ordering::SeqCst) < 8);
}

/// Whoever goes away at whatever moment takes nothing of the others along, and leaves nothing open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_leaves_nothing_open() {
    for round in 0..40_u64 {
        let place = Arc::new(Place::new().await);
        let tasks = (0..64_u32).map(|number| {
            let place = Arc::clone(&place);
            tokio::task::spawn(async move { place.add(number).await })
        });
        let tasks: Vec<_> = tasks.collect();
        for (number, task) in tasks.iter().enumerate() {
            if number % 2 == 1 {
                for _ in 0..round {
                    tokio::task::yield_now().await;
                }
                task.abort();
            }
        }
        let outcomes = tokio::time::timeout(Duration::from_secs(20), join_all(tasks));
        let outcomes = outcomes.await.unwrap();
        let numbers = place.numbers().await;
        for (number, outcome) in (0..64_u32).zip(outcomes) {
            match outcome {
                Ok(outcome) => {
                    outcome.unwrap();
                    assert!(numbers.contains(&number), "round {round}: {number} is lost");
                }
                Err(gone) => assert!(gone.is_cancelled() && number % 2 == 1),
            }
        }
        place.add(64).await.unwrap();
        let mut turn = place.writer.begin().await.unwrap();
        assert_eq!(
            Manager::get_transaction_depth(turn.conn()),
            1,
            "nothing is left open"
        );
    }
}

/// A full disk makes the database roll back by itself: all hear of it, and the next ones write as if nothing had been.
#[tokio::test]
async fn a_full_disk_ends_the_transaction_for_all_and_nothing_else() {
    let place = Place::new().await;
    for _ in 0..3 {
        let mut turn = place.writer.begin().await.unwrap();
        let pages = sqlx::query_scalar::<_, u32>("PRAGMA page_count");
        let pages = pages.fetch_one(turn.conn()).await.unwrap();
        turn.commit(Vec::new()).await.unwrap();
        let fills = async |number: u32| {
            let mut turn = place.writer.begin().await?;
            let most = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 1));
            sqlx::raw_sql(most).execute(turn.conn()).await.map_err(failed)?;
            insert(&mut turn, "INSERT INTO numbers VALUES ($1)", number).await?;
            let much = "INSERT INTO texts VALUES ($1, zeroblob(1000000))";
            insert(&mut turn, much, number).await?;
            turn.commit(Vec::new()).await
        };
        let (first, full, second, last) = tokio::join!(place.add(1), fills(2), place.add(3), place.add(4));
        assert!(full.is_err());
        let numbers = place.numbers().await;
        for (number, outcome) in [(1, first), (3, second), (4, last)] {
            assert_eq!(
                numbers.contains(&number),
                outcome.is_ok(),
                "{number}: {outcome:?}"
            );
        }
        let mut turn = place.writer.begin().await.unwrap();
        let more = sqlx::raw_sql("PRAGMA max_page_count = 1000000; DELETE FROM numbers");
        more.execute(turn.conn()).await.unwrap();
        turn.commit(Vec::new()).await.unwrap();
        place.add(9).await.unwrap();
        assert_eq!(place.numbers().await, [9]);
    }
}
