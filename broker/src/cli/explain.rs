//! `tandem explain`: the page of an error code, or the list of all.

use tandem_model::error::ErrorCode;

use super::failure::Failure;
use super::output::say;

/// Prints the page of a code; without one, every code with its title.
pub fn run(code: Option<&str>, json: bool) -> anyhow::Result<()> {
    let Some(text) = code else { return list(json) };
    let code = ErrorCode::parse(text).ok_or_else(|| {
        Failure::new(ErrorCode::USAGE, format!("there is no error code `{text}`"))
            .hint("`tandem explain` without a code lists all")
    })?;
    if json {
        say(&serde_json::to_string_pretty(&serde_json::json!({
            "code": code, "title": code.title(), "page": code.page(),
        }))?)
    } else {
        say(code.page().trim_end())
    }
}

fn list(json: bool) -> anyhow::Result<()> {
    if json {
        let all: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|c| serde_json::json!({ "code": c, "title": c.title() }))
            .collect();
        return say(&serde_json::to_string_pretty(&all)?);
    }
    for code in ErrorCode::ALL {
        say(&format!("{code}  {}", code.title()))?;
    }
    Ok(())
}
