//! `POST /v1/policies/backtest`: the price lab over HTTP, on the demand and the prices that ship. Files
//! of one's own are replayed by `tandem policy backtest`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use tandem_pricing::lab::{
    CONVERSION_FILE, ELASTICITY_PERMILLE_MAX, Files, Parameters, Scenario, backtest as replay,
    conversion_table,
};

use super::{off_thread, policies};
use crate::api::{PolicyBacktestReply, PolicyBacktestRequest, ProblemView, Scope};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::store::PAGE_MAX;

/// Fewest quotes that were counted before their conversion replaces the elasticity.
const QUOTES_MIN: u64 = 1_000;
/// Most pages of counts that are read.
const PAGES_MAX: u32 = 100;

/// Replays the pricing policy
///
/// The policy in force, and a document beside it when one is given, on the synthetic demand and the
/// prices that ship. Quotes are accepted as they were by this broker's counts, once there are enough
/// of them, else by an elasticity. Nothing is written.
#[utoipa::path(
    post,
    path = "/v1/policies/backtest",
    operation_id = "backtest_policy",
    tag = "policies",
    request_body = PolicyBacktestRequest,
    responses(
        (status = 200, description = "What came of it", body = PolicyBacktestReply),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policies"])),
)]
pub(in crate::http) async fn backtest(
    shared: Data<Shared>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<PolicyBacktestReply>, Problem> {
    Caller::admit(&shared, &request, Scope::Policies).await?;
    let body: Body<PolicyBacktestRequest> = Body::read(&request, payload).await?;
    let counts = counts(&shared).await?;
    let reply = off_thread(move || {
        let wanted = body.value;
        let live = shared.state.policies.current();
        let other = wanted.text.as_deref().map(policies::parsed).transpose()?;
        let quoted: u64 = counts.iter().map(|(_, quoted, _)| quoted).sum();
        let table = (quoted >= QUOTES_MIN).then(|| conversion_table(counts));
        let files = Files {
            conversion: table.as_deref().map(|text| (CONVERSION_FILE, text)),
            ..Files::default()
        };
        let scenario = Scenario::read(&files).map_err(|error| Problem::defect(&error))?;
        let mut parameters = Parameters::standard(wanted.seed.into(), shared.state.clock.wall());
        if let Some(elasticity) = wanted.elasticity_permille {
            if elasticity > ELASTICITY_PERMILLE_MAX {
                let most = format!("at most {ELASTICITY_PERMILLE_MAX}");
                return Err(Problem::field("/elasticity_permille", most));
            }
            parameters.elasticity_permille = elasticity;
        }
        let result = replay(&live.policy, other.as_ref(), &scenario, parameters);
        Ok(PolicyBacktestReply {
            base: live.version.number,
            quotes_counted: quoted,
            backtest: serde_json::to_value(&result).map_err(|error| Problem::defect(&error))?,
        })
    });
    reply.await.map(Json)
}

/// Counts of quotes: price over reference price in permille, made, taken.
async fn counts(shared: &Shared) -> Result<Vec<(u32, u64, u64)>, Problem> {
    let mut all = Vec::new();
    for page in 0..PAGES_MAX {
        let found = shared.state.tenants.conversion(page * PAGE_MAX, PAGE_MAX);
        let found = found.await?;
        let is_last = found.len() < PAGE_MAX as usize;
        all.extend(
            found
                .into_iter()
                .map(|(key, n)| (key.ratio_permille_from, n.quoted, n.accepted)),
        );
        if is_last {
            break;
        }
    }
    Ok(all)
}
