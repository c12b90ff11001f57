//! `tandem policy conversion`: the counts of quotes as the table that the price lab reads.

use tandem_pricing::lab::conversion_table;

use super::super::connection::Connection;
use super::super::output::{say, tell};
use crate::api::ConversionView;
use crate::client::Answer;

/// Arguments of `tandem policy conversion`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only quotes that this version of the policy made.
    #[arg(long, value_name = "NUMBER")]
    of: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

/// Prints the counts: of all versions that are asked for, all classes and tiers together.
pub(super) async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let path = "/v1/policies/conversion";
    let counts: Answer<Vec<ConversionView>> = arguments.connection.client()?.all(path).await?;
    let is_asked = |row: &&ConversionView| arguments.of.is_none_or(|of| of == row.policy_version);
    let chosen: Vec<_> = counts.view.iter().filter(is_asked).collect();
    if json {
        return say(&serde_json::to_string_pretty(&chosen)?);
    }
    if chosen.is_empty() {
        tell("no quote was counted yet; counts are written every few seconds");
    } else {
        tell("next: put this into a file and `tandem policy backtest POLICY --conversion FILE`");
    }
    say(table(&chosen).trim_end())
}

/// Quotes made and taken by price.
fn table(counts: &[&ConversionView]) -> String {
    let row = |row: &&ConversionView| (row.ratio_permille_from, row.quoted, row.accepted);
    conversion_table(counts.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_pricing::lab::Conversion;

    #[test]
    fn counts_of_a_price_are_summed_into_a_table_that_the_lab_reads() {
        let row = |version, from, quoted, accepted| ConversionView {
            policy_version: version,
            class: "rendering".into(),
            tier: "consumer".into(),
            ratio_permille_from: from,
            quoted,
            accepted,
        };
        let rows = [
            row(1, 1_000, 10, 6),
            row(2, 1_000, 4, 1),
            row(2, 1_100, 0, 1),
        ];
        let text = table(&rows.iter().collect::<Vec<_>>());
        assert_eq!(
            text,
            "ratio_permille_from,quoted,accepted\n1000,14,7\n1100,1,1\n"
        );
        Conversion::parse("counts", &text).unwrap();
    }
}
