//! Runs statements on a connection, one call after another. Blocks, and knows of no actor.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{
    Batch, Connection, Statement, fallible_iterator::FallibleIterator as _, types::ValueRef,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Executed, MAX_RESULT, MAX_ROWS, MAX_STATEMENT, SqlError, params::Params, row};
use crate::metrics;

/// One call: statements, and what is bound in them.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) sql: String,
    pub(super) params: Params,
}

impl Call {
    /// Checks what can be checked before there is a connection.
    pub(super) fn new(sql: &str, params: &impl Serialize) -> Result<Self, SqlError> {
        if MAX_STATEMENT < sql.len() {
            let error = SqlError::StatementTooLong { len: sql.len() };
            return Err(metrics::refused("sql.statement_too_long", error));
        }
        Ok(Self {
            sql: sql.to_owned(),
            params: Params::of(params)?,
        })
    }
}

/// Runs all statements for what they do.
pub(super) fn execute(
    db: &Connection,
    stop: &AtomicBool,
    call: &Call,
) -> Result<Executed, SqlError> {
    let before = db.total_changes();
    run(db, stop, call, &mut |statement| {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    })?;
    Ok(Executed {
        changes: db.total_changes() - before,
        last_row_id: db.last_insert_rowid(),
    })
}

/// Runs all statements; the rows of the last that has any columns, `first` of them if told.
pub(super) fn query<T: DeserializeOwned>(
    db: &Connection,
    stop: &AtomicBool,
    call: &Call,
    first: Option<usize>,
) -> Result<Vec<T>, SqlError> {
    let mut found = Vec::new();
    run(db, stop, call, &mut |statement| {
        if statement.column_count() != 0 {
            found = rows(statement, first)?;
            return Ok(());
        }
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    })?;
    Ok(found)
}

/// Brings the schema from the version the database has to that of the last step.
pub(super) fn migrate(
    db: &Connection,
    stop: &AtomicBool,
    steps: &[String],
) -> Result<(), SqlError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = usize::try_from(found).unwrap_or_default();
    let known = steps.len();
    if known < found {
        return Err(SqlError::NewerSchema { found, known });
    }
    for step in &steps[found..] {
        execute(db, stop, &Call::new(step, &())?)?;
    }
    if found < known {
        db.pragma_update(
            None,
            "user_version",
            i64::try_from(known).unwrap_or(i64::MAX),
        )?;
    }
    Ok(())
}

/// Steps of a migration, for a thread to take along.
pub(super) fn owned(steps: &[&str]) -> Vec<String> {
    steps.iter().map(|it| (*it).to_owned()).collect()
}

fn rows<T: DeserializeOwned>(
    statement: &mut Statement<'_>,
    first: Option<usize>,
) -> Result<Vec<T>, SqlError> {
    let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut size = 0;
    let mut rows = statement.raw_query();
    while first.is_none_or(|it| found.len() < it)
        && let Some(row) = rows.next()?
    {
        if found.len() == MAX_ROWS {
            return Err(metrics::refused("sql.too_many_rows", SqlError::TooManyRows));
        }
        for at in 0..names.len() {
            size += match row.get_ref(at)? {
                ValueRef::Text(it) | ValueRef::Blob(it) => it.len(),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
            };
        }
        if MAX_RESULT < size {
            return Err(metrics::refused(
                "sql.result_too_large",
                SqlError::ResultTooLarge,
            ));
        }
        found.push(row::read(&names, row)?);
    }
    Ok(found)
}

type Each<'a> = dyn FnMut(&mut Statement<'_>) -> Result<(), SqlError> + 'a;

/// Runs all statements. One that fails ends the call, and what the call itself began is undone.
fn run(
    db: &Connection,
    stop: &AtomicBool,
    call: &Call,
    each: &mut Each<'_>,
) -> Result<(), SqlError> {
    let was_in_transaction = !db.is_autocommit();
    let done = run_all(db, stop, call, each);
    if done.is_err() && !was_in_transaction && !db.is_autocommit() {
        db.execute_batch("ROLLBACK")?;
    }
    done
}

fn run_all(
    db: &Connection,
    stop: &AtomicBool,
    call: &Call,
    each: &mut Each<'_>,
) -> Result<(), SqlError> {
    let mut binding = Binding {
        params: &call.params,
        taken: 0,
    };
    if let Some(mut statement) = remembered(db, &call.sql) {
        binding.bind(&mut statement)?;
        each(&mut statement)?;
        return binding.finish();
    }
    let mut statements = Batch::new(db, &call.sql);
    while let Some(mut statement) = statements.next()? {
        if stop.load(Ordering::Relaxed) {
            return Err(SqlError::Interrupted);
        }
        binding.bind(&mut statement)?;
        each(&mut statement)?;
    }
    binding.finish()
}

/// A single statement, parsed now or before. `None` for several, and for what is better parsed where
/// errors are reported: an empty one, or one that neither takes nor gives nor writes.
fn remembered<'a>(db: &'a Connection, sql: &str) -> Option<rusqlite::CachedStatement<'a>> {
    let statement = db.prepare_cached(sql).ok()?;
    let idle =
        statement.readonly() && statement.column_count() == 0 && statement.parameter_count() == 0;
    (!idle).then_some(statement)
}

/// Parameters on their way into statements.
struct Binding<'a> {
    params: &'a Params,
    /// How many of those by position are bound.
    taken: usize,
}

impl Binding<'_> {
    /// Binds what this statement takes: by position the next, by name whichever it names.
    fn bind(&mut self, statement: &mut Statement<'_>) -> Result<(), SqlError> {
        let count = statement.parameter_count();
        for at in 1..=count {
            let value = match self.params {
                Params::Positional(values) => {
                    let value = values.get(self.taken);
                    self.taken += 1;
                    value.ok_or_else(|| self.mismatch())?
                }
                Params::Named(values) => {
                    let name = statement.parameter_name(at).unwrap_or("?");
                    let bare = name.trim_start_matches([':', '@', '$']);
                    let found = values.iter().find(|(it, _)| it == bare);
                    let missing = || SqlError::Parameter(format!("there is none for `{name}`"));
                    &found.ok_or_else(missing)?.1
                }
            };
            statement.raw_bind_parameter(at, value)?;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), SqlError> {
        match self.params {
            Params::Positional(values) if values.len() != self.taken => Err(self.mismatch()),
            Params::Positional(_) | Params::Named(_) => Ok(()),
        }
    }

    fn mismatch(&self) -> SqlError {
        let given = match self.params {
            Params::Positional(values) => values.len(),
            Params::Named(values) => values.len(),
        };
        let text = if given < self.taken {
            format!("{given} are given, and more are asked for")
        } else {
            format!("{given} are given, and {} asked for", self.taken)
        };
        SqlError::Parameter(text)
    }
}
