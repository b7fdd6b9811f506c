//! What the manager API asks of the gateway: find, create, list, put to sleep, destroy.

use std::str::FromStr as _;

use bytes::Bytes;
use subtle::ConstantTimeEq as _;

use super::{ActorRef, Gateway, input};
use crate::{
    error::ActorError,
    id::ActorId,
    key::ActorKey,
    registry::{Lookup, Registry},
};

impl Registry {
    /// Destroys the actor with this id: see [`ActorRef::destroy`].
    ///
    /// # Errors
    ///
    /// As [`ActorRef::destroy`].
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may be destroyed.
    pub async fn destroy(&self, id: ActorId) -> Result<(), ActorError> {
        let slot = self.by_id(id).await?;
        ActorRef::new(slot).destroy().await
    }
}

impl Gateway {
    /// The actor with this id, `None` when there is none.
    ///
    /// # Errors
    ///
    /// When storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn find_by_id(&self, id: &str) -> Result<Option<ActorRef>, ActorError> {
        let Ok(id) = ActorId::from_str(id) else {
            return Ok(None);
        };
        match self.registry.by_id(id).await {
            Ok(slot) => Ok(Some(ActorRef::new(slot))),
            Err(error) if error.is("actor", "not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The actor with this name and key, `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the name is unknown, the key is over its limits, or storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn find_by_key(
        &self,
        namespace: &str,
        name: &str,
        key: ActorKey,
    ) -> Result<Option<ActorRef>, ActorError> {
        let address = self.address(namespace, name, key)?;
        match self.registry.resolve(&address, Lookup::Get).await {
            Ok(found) => Ok(Some(ActorRef::new(found.slot))),
            Err(error) if error.is("actor", "not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Destroys an actor for a client who knows the
    /// [`destroy_token`](crate::registry::RegistryBuilder::destroy_token). The comparison takes as long
    /// for a token that is almost right.
    ///
    /// # Errors
    ///
    /// `auth.forbidden` when `token` is another, or nobody may; else as [`ActorRef::destroy`].
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may be destroyed.
    pub async fn destroy(&self, actor: &ActorRef, token: &str) -> Result<(), ActorError> {
        let known = self.registry.destroy_token();
        if known.is_some_and(|it| it.as_bytes().ct_eq(token.as_bytes()).into()) {
            return actor.destroy().await;
        }
        Err(ActorError::forbidden())
    }

    /// Finds or creates an actor. `new` says that it must not be there yet.
    ///
    /// # Errors
    ///
    /// `actor.duplicate_key`, `actor.not_registered`, `actor.key_too_large`, `actor.input_too_large`,
    /// `actor.storage_failed`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may have been created.
    pub async fn create(
        &self,
        namespace: &str,
        name: &str,
        key: ActorKey,
        encoded_input: Option<Bytes>,
        new: bool,
    ) -> Result<(ActorRef, bool), ActorError> {
        let address = self.address(namespace, name, key)?;
        let input = input(encoded_input.as_ref())?;
        let lookup = if new {
            Lookup::Create { input }
        } else {
            Lookup::GetOrCreate { input }
        };
        let found = self.registry.resolve(&address, lookup).await?;
        Ok((ActorRef::new(found.slot), found.created))
    }
}
