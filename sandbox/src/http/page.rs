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
            "<tr><td>{}<td class=id>{}<td>{}<td>{}<td>{}",
            row.network,
            escape(&row.id),
            escape(&row.name),
            escape(&row.hardware),
            row.status,
        );
    }
    if rows.is_empty() {
        rows.push_str("<tr><td colspan=5>Nothing is rented yet.");
    }
    let base = escape(world.endpoints().0);
    let ssh = world.endpoints().1.port;
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>Tandem sandbox</title>\
         <style>body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}\
         .rented{{overflow-x:auto}}table{{border-collapse:collapse;width:100%}}\
         td,th{{text-align:left;white-space:nowrap;border-bottom:1px solid #ccc;padding:.2rem .5rem}}\
         td:nth-child(3){{white-space:normal;overflow-wrap:anywhere;min-width:12rem}}.id{{font-family:monospace}}</style>\
         <h1>Tandem sandbox</h1>\
         <p>Two emulated GPU networks for tests. Nothing here is io.net or Aethir; no GPU is rented \
         and no money moves.</p>\
         <ul><li>io.net: <code>{base}</code>, header <code>x-api-key: sandbox</code></li>\
         <li>Aethir-style: <code>{base}/aethir</code>, access key <code>sandbox</code>, secret key \
         <code>sandbox-secret</code></li>\
         <li>Control: <a href=\"/sandbox/truth\">/sandbox/truth</a>, \
         <a href=\"/sandbox/faults\">/sandbox/faults</a>, \
         <a href=\"/sandbox/time\">/sandbox/time</a></li>\
         <li>SSH: port {ssh}, user = id of the machine</li></ul>\
         <h2>Rented, the newest {ROWS_MAX}</h2><div class=rented>\
         <table><thead><tr><th>network<th>id<th>name<th>hardware<th>status<tbody>{rows}</table></div></html>"
    )
}
