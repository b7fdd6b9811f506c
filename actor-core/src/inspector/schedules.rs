//! What an actor has scheduled, and what has run.

use super::{Inspector, saved};
use crate::{
    error::{ActorError, IntoActorError as _},
    id::{ActorId, ScheduleId},
    schedule::{Run, Schedule},
};

impl Inspector {
    /// All that will come, the next first.
    ///
    /// # Errors
    ///
    /// `actor.not_found`, or why the actor could not be reached.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn schedules(&self, id: ActorId) -> Result<Vec<Schedule>, ActorError> {
        Ok(self.stay(id).await?.schedules().list())
    }

    /// The runs of a schedule that are remembered, the newest first.
    ///
    /// # Errors
    ///
    /// As [`schedules`](Self::schedules), and when storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn runs(&self, id: ActorId, schedule: ScheduleId) -> Result<Vec<Run>, ActorError> {
        let stay = self.stay(id).await?;
        let runs = stay.schedules().history(schedule).await;
        runs.map_err(|it| it.to_actor_error())
    }

    /// Takes a schedule away, and answers whether there was one once that is durable.
    ///
    /// # Errors
    ///
    /// As [`schedules`](Self::schedules), and when it could not be saved.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, it may be gone.
    pub async fn unschedule(&self, id: ActorId, schedule: ScheduleId) -> Result<bool, ActorError> {
        let stay = self.stay(id).await?;
        let was_there = stay.schedules().cancel(schedule);
        let was_there = was_there.map_err(|it| it.to_actor_error())?;
        saved(&*stay).await?;
        Ok(was_there)
    }
}
