//! `/sandbox/time`: the world's clock, its speed, and jumps.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::body::Body;
use super::convert::from_wire;
use super::{SPEED_MAX, Shared};
use crate::fields::{Fields, Problem};
use crate::ionet::json_answer;

/// Longest jump in seconds: one year.
const JUMP_SECONDS_MAX: i64 = 31_536_000;

/// `GET /sandbox/time`.
pub(super) async fn show(shared: web::Data<Shared>) -> HttpResponse {
    from_wire(json_answer(200, &present(&shared)))
}

fn present(shared: &Shared) -> Value {
    let now = shared.now();
    let permille = shared.clock.speed_permille();
    let speed = if permille % 1_000 == 0 {
        json!(permille / 1_000)
    } else {
        json!(f64::from(i32::try_from(permille).unwrap_or(1_000)) / 1_000.0)
    };
    json!({ "world_us": now.world, "wall_us": now.wall, "speed": speed })
}

/// `POST /sandbox/time` with `{"speed":x}` (1 to 10) or `{"advance_seconds":n}`.
pub(super) async fn set(shared: web::Data<Shared>, body: Body) -> HttpResponse {
    match apply(&shared, &body.0) {
        Ok(()) => {
            let now = shared.now();
            shared.world().catch_up(now);
            shared.wake();
            from_wire(json_answer(200, &present(&shared)))
        }
        Err(problem) => from_wire(crate::control::refusal(400, &problem)),
    }
}

fn apply(shared: &Shared, body: &[u8]) -> Result<(), Problem> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| Problem::new(&["body"], "is no JSON", "json_invalid"))?;
    let mut fields = Fields::new(&value, &["body"]);
    let speed = fields.raw("speed").map(|v| v.as_f64().unwrap_or(0.0));
    if speed.is_some_and(|s| !(1.0..=f64::from(SPEED_MAX)).contains(&s)) {
        fields.problem("speed", format!("should be from 1 to {SPEED_MAX}"), "range");
    }
    let jump = fields.optional_int("advance_seconds", 0..=JUMP_SECONDS_MAX);
    if speed.is_none() && jump.is_none() {
        fields.problem("speed", "speed or advance_seconds is needed", "missing");
    }
    if let Some(problem) = fields.finish().into_iter().next() {
        return Err(problem);
    }
    if let Some(speed) = speed {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be from 1 to 10"
        )]
        shared.clock.set_speed((speed * 1_000.0).round() as i64);
    }
    if let Some(seconds) = jump {
        shared
            .clock
            .jump(Duration::from_secs(seconds.unsigned_abs()));
    }
    Ok(())
}
