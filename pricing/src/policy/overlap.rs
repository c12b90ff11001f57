//! Two rules of one priority that could both set one thing for one subject: which would win would
//! be chance, so the file is refused.

use super::problem::Problem;
use super::rule::{Effect, Rule};
use crate::files::PROBLEMS_MAX;

/// Every pair of rules that contradict each other, with both places. A condition does not excuse
/// them: whether two expressions can both hold is not decided here.
pub(super) fn problems(rules: &[Rule]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, second) in rules.iter().enumerate() {
        for first in &rules[..index] {
            let both = first.sets & second.sets;
            if first.priority == second.priority
                && both != 0
                && first.selector.overlaps(&second.selector)
                && problems.len() < PROBLEMS_MAX
            {
                problems.push(problem(first, second, both));
            }
        }
    }
    problems
}

fn problem(first: &Rule, second: &Rule, both: u8) -> Problem {
    let shared: Vec<Effect> = Effect::ALL
        .into_iter()
        .filter(|effect| effect.bit() & both != 0)
        .collect();
    let place = |rule: &Rule| {
        let set_at = shared
            .first()
            .and_then(|effect| rule.set_at[*effect as usize]);
        set_at.unwrap_or(rule.position)
    };
    let (here, there) = (place(second), place(first));
    let fields: Vec<_> = shared.iter().map(|effect| effect.field()).collect();
    let mut problem = Problem::at(
        here,
        &format!("rules.{}", second.id),
        format!(
            "sets {} at priority {} for subjects for which rule `{}` at {there} sets it too",
            fields.join(", "),
            second.priority,
            first.id
        ),
    );
    problem.hint = Some("give one of the two another priority, or part what they match".into());
    problem.other = Some(there);
    problem
}
