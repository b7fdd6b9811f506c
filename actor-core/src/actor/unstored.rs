//! Connections that storage knows nothing of yet, and by when it will. A plain value.

use std::collections::BTreeMap;

use crate::id::ConnId;

/// Those whose row no commit has stored, and which version of the state will have it, if one is under way. Most
/// are stored as they open, so that there is seldom any.
#[derive(Debug, Default)]
pub(super) struct Unstored(
    #[expect(
        clippy::box_collection,
        reason = "an empty map would take three times the room in every actor"
    )]
    Option<Box<BTreeMap<ConnId, Option<u64>>>>,
);

impl Unstored {
    /// A connection is open, and is to have a row.
    pub(super) fn add(&mut self, id: ConnId) {
        self.0.get_or_insert_default().insert(id, None);
    }

    /// The commit of `version` has the row of a connection.
    pub(super) fn written(&mut self, id: ConnId, version: u64) {
        if let Some(stored_by) = self.0.as_mut().and_then(|it| it.get_mut(&id)) {
            stored_by.get_or_insert(version);
        }
    }

    /// What commits under way have will not be stored.
    pub(super) fn failed(&mut self) {
        for stored_by in self.0.iter_mut().flat_map(|it| it.values_mut()) {
            *stored_by = None;
        }
    }

    /// Everything up to `version` is on disk.
    pub(super) fn settled(&mut self, version: u64) {
        self.retain(|_, stored_by| stored_by.is_none_or(|it| version < it));
    }

    /// A connection is off the list.
    pub(super) fn remove(&mut self, id: ConnId) {
        self.retain(|it, _| it != id);
    }

    pub(super) fn ids(&self) -> Vec<ConnId> {
        let all = self.0.iter().flat_map(|it| it.keys());
        all.copied().collect()
    }

    fn retain(&mut self, mut keep: impl FnMut(ConnId, Option<u64>) -> bool) {
        if let Some(all) = &mut self.0 {
            all.retain(|id, stored_by| keep(*id, *stored_by));
        }
        self.0.take_if(|it| it.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_stored_with_its_version_and_not_before() {
        let [one, two] = [1, 2].map(|it| ConnId::from_bytes([it; 16]));
        let mut unstored = Unstored::default();
        unstored.add(one);
        unstored.written(one, 3);
        // Written again before it is stored.
        unstored.written(one, 5);
        unstored.add(two);
        unstored.settled(2);
        assert_eq!(unstored.ids(), [one, two]);
        unstored.settled(3);
        assert_eq!(unstored.ids(), [two]);
        unstored.written(two, 6);
        unstored.failed();
        unstored.settled(6);
        assert_eq!(unstored.ids(), [two]);
        unstored.remove(two);
        assert!(unstored.ids().is_empty());
    }
}
