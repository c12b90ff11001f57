//! The page: whole, safe, and the same for the same result.

use super::super::page::html;
use super::super::{Files, Scenario};
use super::{changed, played, shipped};
use crate::policy::Policy;

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn the_page_stands_alone_and_closes_what_it_opens() {
    let other = changed(&[("1_200", "1_500"), ("name: standard", "name: dearer")]);
    let result = played(&shipped(), &Policy::standard(), Some(&other));
    let page = html(&result);
    for tag in [
        "svg", "table", "figure", "tr", "td", "th", "dl", "div", "title", "desc", "text",
    ] {
        let opened = count(&page, &format!("<{tag}>")) + count(&page, &format!("<{tag} "));
        assert_eq!(opened, count(&page, &format!("</{tag}>")), "{tag}");
    }
    for outside in [
        "http:", "https:", "<script", "<link", "<img", "@import", "src=",
    ] {
        assert_eq!(count(&page, outside), 0, "{outside}");
    }
    assert_eq!(count(&page, "<figure>"), 5);
    assert_eq!(count(&page, "role=\"img\" aria-labelledby="), 5);
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("synthetic"));
    assert!(page.contains("standard against dearer"));
    let ids: Vec<&str> = page.split(" id=\"").skip(1).collect();
    let mut ids: Vec<&str> = ids.iter().filter_map(|id| id.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert_eq!(
        page,
        html(&played(&shipped(), &Policy::standard(), Some(&other)))
    );
}

#[test]
fn a_hostile_file_name_stays_text_and_no_demand_still_makes_a_page() {
    let files = Files {
        demand: Some((
            "<script>\"'&.csv",
            "name,arrival_s,duration_s,gpus,gpu,class\n",
        )),
        ..Files::default()
    };
    let nothing = Scenario::read(&files).unwrap();
    let standard = Policy::standard();
    let page = html(&played(&nothing, &standard, Some(&standard)));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;&quot;&#39;&amp;.csv"));
    assert!(page.contains("standard (first) against standard (second)"));
}
