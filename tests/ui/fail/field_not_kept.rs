use std::sync::mpsc::Sender;

use actor_core::prelude::*;

#[actor]
pub struct Room {
    listener: Sender<u8>,
    #[actor(transient)]
    other: Option<Sender<u8>>,
    #[serde(with = "by_hand")]
    third: Sender<u8>,
}

mod by_hand {
    use std::sync::mpsc::Sender;

    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(_: &Sender<u8>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(_: D) -> Result<Sender<u8>, D::Error> {
        Ok(std::sync::mpsc::channel().0)
    }
}

#[actor]
impl Room {
    #[on_create]
    async fn create() -> Self {
        unimplemented!()
    }
}

fn main() {}
