//! Schedules are checked as calls are: by name, by argument, by time.

use actor_core::{prelude::*, schedule::ScheduleError};
use std::time::Duration;

#[actor]
#[derive(Default)]
pub struct Reminders {}

#[actor]
impl Reminders {
    #[action]
    async fn set(&mut self, ctx: &Ctx<Self>) -> Result<(), ScheduleError> {
        ctx.after(Duration::from_secs(5)).remind("ann".to_owned())?;
        ctx.after(Duration::from_secs(5)).remind_all()?;
        ctx.after(Duration::from_secs(5)).remind(7)?;
        ctx.after(5).remind("ann".to_owned())?;
        Ok(())
    }

    #[scheduled]
    async fn remind(&mut self, _user: String) {}
}

fn main() {
    let _ = async |registry: Registry| {
        registry.get_or_create::<Reminders>("mine").remind("ann".to_owned()).await
    };
}
