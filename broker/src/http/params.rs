//! Query parameters: each read by name, and none that nobody reads.

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::Query;

use super::problem::Problem;
use crate::api::{PAGE_ITEMS, PAGE_ITEMS_MAX};

/// Most parameters of a request.
const PARAMS_MAX: usize = 32;

/// The parameters of a request that were not read yet.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query; a parameter that is given twice is refused.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        Self::parse(request.query_string())
    }

    fn parse(query: &str) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| Problem::field("query", error.to_string()))?;
        if pairs.len() > PARAMS_MAX {
            let detail = format!("{} parameters; at most {PARAMS_MAX} are read", pairs.len());
            return Err(Problem::field("query", detail));
        }
        let mut params = BTreeMap::new();
        for (name, value) in pairs.into_inner() {
            if params.insert(name.clone(), value).is_some() {
                return Err(Problem::field(name, "given twice"));
            }
        }
        Ok(Self(params))
    }

    /// Takes a parameter as text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes a parameter with the help of its reader; `what` says what would be read.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        what: &str,
        reader: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match reader(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::field(name, format!("not {what}"))),
        }
    }

    /// Takes a parameter that has a text form.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, Problem> {
        self.read(name, what, |text| text.parse().ok())
    }

    /// Takes how many items a page may have.
    pub(super) fn limit(&mut self) -> Result<u32, Problem> {
        let what = format!("a number from 1 to {PAGE_ITEMS_MAX}");
        let range = 1..=PAGE_ITEMS_MAX;
        let limit = self.read("limit", &what, |text| {
            text.parse().ok().filter(|n| range.contains(n))
        })?;
        Ok(limit.unwrap_or(PAGE_ITEMS))
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.into_keys().next() {
            Some(name) => Err(Problem::field(name, "no such parameter here")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_known_given_twice_or_out_of_range_is_refused_by_name() {
        let refused = |query: &str| {
            let read = Params::parse(query).and_then(|mut params| {
                params.limit()?;
                params.finish()
            });
            read.err().map(|problem| problem.to_string())
        };
        assert_eq!(refused("limit=200"), None);
        assert_eq!(refused(""), None);
        for (query, named) in [
            ("limit=0", "`limit`"),
            ("limit=201", "`limit`"),
            ("limit=-1", "`limit`"),
            ("limit=1&limit=2", "`limit`"),
            ("colour=red", "`colour`"),
        ] {
            let told = refused(query).unwrap_or_default();
            assert!(told.contains(named), "{query}: {told}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(query in ".{0,100}") {
            let _ = Params::parse(&query).and_then(|mut params| params.limit());
        }
    }
}
