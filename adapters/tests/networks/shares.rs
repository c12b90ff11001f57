//! What waits for its share of a network's rate limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tandem_adapters::aethir::{self, Aethir};
use tandem_adapters::transport::{TraceId, Transport};
use tandem_adapters::{Command, FailureKind, Outcome};
use tandem_model::secret::Secret;
use tandem_model::time::{Clock, WallTime, WorldTime};
use tokio::time::Instant;
use wiremock::ResponseTemplate;

use crate::common::{CONTEXT, failure};
use crate::server::{details, options, requests, transport};

/// A clock that is moved on by hand.
struct Moved(AtomicU64);

impl Clock for Moved {
    fn world(&self) -> WorldTime {
        CONTEXT.world
    }
    fn wall(&self) -> WallTime {
        CONTEXT
            .wall
            .after(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

fn no_offers() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(serde_json::json!({
        "code": 135_000, "msg": "", "time": "", "data":
        {"records": [], "current": 1, "size": 100, "total": 0, "pages": 0}
    }))
}

#[tokio::test]
async fn a_token_is_made_after_the_wait_for_a_share_of_the_limit() {
    let server = details(vec![no_offers()]).await;
    let adapter = Aethir::new("ak", Secret::new("sk"));
    let clock = Arc::new(Moved(AtomicU64::new(0)));
    let shared: Arc<dyn Clock> = clock.clone();
    let transport = Transport::new(&adapter, options(&server.uri()), shared).unwrap();
    let trace = TraceId::new([7; 16]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let offers = || transport.perform(&adapter, &Command::Offers, trace, deadline);
    // The second is held back by the limit of one list in some seconds, and time goes by meanwhile.
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        clock.0.store(3_600, Ordering::SeqCst);
    };
    let (first, second, ()) = tokio::join!(offers(), offers(), later);
    for outcome in [first, second] {
        assert!(matches!(outcome, Outcome::Offers { .. }), "{outcome:?}");
    }
    let seen = requests(&server).await;
    assert_eq!(seen.len(), 2);
    for (request, wall) in seen.iter().zip([CONTEXT.wall, clock.wall()]) {
        let token = request.headers["x-op-token"].to_str().unwrap();
        let claims = aethir::token::verify(token, "ak", &Secret::new("sk"), wall);
        assert!(claims.is_ok(), "{claims:?}");
    }
}

#[tokio::test]
async fn what_waits_longer_for_its_share_than_its_deadline_is_not_sent() {
    let server = details(vec![no_offers()]).await;
    let adapter = Aethir::new("ak", Secret::new("sk"));
    let transport = transport(&adapter, &server.uri());
    let trace = TraceId::new([7; 16]);
    let soon = || Instant::now() + Duration::from_secs(2);
    let outcome = transport
        .perform(&adapter, &Command::Offers, trace, soon())
        .await;
    assert!(matches!(outcome, Outcome::Offers { .. }), "{outcome:?}");
    let outcome = transport
        .perform(&adapter, &Command::Offers, trace, soon())
        .await;
    assert_eq!(failure(outcome).kind, FailureKind::RateLimited);
    assert_eq!(requests(&server).await.len(), 1);
}
