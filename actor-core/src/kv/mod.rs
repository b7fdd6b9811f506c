//! The actor's own keys and values: bytes, ordered by key, that are not loaded with the state.

mod range;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::range::Range;
use crate::{
    error::{ActorError, IntoActorError},
    journal::{Ledger, TooMuchPending},
    metrics,
    storage::{Entry, Op, ScanRange, StorageError, keys},
    value::Value,
};

/// An actor's keys and values, of [`Ctx::kv`](crate::Ctx::kv).
///
/// For what is too much to be in the state, which is saved and loaded whole: a log, a history, one
/// entry for each member. Keys are bytes in their own order; values are bytes or anything that serde
/// knows. Both are the actor's own: no other sees them, and they go when it is destroyed.
///
/// Writing does not wait. What a turn writes is saved with the state it leaves, all of it or none
/// (P3), and the turn's answer leaves after that, as its [durability](crate::Durability) says. Reading
/// sees what was written before, saved or not. What a `&mut self` handler wrote is gone when it panics
/// or times out. An `Err` that it returns changes nothing about what it wrote.
///
/// ```
/// use actor_core::{kv::{KvError, Range}, prelude::*};
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Diary { pages: u64 }
///
/// #[actor]
/// impl Diary {
///     #[action]
///     async fn write(&mut self, ctx: &Ctx<Self>, text: String) -> Result<u64, KvError> {
///         self.pages += 1;
///         ctx.kv().put(format!("page/{:08}", self.pages), &text)?;
///         Ok(self.pages)
///     }
///
///     /// The last `n` pages, newest first.
///     #[action]
///     async fn last(&self, ctx: &Ctx<Self>, n: usize) -> Result<Vec<String>, KvError> {
///         let pages = Range::prefix("page/").reverse().limit(n);
///         let found = ctx.kv().list::<String>(pages).await?;
///         Ok(found.into_iter().map(|(_, text)| text).collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let registry = Registry::builder().actor::<Diary>().build().await?;
/// let diary = registry.get_or_create::<Diary>("ann");
/// for text in ["one", "two", "three"] {
///     diary.write(text.into()).await?;
/// }
/// assert_eq!(diary.last(2).await?, ["three", "two"]);
/// # Ok(())
/// # }
/// ```
///
/// # Limits
///
/// A key has 1 to 2,048 bytes, a value at most 128 KiB. One call of [`get_all`](Self::get_all),
/// [`put_all`](Self::put_all) or [`delete_all`](Self::delete_all) has at most 128 keys, and what one puts has at
/// most 976 KiB, keys and values together. One [`list`](Self::list) finds at most 16,384 entries. Of all actors'
/// writes, 64 MiB of each may wait for storage.
#[derive(Clone, Copy)]
pub struct Kv<'a> {
    ledger: &'a dyn Ledger,
}

impl<'a> Kv<'a> {
    pub(crate) fn new(ledger: &'a dyn Ledger) -> Self {
        Self { ledger }
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// When the value is not a `T`, when the key is not within its limits, when storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn get<T: DeserializeOwned>(
        self,
        key: impl AsRef<[u8]> + Send,
    ) -> Result<Option<T>, KvError> {
        let found = self.get_bytes(key).await?;
        found.map(|it| decode(&it)).transpose()
    }

    /// The value of a key, as it is stored.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn get_bytes(self, key: impl AsRef<[u8]> + Send) -> Result<Option<Bytes>, KvError> {
        self.check_stored()?;
        let key = stored_key(key.as_ref())?;
        Ok(self.ledger.fetch(key).await?)
    }

    /// The values of several keys as they are stored, in the order of the keys. `None` stands for one that has
    /// none. They are read one after another: in a handler that runs beside others, those may write meanwhile.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and when these are too many for one call; nothing is read then.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn get_all<K: AsRef<[u8]>>(
        self,
        keys: impl IntoIterator<Item = K> + Send,
    ) -> Result<Vec<Option<Bytes>>, KvError> {
        self.check_stored()?;
        let mut found = Vec::new();
        for key in stored_keys(keys)? {
            found.push(self.ledger.fetch(key).await?);
        }
        Ok(found)
    }

    /// Gives a key a value, encoded as CBOR.
    ///
    /// # Errors
    ///
    /// When the value does not serialize, or is not within the limits; nothing is written then.
    pub fn put<T: Serialize + ?Sized>(
        self,
        key: impl AsRef<[u8]>,
        value: &T,
    ) -> Result<(), KvError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).map_err(|e| KvError::Encode(e.into()))?;
        self.put_bytes(key, bytes)
    }

    /// Gives a key a value as it is.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_bytes(self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Result<(), KvError> {
        self.put_all([(key, value)])
    }

    /// Gives several keys their values, all or none.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and when these are too many for one call.
    pub fn put_all<K: AsRef<[u8]>, V: Into<Bytes>>(
        self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), KvError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (key, value) in entries {
            let value = value.into();
            if MAX_VALUE < value.len() {
                let error = KvError::ValueTooLarge { size: value.len() };
                return Err(metrics::refused("kv.value_too_large", error));
            }
            bytes += key.as_ref().len() + value.len();
            let key = stored_key(key.as_ref())?;
            batch.push(Op::Put { key, value });
            if MAX_BATCH < batch.len() || MAX_BATCH_BYTES < bytes {
                return Err(batch_too_large());
            }
        }
        self.write(batch)
    }

    /// Removes a key. Removing one that is not there is `Ok`.
    ///
    /// # Errors
    ///
    /// When the key is not within its limits.
    pub fn delete(self, key: impl AsRef<[u8]>) -> Result<(), KvError> {
        self.delete_all([key])
    }

    /// Removes several keys, all or none.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete), and when these are too many for one call.
    pub fn delete_all<K: AsRef<[u8]>>(
        self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), KvError> {
        let keys = stored_keys(keys)?.into_iter();
        self.write(keys.map(|key| Op::Delete { key }).collect())
    }

    /// Removes the keys of a range, up to its limit. Answers how many.
    ///
    /// # Errors
    ///
    /// When storage fails; nothing is written then.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn delete_range(self, range: Range) -> Result<usize, KvError> {
        let found = self.scan(range).await?;
        let count = found.len();
        let ops = found.into_iter().map(|it| Op::Delete { key: it.key });
        self.write(ops.collect())?;
        Ok(count)
    }

    /// The entries of a range, in its order.
    ///
    /// # Errors
    ///
    /// When a value is not a `T`, when storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn list<T: DeserializeOwned>(self, range: Range) -> Result<Vec<(Bytes, T)>, KvError> {
        let found = self.list_bytes(range).await?.into_iter();
        found
            .map(|(key, value)| Ok((key, decode(&value)?)))
            .collect()
    }

    /// The entries of a range as they are stored, in its order.
    ///
    /// # Errors
    ///
    /// When storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn list_bytes(self, range: Range) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let found = self.scan(range).await?.into_iter();
        let own = found.map(|it| (Bytes::from(it.key).slice(keys::KV.len()..), it.value));
        Ok(own.collect())
    }

    async fn scan(self, range: Range) -> Result<Vec<Entry>, KvError> {
        self.check_stored()?;
        let range: ScanRange = range.into();
        Ok(self.ledger.scan(range).await?)
    }

    fn write(self, ops: Vec<Op>) -> Result<(), KvError> {
        self.check_stored()?;
        Ok(self.ledger.write(ops)?)
    }

    fn check_stored(self) -> Result<(), KvError> {
        if self.ledger.is_stored() {
            Ok(())
        } else {
            Err(KvError::NotStored)
        }
    }
}

impl std::fmt::Debug for Kv<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kv").finish_non_exhaustive()
    }
}

/// Why a key or its value could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The key has no byte at all.
    #[error("a key cannot be empty")]
    KeyEmpty,
    /// The key has more than 2,048 bytes.
    #[error("a key has at most {MAX_KEY} bytes, not {size}")]
    KeyTooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The value has more than 128 KiB.
    #[error("a value has at most {MAX_VALUE} bytes, not {size}")]
    ValueTooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// More than 128 entries or 976 KiB at once.
    #[error("one call takes at most {MAX_BATCH} entries and {MAX_BATCH_BYTES} bytes")]
    BatchTooLarge,
    /// The actor has durability `none`, so nothing of it is stored.
    #[error("an actor with durability `none` stores nothing")]
    NotStored,
    /// The value does not serialize.
    #[error("the value does not serialize")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The stored value is not what was asked for.
    #[error("the stored value is something else")]
    Decode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Writes come faster than storage takes them.
    #[error("too much waits to be saved already")]
    Overloaded,
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
}

impl KvError {
    fn too_large(&self, code: &'static str, limit: usize, size: usize) -> ActorError {
        let metadata = Value::object([("limit", limit as u64), ("size", size as u64)]);
        ActorError::new("kv", code, self.to_string()).with_metadata(metadata)
    }
}

impl From<TooMuchPending> for KvError {
    fn from(_: TooMuchPending) -> Self {
        Self::Overloaded
    }
}

#[diagnostic::do_not_recommend]
impl IntoActorError for KvError {
    fn to_actor_error(&self) -> ActorError {
        let code = match self {
            Self::KeyEmpty => "key_empty",
            Self::KeyTooLarge { size } => return self.too_large("key_too_large", MAX_KEY, *size),
            Self::ValueTooLarge { size } => {
                return self.too_large("value_too_large", MAX_VALUE, *size);
            }
            Self::BatchTooLarge => "batch_too_large",
            Self::NotStored => "not_stored",
            Self::Encode(_) => "not_serializable",
            Self::Decode(_) => "not_deserializable",
            Self::Overloaded => {
                let busy = ActorError::new("kv", "overloaded", self.to_string());
                return busy.with_status(503);
            }
            Self::Storage(error) => {
                let text = format!("kv: {error}");
                return ActorError::new("actor", "storage_failed", text);
            }
        };
        ActorError::new("kv", code, self.to_string())
    }
}

impl From<KvError> for ActorError {
    fn from(error: KvError) -> Self {
        error.to_actor_error()
    }
}

fn stored_key(key: &[u8]) -> Result<Vec<u8>, KvError> {
    match key.len() {
        0 => Err(KvError::KeyEmpty),
        size if MAX_KEY < size => {
            let error = KvError::KeyTooLarge { size };
            Err(metrics::refused("kv.key_too_large", error))
        }
        _ => Ok(keys::kv(key)),
    }
}

/// The keys of one call, if they are not too many.
fn stored_keys<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Vec<Vec<u8>>, KvError> {
    let mut stored = Vec::new();
    for key in keys {
        stored.push(stored_key(key.as_ref())?);
        if MAX_BATCH < stored.len() {
            return Err(batch_too_large());
        }
    }
    Ok(stored)
}

fn batch_too_large() -> KvError {
    metrics::refused("kv.batch_too_large", KvError::BatchTooLarge)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, KvError> {
    ciborium::from_reader(bytes).map_err(|e| KvError::Decode(e.into()))
}

// The limits of RivetKit's key-value store.
const MAX_KEY: usize = 2 * 1024;
const MAX_VALUE: usize = 128 * 1024;
const MAX_BATCH: usize = 128;
const MAX_BATCH_BYTES: usize = 976 * 1024;
