//! The OpenAPI document: what is there, and that it stays.

use std::collections::BTreeSet;

use serde_json::Value;
use tandem::http::{openapi, routes};

use crate::stage::Stage;

fn document() -> Value {
    serde_json::from_str(openapi::json()).unwrap()
}

#[test]
fn every_address_is_in_the_document_and_every_one_of_the_document_exists() {
    let mut described = Vec::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push((path.clone(), method.to_uppercase()));
        }
    }
    described.sort();
    let routed: Vec<_> = routes::listed().into_iter().map(|(m, p)| (p, m)).collect();
    assert_eq!(described, routed);
}

#[test]
fn the_document_is_the_one_that_was_accepted() {
    let mut document = document();
    document["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!(document);
}

#[test]
fn every_operation_is_named_once_described_and_refuses_with_a_problem() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{at}");
            assert!(operation["tags"][0].is_string(), "{at}");
            assert!(names.insert(operation["operationId"].to_string()), "{at}");
            if path.starts_with("/v1/") {
                let refused = &operation["responses"]["4XX"]["content"];
                assert!(refused["application/problem+json"].is_object(), "{at}");
            }
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|v| references(v, found));
            }
            Value::Array(list) => list.iter().for_each(|v| references(v, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_people_needs_no_other_host_and_no_script() {
    let stage = Stage::bare().await;
    let page = stage.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let text = page.text.to_lowercase();
    for forbidden in ["<script", "http://", "https://", "@import", "javascript:"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    for (_, path) in routes::listed() {
        assert!(page.text.contains(&path), "{path}");
    }
    let served = stage.get("/openapi.json").await;
    assert_eq!(served.json(), document());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_has_its_page_where_problems_say() {
    let stage = Stage::bare().await;
    for code in tandem_model::error::ErrorCode::ALL {
        let page = stage.get(&format!("/errors/{code}")).await;
        assert_eq!((page.status, page.text.as_str()), (200, code.page()));
    }
    stage.get("/errors/TDM-0000").await.problem(404, "TDM-6001");
}
