//! `/v1/nodes`: the GPUs that probes saw, and bans of them. A device belongs to no account, so all
//! of it is for operators.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Payload};
use gpu_probe::hex::HexBytes;
use gpu_probe::report::DeviceUuid;
use tandem_model::network::NetworkId;

use super::{cards, check_line, number};
use crate::api::described::{BAN_REASON_CHARS_MAX, DeviceUuidText, PageLimit};
use crate::api::{
    BanRequest, DeviceDetailView, DeviceEventView, DeviceView, Page, ProblemView, Scope,
};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::server::Shared;
use crate::store::{BanChange, DeviceFilter};

fn unknown() -> Problem {
    Problem::not_found().hint("`tandem nodes` lists the devices that are known")
}

fn device(text: &str) -> Result<DeviceUuid, Problem> {
    HexBytes::parse(text).map_err(|_| unknown())
}

/// Lists devices
///
/// GPUs that probes saw, by UUID, as far as they are remembered, and those that an operator banned
/// before any was seen. UUIDs are the machines' own word.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    operation_id = "list_nodes",
    tag = "nodes",
    params(
        ("network" = Option<String>, Query, pattern = "^[a-z0-9-]{2,24}$", description = "Rented last on this network"),
        ("gpu" = Option<String>, Query, description = "A card by any of its names"),
        ("banned" = Option<bool>, Query, description = "Only banned ones, or only others"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the page, 1 to 200; 50 when absent"),
        ("after" = Option<DeviceUuidText>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<DeviceView>),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["nodes"])),
)]
pub(in crate::http) async fn list(
    shared: Data<Shared>,
    request: HttpRequest,
) -> Result<Json<Page<DeviceView>>, Problem> {
    Caller::admit(&shared, &request, Scope::Nodes).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after = params.read("after", "the `next` of a page of devices", |text| {
        HexBytes::parse(text).ok()
    })?;
    let models = cards(&mut params)?;
    let filter = DeviceFilter {
        network: params.read("network", "the name of a network", NetworkId::parse)?,
        models: models.map(|all| all.iter().map(|model| model.id().to_owned()).collect()),
        banned: params.parsed("banned", "`true` or `false`")?,
    };
    params.finish()?;
    let store = &shared.state.store;
    let mut devices = store.device_page(filter, after, limit + 1).await?;
    let more = devices.len() > limit as usize;
    devices.truncate(limit as usize);
    let last = devices.last().map(|device| device.uuid.to_string());
    Ok(Json(Page {
        items: devices.into_iter().map(DeviceView::from).collect(),
        next: last.filter(|_| more),
    }))
}

/// Shows a device
///
/// With its history, the newest first: what probes said of it, and its bans.
#[utoipa::path(
    get,
    path = "/v1/nodes/{uuid}",
    operation_id = "show_node",
    tag = "nodes",
    params(
        ("uuid" = DeviceUuidText, Path, description = "The device"),
        ("limit" = Option<PageLimit>, Query, description = "Items of the history's page, 1 to 200; 50 when absent"),
        ("after" = Option<u64>, Query, format = Int64, minimum = 0, maximum = 9_007_199_254_740_991.0, description = "`next` of the history's page before"),
    ),
    responses(
        (status = 200, description = "The device", body = DeviceDetailView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["nodes"])),
)]
pub(in crate::http) async fn show(
    shared: Data<Shared>,
    uuid: Path<String>,
    request: HttpRequest,
) -> Result<Json<DeviceDetailView>, Problem> {
    Caller::admit(&shared, &request, Scope::Nodes).await?;
    let mut params = Params::of(&request)?;
    let limit = params.limit()?;
    let after = params.read("after", "the `next` of a page of a history", number)?;
    params.finish()?;
    let uuid = device(&uuid)?;
    let store = &shared.state.store;
    let known = store.devices(vec![uuid]).await?.pop();
    let known = known.ok_or_else(unknown)?;
    let mut lines = store.device_history(uuid, after, limit + 1).await?;
    let more = lines.len() > limit as usize;
    lines.truncate(limit as usize);
    let last = lines.last().map(|line| line.sequence.to_string());
    Ok(Json(DeviceDetailView {
        device: known.into(),
        history: Page {
            items: lines.into_iter().map(DeviceEventView::from).collect(),
            next: last.filter(|_| more),
        },
    }))
}

/// Bans a device
///
/// It fails the probe of every start from now on; work that runs on it goes on. A device that no
/// probe saw yet can be banned, too. One that is banned keeps the ban that it has.
#[utoipa::path(
    post,
    path = "/v1/nodes/{uuid}/ban",
    operation_id = "ban_node",
    tag = "nodes",
    params(("uuid" = DeviceUuidText, Path, description = "The device")),
    request_body = BanRequest,
    responses(
        (status = 200, description = "The device with the ban that holds", body = DeviceView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["nodes"])),
)]
pub(in crate::http) async fn ban(
    shared: Data<Shared>,
    uuid: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<DeviceView>, Problem> {
    change(&shared, &uuid, (&request, payload), true).await
}

/// Lifts a ban
///
/// The device's failures until now no longer count towards a ban. One that is not banned stays as
/// it is.
#[utoipa::path(
    post,
    path = "/v1/nodes/{uuid}/unban",
    operation_id = "unban_node",
    tag = "nodes",
    params(("uuid" = DeviceUuidText, Path, description = "The device")),
    request_body = BanRequest,
    responses(
        (status = 200, description = "The device without a ban", body = DeviceView),
        (status = "4XX", description = "Refused", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["nodes"])),
)]
pub(in crate::http) async fn unban(
    shared: Data<Shared>,
    uuid: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<DeviceView>, Problem> {
    change(&shared, &uuid, (&request, payload), false).await
}

async fn change(
    shared: &Shared,
    uuid: &str,
    (request, payload): (&HttpRequest, Payload),
    banned: bool,
) -> Result<Json<DeviceView>, Problem> {
    let caller = Caller::admit(shared, request, Scope::Nodes).await?;
    let uuid = device(uuid)?;
    let asked: Body<BanRequest> = Body::read(request, payload).await?;
    let reason = asked.value.reason;
    check_line("/reason", &reason, BAN_REASON_CHARS_MAX)?;
    let by = caller.named();
    tracing::info!(device = %uuid, by, reason, banned, "an operator changes the ban of a device");
    let change = BanChange {
        uuid,
        banned,
        reason,
        by,
        at: shared.state.clock.world(),
    };
    let known = shared.state.store.ban_device(change).await?;
    Ok(Json(known.ok_or_else(unknown)?.into()))
}
