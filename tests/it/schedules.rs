//! Schedules: once, at intervals, by name; awake, asleep, across restarts, overlapping, failing.

use std::time::Duration;

use actor_core::{
    ScheduleId,
    clock::{Clock as _, Timestamp},
    prelude::*,
    schedule::{Cadence, Outcome, Retry, ScheduleError},
    storage::Driver as _,
    testing::{TestRegistry, VirtualClock},
};
use tokio::time::sleep;

const EPOCH: u64 = 1_800_000_000_000;

/// Milliseconds since the test began, as its clock has it.
fn millis(clock: &VirtualClock) -> u64 {
    clock.now().as_millis() - EPOCH
}

#[actor(
    sleep_after = "1s",
    sleep_grace = "10s",
    action_timeout = "20s",
    max_schedules = 5
)]
#[derive(Default)]
struct Agenda {
    wakes: u32,
    log: Vec<String>,
}

#[actor]
impl Agenda {
    #[on_wake]
    async fn wake(&mut self) {
        self.wakes += 1;
    }

    #[action]
    async fn once(
        &mut self,
        ctx: &Ctx<Self>,
        ms: u64,
        what: String,
    ) -> Result<ScheduleId, ScheduleError> {
        ctx.after(Duration::from_millis(ms)).note(what, None)
    }

    #[action]
    async fn at(&self, ctx: &Ctx<Self>, ms: u64, what: String) -> Result<(), ScheduleError> {
        let at = Timestamp::from_millis(EPOCH + ms);
        ctx.at(at).note(what, Some(7)).map(drop)
    }

    #[action]
    async fn every(
        &mut self,
        ctx: &Ctx<Self>,
        ms: u64,
        what: String,
    ) -> Result<ScheduleId, ScheduleError> {
        let interval = Duration::from_millis(ms);
        ctx.every(interval)
            .named("beat")
            .with_history(3)
            .note(what, None)
    }

    #[action]
    async fn slowly(&mut self, ctx: &Ctx<Self>) -> Result<ScheduleId, ScheduleError> {
        ctx.every(Duration::from_secs(5)).slow()
    }

    #[action]
    async fn by_name(
        &mut self,
        ctx: &Ctx<Self>,
        action: String,
    ) -> Result<ScheduleId, ScheduleError> {
        ctx.after(Duration::from_secs(1))
            .call(&action, ("by name",))
    }

    #[action]
    async fn undone(&mut self, ctx: &Ctx<Self>, ms: u64) {
        let _ = ctx
            .after(Duration::from_millis(ms))
            .note("undone".into(), None);
        panic!("on purpose");
    }

    #[action]
    async fn fail(
        &mut self,
        ctx: &Ctx<Self>,
        how: String,
        retry: bool,
    ) -> Result<ScheduleId, ScheduleError> {
        let soon = ctx.after(Duration::from_secs(1));
        let patient = Retry::times(2)
            .backoff(Duration::from_secs(10), Duration::from_secs(60))
            .dead_letter();
        if retry {
            soon.with_retry(patient)
        } else {
            soon
        }
        .failing(how)
    }

    /// As far away as a time can be.
    #[action]
    async fn never(&mut self, ctx: &Ctx<Self>) -> Result<(), ScheduleError> {
        let what = || String::from("never");
        ctx.after(Duration::MAX).note(what(), None)?;
        let end = Timestamp::from_millis(u64::MAX);
        ctx.at(end).note(what(), None)?;
        ctx.every(Duration::MAX).named("never").note(what(), None)?;
        let patient = Retry::times(u32::MAX).backoff(Duration::MAX, Duration::MAX);
        let soon = ctx.after(Duration::from_secs(1)).with_retry(patient);
        soon.failing("sorry".into())?;
        Ok(())
    }

    /// Keeps the actor awake until it is told to stop.
    #[action]
    async fn stay(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        ctx.keep_awake_while(|ctx| async move { ctx.stopping().cancelled().await })
    }

    #[action]
    async fn cancel(&mut self, ctx: &Ctx<Self>, id: ScheduleId) -> Result<bool, ScheduleError> {
        ctx.schedule().cancel(id)
    }

    /// When what is scheduled comes, in milliseconds since the test began.
    #[action]
    async fn list(&self, ctx: &Ctx<Self>) -> Vec<(String, u64)> {
        let all = ctx.schedule().list().into_iter();
        all.map(|it| (it.action.to_string(), it.due.as_millis() - EPOCH))
            .collect()
    }

    #[action]
    async fn past(
        &self,
        ctx: &Ctx<Self>,
        of: Option<ScheduleId>,
    ) -> Result<Vec<String>, ScheduleError> {
        let runs = match of {
            Some(id) => ctx.schedule().history(id).await?,
            None => ctx.schedule().past().await?,
        };
        let shown = runs.into_iter().map(|it| match it.outcome {
            Outcome::Done => format!("{} done", it.attempt),
            Outcome::Failed { group, code, .. } => format!("{} {group}.{code}", it.attempt),
            Outcome::Skipped => format!("{} skipped", it.attempt),
            _ => "?".into(),
        });
        Ok(shown.collect())
    }

    #[action]
    async fn dead(&self, ctx: &Ctx<Self>) -> Result<Vec<(u32, String)>, ScheduleError> {
        let dead = ctx.schedule().dead_letters().await?;
        Ok(dead
            .into_iter()
            .map(|it| (it.attempts, it.error.1))
            .collect())
    }

    #[action]
    async fn discard(&self, ctx: &Ctx<Self>, id: ScheduleId) -> Result<usize, ScheduleError> {
        ctx.schedule().discard(id).await
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }

    #[action]
    async fn wakes(&self) -> u32 {
        self.wakes
    }

    #[action]
    async fn nap(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[scheduled]
    async fn note(&mut self, ctx: &Ctx<Self>, what: String, number: Option<u32>) {
        let run = ctx.scheduled().expect("a schedule calls this");
        assert!(
            ctx.conn().is_none(),
            "A5: a scheduled call has no connection"
        );
        let (due, now) = (run.due.as_millis() - EPOCH, ctx.now().as_millis() - EPOCH);
        let number = number.map_or_else(String::new, |it| format!(" {it}"));
        self.log.push(format!("{what}{number} due {due} at {now}"));
    }

    #[scheduled]
    async fn slow(ctx: &TaskCtx<Self>) {
        let due = ctx.scheduled().map(|it| it.due.as_millis() - EPOCH);
        ctx.write(move |it| it.log.push(format!("slow {due:?}")))
            .await;
        sleep(Duration::from_secs(7)).await;
    }

    #[scheduled]
    async fn failing(&mut self, ctx: &Ctx<Self>, how: String) -> Result<(), ActorError> {
        let attempt = ctx.scheduled().map_or(0, |it| it.attempt);
        self.log.push(format!("try {attempt}"));
        match &*how {
            "panic" => panic!("on purpose"),
            "hang" => std::future::pending().await,
            _ => Err(ActorError::user("no").with_code(how)),
        }
    }
}

async fn start() -> TestRegistry {
    let registry = TestRegistry::start(|it| it.actor::<Agenda>()).await;
    registry.clock().set(Timestamp::from_millis(EPOCH));
    registry
}

fn mine(registry: &TestRegistry) -> AgendaHandle {
    registry.get_or_create::<Agenda>("mine")
}

async fn agenda() -> (TestRegistry, AgendaHandle, VirtualClock) {
    let registry = start().await;
    let (agenda, clock) = (mine(&registry), registry.clock().clone());
    (registry, agenda, clock)
}

async fn seconds(n: u64) {
    sleep(Duration::from_secs(n)).await;
}

#[tokio::test(start_paused = true)]
async fn t1_runs_once_at_its_time_and_the_past_is_now() {
    let (_registry, agenda, _) = agenda().await;
    agenda.once(500, "later".into()).await.unwrap();
    agenda.at(100, "sooner".into()).await.unwrap();
    seconds(1).await;
    agenda.at(3, "over".into()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(
        agenda.log().await.unwrap(),
        [
            "sooner 7 due 100 at 100",
            "later due 500 at 500",
            "over 7 due 3 at 1000"
        ]
    );
    assert_eq!(agenda.list().await.unwrap(), []);
    assert_eq!(
        agenda.past(None).await.unwrap(),
        ["1 done", "1 done", "1 done"]
    );
}

#[tokio::test(start_paused = true)]
async fn t7_an_alarm_wakes_the_sleeper_and_counts_as_activity() {
    let (_registry, agenda, _) = agenda().await;
    agenda.once(750, "awake".into()).await.unwrap();
    agenda.once(3000, "asleep".into()).await.unwrap();
    // Without the run at 750 it would sleep at 1000.
    sleep(Duration::from_millis(1600)).await;
    assert_eq!(agenda.wakes().await.unwrap(), 1);
    // Idle since 1600, it sleeps at 2600.
    sleep(Duration::from_millis(2000)).await;
    assert_eq!(
        agenda.log().await.unwrap(),
        ["awake due 750 at 750", "asleep due 3000 at 3000"]
    );
    assert_eq!(agenda.wakes().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn t7_a_restart_keeps_alarms_and_a_missed_one_comes_right_after() {
    let mut process = start().await;
    let agenda = mine(&process);
    agenda.once(30_000, "missed".into()).await.unwrap();
    agenda.once(90_000, "met".into()).await.unwrap();
    process.crash_for(Duration::from_secs(60)).await;
    seconds(60).await;
    assert_eq!(
        mine(&process).log().await.unwrap(),
        ["missed due 30000 at 60000", "met due 90000 at 90000"]
    );
}

#[tokio::test(start_paused = true)]
async fn t3_what_was_missed_comes_once_and_stays_on_its_grid() {
    let mut process = start().await;
    mine(&process).every(10_000, "beat".into()).await.unwrap();
    process.crash_for(Duration::from_secs(35)).await;
    seconds(6).await;
    assert_eq!(
        mine(&process).log().await.unwrap(),
        ["beat due 10000 at 35000", "beat due 40000 at 40000"]
    );
}

#[tokio::test(start_paused = true)]
async fn t5_the_same_name_replaces_and_keeps_its_time_if_it_comes_as_often() {
    let (_registry, agenda, _) = agenda().await;
    let first = agenda.every(10_000, "one".into()).await.unwrap();
    seconds(4).await;
    let second = agenda.every(10_000, "two".into()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(agenda.list().await.unwrap(), [("note".into(), 10_000)]);
    agenda.every(20_000, "three".into()).await.unwrap();
    assert_eq!(agenda.list().await.unwrap(), [("note".into(), 24_000)]);
    seconds(100).await;
    assert_eq!(agenda.log().await.unwrap()[0], "three due 24000 at 24000");
    // Of five runs the last three are remembered.
    assert_eq!(agenda.past(Some(first)).await.unwrap(), ["1 done"; 3]);
    assert!(agenda.cancel(first).await.unwrap());
    assert!(!agenda.cancel(first).await.unwrap());
    assert_eq!(agenda.past(Some(first)).await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn t4_a_run_that_lasts_keeps_awake_and_the_next_is_skipped() {
    let (_registry, agenda, _) = agenda().await;
    let id = agenda.slowly().await.unwrap();
    seconds(23).await;
    // The run of 10 s was skipped, that of 15 s lasted until 22 s.
    assert_eq!(
        agenda.log().await.unwrap(),
        ["slow Some(5000)", "slow Some(15000)"]
    );
    assert_eq!(
        agenda.past(Some(id)).await.unwrap(),
        ["1 done", "1 skipped", "1 done", "1 skipped"]
    );
}

#[tokio::test(start_paused = true)]
async fn t4_a_run_that_the_process_does_not_survive_is_interrupted() {
    for retry in [false, true] {
        let mut process = start().await;
        mine(&process).fail("hang".into(), retry).await.unwrap();
        seconds(2).await;
        process.crash().await;
        let started = millis(process.clock());
        seconds(5).await;
        let agenda = mine(&process);
        assert_eq!(agenda.past(None).await.unwrap(), ["1 schedule.interrupted"]);
        let due: Vec<_> = agenda
            .list()
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.1)
            .collect();
        assert_eq!(
            due,
            if retry {
                vec![started + 10_000]
            } else {
                Vec::new()
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn t2_a_run_that_fails_is_remembered_and_gone() {
    let (_registry, agenda, _) = agenda().await;
    for how in ["sorry", "panic", "hang"] {
        agenda.fail(how.into(), false).await.unwrap();
        seconds(60).await;
    }
    // What an `Err` leaves is kept, what a panic or a timeout leaves is not.
    assert_eq!(agenda.log().await.unwrap(), ["try 1"]);
    assert_eq!(
        agenda.past(None).await.unwrap(),
        [
            "1 actor.action_timed_out",
            "1 actor.panicked",
            "1 user.sorry"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_is_tried_again_after_its_waits_and_then_put_aside() {
    for how in ["sorry", "panic"] {
        let (_registry, agenda, clock) = agenda().await;
        let id = agenda.fail(how.into(), true).await.unwrap();
        seconds(5).await;
        assert_eq!(agenda.list().await.unwrap(), [("failing".into(), 11_000)]);
        seconds(55).await;
        let kind = if how == "sorry" {
            "user.sorry"
        } else {
            "actor.panicked"
        };
        let expected = [3, 2, 1].map(|it| format!("{it} {kind}"));
        assert_eq!(agenda.past(None).await.unwrap(), expected);
        let (_, code) = kind.split_once('.').unwrap();
        assert_eq!(agenda.dead().await.unwrap(), [(3, code.into())]);
        assert_eq!(agenda.list().await.unwrap(), []);
        assert_eq!(agenda.discard(id).await.unwrap(), 1);
        assert_eq!(agenda.dead().await.unwrap(), []);
        assert_eq!(millis(&clock), 60_000);
    }
}

#[tokio::test(start_paused = true)]
async fn t9_too_many_are_refused_and_a_name_is_always_replaced() {
    let (_registry, agenda, _) = agenda().await;
    agenda.every(10_000, "beat".into()).await.unwrap();
    for _ in 0..4 {
        agenda.once(50_000, "later".into()).await.unwrap();
    }
    let error = agenda.once(1, "more".into()).await.unwrap_err();
    assert_eq!(error.to_actor_error().code(), "max_schedules_exceeded");
    agenda.every(10_000, "beat".into()).await.unwrap();
    let error = agenda.every(4_999, "beat".into()).await.unwrap_err();
    assert_eq!(error.to_actor_error().code(), "invalid_interval");
    assert_eq!(error.to_actor_error().status(), 400);
}

#[tokio::test(start_paused = true)]
async fn an_action_is_scheduled_by_name_if_it_is_there() {
    let (_registry, agenda, _) = agenda().await;
    agenda.by_name("note".into()).await.unwrap();
    let error = agenda.by_name("gone".into()).await.unwrap_err();
    assert_eq!(error.to_actor_error().code(), "action_not_found");
    seconds(5).await;
    assert_eq!(agenda.log().await.unwrap(), ["by name due 1000 at 1000"]);
}

#[tokio::test(start_paused = true)]
async fn p3_what_a_panicking_turn_scheduled_was_never_made() {
    let (_registry, agenda, _) = agenda().await;
    agenda.once(2_000, "kept".into()).await.unwrap();
    agenda.undone(1_000).await.unwrap_err();
    assert_eq!(agenda.list().await.unwrap(), [("note".into(), 2_000)]);
    seconds(5).await;
    assert_eq!(agenda.log().await.unwrap(), ["kept due 2000 at 2000"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ahead_is_noticed() {
    let (_registry, agenda, clock) = agenda().await;
    agenda.once(3_600_000, "hour".into()).await.unwrap();
    seconds(2).await;
    clock.jump_ahead(Duration::from_secs(3600));
    seconds(61).await;
    assert_eq!(agenda.log().await.unwrap().len(), 1);
}

/// Whether the actor sleeps or is awake, what is due is looked for by the clock on the wall.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_is_gone_by() {
    // What was scheduled after how long, by how much the clock is set after 2 s, and when it comes.
    for (ms, set, from, to) in [
        (3_600_000, 3_600_000, 3, 63),
        (3_600_000, 3_000_000, 599, 601),
        (60_000, -3_600_000, 3_659, 3_661),
    ] {
        for awake in [false, true] {
            let (registry, agenda, clock) = agenda().await;
            agenda.once(ms, "once".into()).await.unwrap();
            if awake {
                agenda.stay().await.unwrap();
            }
            seconds(2).await;
            let set_to = clock.now().as_millis().saturating_add_signed(set);
            clock.set(Timestamp::from_millis(set_to));
            let came = || async {
                // From beside, without waking it: a schedule that came is none any more.
                registry.storage().next_alarm().await.unwrap().is_none()
            };
            seconds(from - 3).await;
            assert!(!came().await, "{ms} set by {set}, awake {awake}");
            seconds(to - from + 1).await;
            assert!(came().await, "{ms} set by {set}, awake {awake}");
            assert_eq!(agenda.log().await.unwrap().len(), 1);
            assert_eq!(agenda.wakes().await.unwrap() == 1, awake);
            registry.shutdown().await;
        }
    }
}

/// An interval that the clock jumps over comes once (T3), and one that it is set back over does not come
/// twice.
#[tokio::test(start_paused = true)]
async fn t3_an_interval_comes_once_for_each_of_its_times_however_the_clock_is_set() {
    let (_registry, agenda, clock) = agenda().await;
    agenda.every(600_000, "beat".into()).await.unwrap();
    seconds(601).await;
    clock.jump_ahead(Duration::from_secs(6_000));
    seconds(61).await;
    assert_eq!(agenda.log().await.unwrap().len(), 2);
    assert_eq!(agenda.list().await.unwrap(), [("note".into(), 7_200_000)]);
    let back = clock.now().as_millis() - 3_000_000;
    clock.set(Timestamp::from_millis(back));
    seconds(3_500).await;
    assert_eq!(agenda.log().await.unwrap().len(), 2);
    seconds(700).await;
    assert_eq!(
        agenda.log().await.unwrap()[2..],
        ["beat due 7200000 at 7200000", "beat due 7800000 at 7800000"]
    );
}

#[tokio::test(start_paused = true)]
async fn times_beyond_reason_never_come() {
    let (_registry, agenda, _) = agenda().await;
    agenda.never().await.unwrap();
    seconds(366 * 24 * 3600).await;
    // Of the one that failed a try is still to come.
    let end = u64::MAX - EPOCH;
    let all = agenda.list().await.unwrap();
    assert_eq!(all.iter().map(|it| it.1).collect::<Vec<_>>(), [end; 4]);
    assert_eq!(agenda.log().await.unwrap(), ["try 1"]);
}

/// Another program's idea of the same actor: it has lost the action.
#[actor(name = "agenda")]
#[derive(Default)]
struct Forgetful {
    wakes: u32,
    log: Vec<String>,
}

#[actor]
impl Forgetful {
    #[action]
    async fn list(&self, ctx: &Ctx<Self>) -> usize {
        ctx.schedule().list().len()
    }
}

#[tokio::test(start_paused = true)]
async fn t8_a_schedule_of_an_action_that_is_gone_goes_too() {
    let mut process = start().await;
    mine(&process).every(10_000, "beat".into()).await.unwrap();
    mine(&process).once(10_000, "once".into()).await.unwrap();
    process.upgrade(|it| it.actor::<Forgetful>()).await;
    let agenda = process.get_or_create::<Forgetful>("mine");
    assert_eq!(agenda.list().await.unwrap(), 2);
    seconds(20).await;
    assert_eq!(agenda.list().await.unwrap(), 0);
    assert_eq!(process.storage().next_alarm().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn t6_cron_goes_by_the_clocks_of_its_place() {
    let registry = TestRegistry::start(|it| it.actor::<Cronic>()).await;
    registry.clock().set(Timestamp::from_millis(EPOCH));
    let cronic = registry.get_or_create::<Cronic>("mine");
    // The test begins on 15.01.2027 at 08:00 UTC.
    let due = cronic
        .set("30 9 * * *".into(), "Europe/Berlin".into())
        .await
        .unwrap();
    assert_eq!(due, EPOCH + 30 * 60_000);
    let error = cronic
        .set("30 9 * *".into(), "UTC".into())
        .await
        .unwrap_err();
    assert_eq!(error.to_actor_error().code(), "invalid_cron");
    let error = cronic
        .set("30 9 * * *".into(), "Nowhere".into())
        .await
        .unwrap_err();
    assert_eq!(error.to_actor_error().code(), "invalid_timezone");
    seconds(3 * 24 * 3600).await;
    assert_eq!(cronic.runs().await.unwrap(), 3);
}

#[actor]
#[derive(Default)]
struct Cronic {
    runs: u32,
}

#[actor]
impl Cronic {
    #[action]
    async fn set(
        &mut self,
        ctx: &Ctx<Self>,
        cron: String,
        zone: String,
    ) -> Result<u64, ScheduleError> {
        ctx.cron(cron, zone).run()?;
        let made = ctx.schedule().find("run").expect("named like its action");
        assert!(matches!(made.cadence, Cadence::Cron { .. }));
        Ok(made.due.as_millis())
    }

    #[scheduled]
    async fn run(&mut self) {
        self.runs += 1;
    }

    #[action]
    async fn runs(&self) -> u32 {
        self.runs
    }
}
