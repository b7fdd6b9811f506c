//! Recorded gateway paths and subprotocols.

use std::fmt::Write as _;

use actor_core::protocol::{
    headers::Subprotocols,
    target::{Route, Target},
};
use expect_test::expect_file;
use serde::Deserialize;

use crate::show::show;

#[derive(Deserialize)]
struct Record {
    path: String,
    protocols: Option<String>,
    /// The engine's refusal.
    error: Option<String>,
}

#[test]
fn recorded_routes_read_as_meant() {
    let records: Vec<Record> = serde_json::from_str(include_str!("golden/routes.json")).unwrap();
    let mut found = String::new();
    for record in records {
        let (path, query) = match record.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&*record.path, None),
        };
        let route = Route::parse(path, query);
        let refusal = route
            .as_ref()
            .err()
            .map(|it| format!("{}.{}", it.group(), it.code()));
        assert_eq!(refusal, record.error, "{}", record.path);
        writeln!(found, "{}", record.path).unwrap();
        match route {
            Err(error) => writeln!(found, "  {error}").unwrap(),
            Ok(None) => writeln!(found, "  not a gateway path").unwrap(),
            Ok(Some(Route {
                target,
                path,
                query,
            })) => {
                match target {
                    Target::Direct { actor_id, token } => {
                        writeln!(found, "  id {actor_id}, token {token:?}").unwrap();
                    }
                    Target::Query(it) => {
                        let input = it.input.map(|it| {
                            show(&actor_core::protocol::encoding::decode_input(&it).unwrap())
                        });
                        writeln!(
                            found,
                            "  {:?} {:?} {:?}, input {input:?}, region {:?}, pool {:?}, token {:?}, skip {}",
                            it.method, it.name, it.key.parts(), it.region, it.pool, it.token, it.skip_ready_wait
                        )
                        .unwrap();
                    }
                }
                writeln!(found, "  {path} {query:?}").unwrap();
            }
        }
        if let Some(protocols) = record.protocols {
            let it = Subprotocols::parse([&*protocols]).unwrap();
            let params = it.conn_params.as_ref().map(show);
            writeln!(
                found,
                "  rivet {}, encoding {:?}, target {:?}, actor {:?}, token {:?}, skip {}, params {params:?}, others {:?}",
                it.rivet, it.encoding, it.target, it.actor, it.token, it.skip_ready_wait, it.others
            )
            .unwrap();
        }
    }
    expect_file!["golden/routes.read.txt"].assert_eq(&found);
}
