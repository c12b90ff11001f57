//! `GET /v1/offers`: the market as it was last read, and how old that is.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use tandem_model::gpu::GpuModel;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::offer::Offer;
use tandem_model::time::WorldTime;

use super::cards;
use crate::api::described::{GRADES, GradeWord, PageLimit};
use crate::api::{GradeLostView, NetworkView, OfferPage, OfferView, ProblemView, Scope};
use crate::engine::market::{GradeLost, Market, NetworkReading};
use crate::http::auth::Caller;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// Longest text of a cursor: an offer's id.
const AFTER_BYTES_MAX: usize = 512;

struct Filter {
    gpus: Option<Vec<GpuModel>>,
    network: Option<NetworkId>,
    country: Option<Country>,
    grade: Option<Grade>,
}

impl Filter {
    fn read(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            gpus: cards(params)?,
            network: params.read("network", "the name of a network", NetworkId::parse)?,
            country: params.read("country", "an ISO 3166-1 alpha-2 code", Country::parse)?,
            grade: params.read("grade", "`consumer` or `datacenter`", grade)?,
        })
    }

    fn takes(&self, offer: &Offer) -> bool {
        self.gpus
            .as_ref()
            .is_none_or(|all| all.contains(&offer.gpu))
            && self.network.as_ref().is_none_or(|n| *n == offer.network)
            && self.country.is_none_or(|country| country == offer.country)
            && self.grade.is_none_or(|grade| grade == offer.grade)
    }
}

fn grade(name: &str) -> Option<Grade> {
    GRADES
        .into_iter()
        .find(|grade| serde_json::to_value(grade).is_ok_and(|v| v == name))
}

/// What the gate refused, by reason.
fn refused(reading: &NetworkReading) -> BTreeMap<String, usize> {
    let counts = reading.refused.iter();
    counts.map(|(code, n)| ((*code).to_owned(), *n)).collect()
}

fn grade_lost(lost: &GradeLost) -> GradeLostView {
    GradeLostView {
        product: lost.product.clone(),
        gpu: lost.gpu.id().to_owned(),
        offers: lost.offers,
        verdicts: lost.verdicts,
        failed: lost.failed,
        failed_permille: lost.failed_permille,
    }
}

fn networks(market: &Market, now: WorldTime) -> Vec<NetworkView> {
    let view = |(network, reading): (&NetworkId, &NetworkReading)| {
        let age = reading.read_at.map(|at| now.since(at).as_millis());
        NetworkView {
            network: network.clone(),
            offers: market.offers_of(network),
            read_at: reading.read_at.map(Into::into),
            age_ms: age.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            failed: reading.failed.clone(),
            unreadable: reading.unreadable,
            refused: refused(reading),
            grade_lost: reading.grade_lost.iter().map(grade_lost).collect(),
            health: reading.health.as_str().to_owned(),
        }
    };
    market.networks.iter().map(view).collect()
}

/// Lists the market
///
/// Offers of every network as they were last read, by id, with how fresh that is.
#[utoipa::path(
    get,
    path = "/v1/offers",
    operation_id = "list_offers",
    tag = "offers",
    params(
        ("gpu" = Option<String>, Query, description = "A card by any of its names"),
        ("network" = Option<String>, Query, pattern = "^[a-z0-9-]{2,24}$", description = "A network"),
        ("country" = Option<String>, Query, pattern = "^[A-Za-z]{2}$", description = "ISO 3166-1 alpha-2"),
        ("grade" = Option<GradeWord>, Query, description = "`consumer` or `datacenter`"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = OfferPage),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["offers:read"])),
)]
pub(in crate::http) async fn offers(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<OfferPage>, Problem> {
    Caller::admit(&shared, &request, Scope::OffersRead).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()? as usize;
    let after = params.read("after", "the `next` of a page of offers", |text| {
        (text.len() <= AFTER_BYTES_MAX).then(|| text.to_owned())
    })?;
    let filter = Filter::read(&mut params)?;
    params.finish()?;
    let market = shared.state.engine.market();
    let is_after = |offer: &&Offer| after.as_ref().is_none_or(|after| offer.id.0 > *after);
    let wanted = market.offers.iter().filter(|o| filter.takes(o));
    // In the order of their ids, whatever order the market has.
    let mut fitting: Vec<&Offer> = wanted.filter(is_after).collect();
    fitting.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let more = fitting.len() > limit;
    fitting.truncate(limit);
    let last = fitting.last().map(|offer| offer.id.0.clone());
    Ok(Json(OfferPage {
        items: fitting.into_iter().map(OfferView::from).collect(),
        next: last.filter(|_| more),
        networks: networks(&market, shared.state.clock.world()),
    }))
}
