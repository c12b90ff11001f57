//! Where a workload could start, and what stands in the way elsewhere.

use tandem_model::error::ErrorCode;
use tandem_model::network::Product;
use tandem_model::workload::{CodeSource, Workload};
use tandem_pricing::launch;

use crate::api::{ObstacleView, ProductView};

/// Where it could start, and what stands in the way elsewhere.
pub(super) fn products(workload: &Workload, all: &[Product]) -> Vec<ProductView> {
    let local = local_code(workload);
    let view = |product: &Product| {
        let found = launch::obstacles(workload, product);
        let mut obstacles: Vec<_> = found.iter().map(ObstacleView::from).collect();
        obstacles.extend(local.clone());
        ProductView {
            network: product.network.clone(),
            product: product.name.to_owned(),
            can_start: obstacles.is_empty(),
            obstacles,
        }
    };
    all.iter().map(view).collect()
}

/// Code on the customer's own disk, which no request carries.
fn local_code(workload: &Workload) -> Option<ObstacleView> {
    let path = workload.code.iter().find_map(|(_, source)| match source {
        CodeSource::LocalPath(path) => Some(path),
        CodeSource::Git(_) => None,
    })?;
    Some(ObstacleView {
        code: ErrorCode::LAUNCH_IMPOSSIBLE.to_string(),
        field: "code".into(),
        text: format!("the folder `{path}` is on your machine and is not uploaded"),
        help: "use a git repository, or put the code into the image".into(),
    })
}
