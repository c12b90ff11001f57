//! The loop that lets the world run and carries out its effects.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Shared;
use crate::world::{AgentCall, AgentReply};

/// Longest sleep of the loop.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Shortest sleep of the loop.
const SLEEP_MIN: Duration = Duration::from_millis(2);
/// Agents' calls under way at once; further ones wait.
const CALLS_MAX: usize = 512;
/// Bytes read of a broker's answer.
const REPLY_BYTES_MAX: usize = gpu_probe::protocol::REPLY_BYTES_MAX;

/// Runs until the sandbox stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let permits = Arc::new(Semaphore::new(CALLS_MAX));
    while !shared.stop.is_cancelled() {
        let now = shared.now();
        let (effects, next) = {
            let mut world = shared.world();
            let effects = world.advance(now);
            (effects, world.next_timer())
        };
        for call in effects.agent_calls {
            tokio::spawn(carry(Arc::clone(&shared), Arc::clone(&permits), call));
        }
        if let Some(exec) = shared.exec() {
            for order in effects.processes {
                exec.perform(&shared, order);
            }
        }
        let sleep = next.map_or(SLEEP_MAX, |at| shared.clock.until(at));
        tokio::select! {
            () = tokio::time::sleep(sleep.clamp(SLEEP_MIN, SLEEP_MAX)) => {}
            () = shared.changed.notified() => {}
            () = shared.stop.cancelled() => {}
        }
    }
}

async fn carry(shared: Arc<Shared>, permits: Arc<Semaphore>, call: AgentCall) {
    let Ok(_permit) = permits.acquire().await else {
        return;
    };
    let id = call.id;
    let reply = tokio::select! {
        reply = post(&shared.client, call) => reply,
        () = shared.stop.cancelled() => return,
    };
    let now = shared.now();
    shared.world().agent_reply(id, reply, now);
    shared.wake();
}

async fn post(client: &reqwest::Client, call: AgentCall) -> AgentReply {
    let sent = client
        .post(format!("{}{}", call.broker_url, call.path))
        .bearer_auth(&call.token)
        .header("content-type", "application/json")
        .body(call.body)
        .send()
        .await;
    let Ok(mut response) = sent else {
        return AgentReply::Unreachable;
    };
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > REPLY_BYTES_MAX {
            return AgentReply::Unreachable;
        }
        body.extend_from_slice(&chunk);
    }
    AgentReply::Answered { status, body }
}
