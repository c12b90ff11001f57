//! `GET /`: what this is, where its parts are, and what runs now.

use std::fmt::Write as _;

use actix_web::{HttpResponse, web};

use super::Shared;

/// Rentals shown, the newest.
const ROWS_MAX: usize = 50;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The page.
pub(super) async fn page(shared: web::Data<Shared>) -> HttpResponse {
    let html = render(&shared);
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(html)
}

fn render(shared: &Shared) -> String {
    let mut rows = String::new();
    let world = shared.world();
    for row in world.summary(ROWS_MAX) {
        let _infallible = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.network,
            escape(&row.id),
            escape(&row.name),
            escape(&row.hardware),
            row.status,
        );
    }
    let base = escape(world.endpoints().0);
    let ssh = world.endpoints().1.port;
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Tandem sandbox</title>\
         <style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;border-bottom:1px solid #ccc;padding:.2rem .5rem}}</style>\
         <h1>Tandem sandbox</h1>\
         <p>Two emulated GPU networks for tests. Nothing here is io.net or Aethir; no GPU is rented \
         and no money moves.</p>\
         <ul><li>io.net: <code>{base}</code>, header <code>x-api-key: sandbox</code></li>\
         <li>Aethir-style: <code>{base}/aethir</code>, access key <code>sandbox</code>, secret key \
         <code>sandbox-secret</code></li>\
         <li>Control: <code>{base}/sandbox/truth</code>, <code>/sandbox/faults</code>, \
         <code>/sandbox/time</code></li><li>SSH: port {ssh}, user = id of the machine</li></ul>\
         <table><thead><tr><th>network<th>id<th>name<th>hardware<th>status</thead><tbody>{rows}</tbody></table></html>"
    )
}
