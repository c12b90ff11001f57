//! Setting a variable in a workload file of any format that can be submitted, in its text: the
//! broker takes files as their authors write them, and so does the demo.

/// The text with a variable set; none when the file's own way of giving variables is not known.
pub fn with(format: &str, text: &str, name: &str, value: &str) -> Option<String> {
    let key = match format {
        "tandem" | "dstack" => "env",
        "skypilot" => "envs",
        _ => return None,
    };
    let mut lines: Vec<&str> = text.lines().collect();
    let Some(head) = lines.iter().position(|line| is_head(line, key)) else {
        let is_other = |line: &&str| line.starts_with(&format!("{key}:"));
        let has_other = lines.iter().any(is_other);
        let end = text.trim_end();
        return (!has_other).then(|| format!("{end}\n{key}:\n  {name}: \"{value}\"\n"));
    };
    let entries = head + 1;
    let is_entry = |line: &&&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let first = lines[entries..].iter().find(is_entry)?;
    let entry = first.trim_start();
    let indent = &first[..first.len() - entry.len()];
    let (start, set) = match entry.starts_with("- ") {
        true => (
            format!("{indent}- {name}="),
            format!("{indent}- {name}={value}"),
        ),
        false => (
            format!("{indent}{name}:"),
            format!("{indent}{name}: \"{value}\""),
        ),
    };
    let known = lines[entries..]
        .iter()
        .position(|line| line.starts_with(&start));
    match known {
        Some(index) => lines[entries + index] = &set,
        None => lines.insert(entries, &set),
    }
    Some(lines.join("\n") + "\n")
}

fn is_head(line: &str, key: &str) -> bool {
    let rest = line.strip_prefix(key).and_then(|l| l.strip_prefix(':'));
    rest.is_some_and(|rest| rest.trim().is_empty() || rest.trim().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_joins_a_map_a_list_or_a_file_without_any() {
        let map = with(
            "tandem",
            "name: a\nenv:\n  # why\n  A: b\nrun: x\n",
            "N",
            "1",
        );
        assert_eq!(
            map.unwrap(),
            "name: a\nenv:\n  N: \"1\"\n  # why\n  A: b\nrun: x\n"
        );
        let list = with("dstack", "env:\n- A=b\n- C\n", "N", "1");
        assert_eq!(list.unwrap(), "env:\n- N=1\n- A=b\n- C\n");
        let known = with("tandem", "env:\n  STEPS_OF: c\n  STEPS: b\n", "STEPS", "1");
        assert_eq!(known.unwrap(), "env:\n  STEPS_OF: c\n  STEPS: \"1\"\n");
        let none = with("skypilot", "run: |\n  envs: no\n", "N", "1");
        assert_eq!(none.unwrap(), "run: |\n  envs: no\nenvs:\n  N: \"1\"\n");
    }

    #[test]
    fn what_cannot_be_changed_for_sure_is_left_alone() {
        assert_eq!(with("kubernetes", "kind: Job\n", "N", "1"), None);
        assert_eq!(with("tandem", "env: {A: b}\n", "N", "1"), None);
    }
}
