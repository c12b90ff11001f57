//! Every address with its methods: the one list from which requests are routed, the header `Allow`
//! is made, and against which the OpenAPI document is checked.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Route, guard};

use super::problem::Problem;
use super::v1::{
    accounts, classifications, conversion, denials, events, job_probes, jobs, keys, ledger, logs,
    nodes, offers, policies, policy_backtest, policy_changes, policy_shadow, quotes, receipts,
};
use super::{agent, probes, service};

/// One address.
struct Address {
    path: &'static str,
    methods: Vec<(Method, Route)>,
}

fn at(path: &'static str) -> Address {
    Address {
        path,
        methods: Vec::new(),
    }
}

impl Address {
    /// `GET`, and `HEAD` with it (RFC 9110 §9.1).
    fn get(mut self, route: Route) -> Self {
        let head_too = guard::Any(guard::Get()).or(guard::Head());
        self.methods.push((Method::GET, route.guard(head_too)));
        self
    }

    fn post(mut self, route: Route) -> Self {
        self.methods
            .push((Method::POST, route.guard(guard::Post())));
        self
    }

    fn put(mut self, route: Route) -> Self {
        self.methods.push((Method::PUT, route.guard(guard::Put())));
        self
    }

    fn delete(mut self, route: Route) -> Self {
        self.methods
            .push((Method::DELETE, route.guard(guard::Delete())));
        self
    }

    fn register(self, config: &mut ServiceConfig) {
        let mut allowed: Vec<Method> = self.methods.iter().map(|(m, _)| m.clone()).collect();
        if allowed.contains(&Method::GET) {
            allowed.push(Method::HEAD);
        }
        let refuse = move || {
            let problem = Problem::method(&allowed);
            async { Err::<&str, _>(problem) }
        };
        let mut resource = web::resource(self.path).default_service(web::to(refuse));
        for (_, route) in self.methods {
            resource = resource.route(route);
        }
        config.service(resource);
    }
}

/// What customers, operators and those who watch over the process use.
fn public() -> Vec<Address> {
    vec![
        at("/v1/classifications").post(Route::new().to(classifications::classify)),
        at("/v1/quotes").post(Route::new().to(quotes::quote)),
        at("/v1/denials").get(Route::new().to(denials::list)),
        at("/v1/jobs")
            .get(Route::new().to(jobs::list))
            .post(Route::new().to(jobs::submit)),
        at("/v1/jobs/{id}").get(Route::new().to(jobs::show)),
        at("/v1/jobs/{id}/cancel").post(Route::new().to(jobs::cancel)),
        at("/v1/jobs/{id}/receipt").get(Route::new().to(receipts::show)),
        at("/.well-known/jwks.json").get(Route::new().to(receipts::keys)),
        at("/v1/jobs/{id}/events").get(Route::new().to(events::events)),
        at("/v1/jobs/{id}/logs").get(Route::new().to(logs::logs)),
        at("/v1/jobs/{id}/probes").get(Route::new().to(job_probes::list)),
        at("/v1/nodes").get(Route::new().to(nodes::list)),
        at("/v1/nodes/{uuid}").get(Route::new().to(nodes::show)),
        at("/v1/nodes/{uuid}/ban").post(Route::new().to(nodes::ban)),
        at("/v1/nodes/{uuid}/unban").post(Route::new().to(nodes::unban)),
        at("/v1/offers").get(Route::new().to(offers::offers)),
        at("/v1/accounts")
            .get(Route::new().to(accounts::list))
            .post(Route::new().to(accounts::create)),
        at("/v1/keys")
            .get(Route::new().to(keys::list))
            .post(Route::new().to(keys::create)),
        at("/v1/keys/{id}").delete(Route::new().to(keys::revoke)),
        at("/v1/ledger/balances").get(Route::new().to(ledger::balances)),
        at("/v1/policies")
            .get(Route::new().to(policies::list))
            .post(Route::new().to(policy_changes::apply)),
        at("/v1/policies/current").get(Route::new().to(policies::current)),
        at("/v1/policies/backtest").post(Route::new().to(policy_backtest::backtest)),
        at("/v1/policies/conversion").get(Route::new().to(conversion::list)),
        at("/v1/policies/check").post(Route::new().to(policies::check)),
        at("/v1/policies/diff").post(Route::new().to(policies::diff)),
        at("/v1/policies/rollback").post(Route::new().to(policy_changes::rollback)),
        at("/v1/policies/shadow")
            .get(Route::new().to(policy_shadow::show))
            .put(Route::new().to(policy_shadow::set))
            .delete(Route::new().to(policy_shadow::remove)),
        at("/v1/policies/{number}").get(Route::new().to(policies::show)),
        at("/livez").get(Route::new().to(service::livez)),
        at("/readyz").get(Route::new().to(service::readyz)),
        at("/metrics").get(Route::new().to(service::metrics)),
        at("/version").get(Route::new().to(service::version)),
        at("/openapi.json").get(Route::new().to(service::openapi)),
        at("/docs").get(Route::new().to(service::docs)),
        at("/errors/{code}").get(Route::new().to(service::error_page)),
    ]
}

/// What agents use; described in the agent's protocol, not in the OpenAPI document.
fn agents() -> Vec<Address> {
    vec![
        at("/agent/v1/bind").post(Route::new().to(agent::bind)),
        at("/agent/v1/heartbeats").post(Route::new().to(agent::heartbeat)),
        at("/agent/v1/checkpoints").post(Route::new().to(agent::checkpoint)),
        at("/agent/v1/results").post(Route::new().to(agent::result)),
        at("/agent/v1/probes").post(Route::new().to(probes::probe)),
        at("/agent/v1/binary").get(Route::new().to(agent::binary)),
    ]
}

/// Registers every address.
pub(super) fn configure(config: &mut ServiceConfig) {
    for address in public().into_iter().chain(agents()) {
        address.register(config);
    }
}

/// Every address of customers and operators as method and path, in the order of the paths.
pub fn listed() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = public()
        .into_iter()
        .flat_map(|address| {
            let path = address.path;
            let names = address.methods.into_iter();
            names.map(move |(method, _)| (path.to_owned(), method.to_string()))
        })
        .collect();
    all.sort();
    all.into_iter()
        .map(|(path, method)| (method, path))
        .collect()
}
