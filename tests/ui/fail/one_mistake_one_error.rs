#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    fn wrong(&mut self) {}

    #[action]
    async fn right(&mut self) {}

    fn ordinary(&self) -> u32 {
        1
    }
}

async fn uses(room: RoomHandle) {
    let _ = room.right().await;
    let _ = Room::default().ordinary();
}

fn needs<A: actor_core::actor::Actor>() {}

fn main() {
    needs::<Room>();
    let _ = uses;
}
