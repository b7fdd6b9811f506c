//! The wire, from outside: frames and bodies recorded between RivetKit's published clients 2.3.19
//! and its engine, round trips, hostile bytes. Behaviour behind the wire is tested elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;
mod hostile;
mod round_trip;
mod routes;
mod show;
