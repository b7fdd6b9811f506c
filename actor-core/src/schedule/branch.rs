//! Schedules for somebody whose changes may come to nothing.

use crate::{clock::Timestamp, id::ScheduleId, storage::Op};

use super::{
    row::{Row, remove_row},
    table::Table,
};

/// Something that an author does to the schedules.
#[derive(Debug)]
pub(super) enum Step {
    Place {
        id: ScheduleId,
        row: Box<Row>,
        first: Timestamp,
    },
    Remove(ScheduleId),
}

impl Table {
    /// The same schedules, for somebody whose changes may come to nothing.
    pub(crate) fn branch(&self) -> Self {
        Self {
            rows: self.rows.clone(),
            shelf: self.shelf,
            orders: self.orders,
            remembered: self.remembered,
            told: self.told,
            steps: Some(Vec::new()),
        }
    }

    /// Does what was done on a [branch](Self::branch), whatever has happened here since, and answers
    /// what to store.
    pub(crate) fn merge(&mut self, branch: Self) -> Vec<Op> {
        let mut ops = Vec::new();
        for step in branch.steps.into_iter().flatten() {
            match step {
                Step::Place { id, row, first } => {
                    let same_name = row.name.as_deref().and_then(|it| self.find(it));
                    if let Some(other) = same_name.filter(|it| *it != id) {
                        // Made meanwhile, and the author was told the id of this one.
                        ops.extend(remove_row(other, &self.rows[&other]));
                        self.remove(other);
                    }
                    // It was let in there.
                    if let Ok(placed) = self.place(id, row.anew(), first, usize::MAX) {
                        ops.extend(placed.ops());
                        self.put(placed);
                    }
                }
                Step::Remove(id) => {
                    ops.extend(self.removal(id).unwrap_or_default());
                    self.remove(id);
                }
            }
        }
        ops
    }
}
