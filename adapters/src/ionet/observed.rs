//! What io.net shows of a deployment, read into our terms.

use tandem_model::placement::{Observed, ObservedNode, RemoteState, SshAddress};

use super::wire::{Deployment, Worker};

pub(super) fn observed(row: Deployment) -> Observed {
    let word = row.status.unwrap_or_default();
    Observed {
        remote_id: row.id.to_string(),
        tag: row.name,
        state: state_of(&word),
        remote_word: word,
        public_url: None,
        ssh: None,
        device: None,
        minutes_served: row.compute_minutes_served,
        minutes_remaining: row.compute_minutes_remaining,
        paid: row.amount_paid.and_then(|paid| paid.usd().ok()),
        nodes: Vec::new(),
    }
}

/// The network's words for a state, in any case and with any separator.
fn state_of(word: &str) -> RemoteState {
    let word = word.to_ascii_lowercase().replace(['_', '-'], " ");
    match word
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .as_str()
    {
        "unpaid" => RemoteState::AwaitingPayment,
        "running" => RemoteState::Running,
        "termination requested" => RemoteState::Stopping,
        "completed" => RemoteState::Completed,
        "failed" => RemoteState::Failed,
        "destroyed" | "terminated" => RemoteState::Stopped,
        _ => RemoteState::Pending,
    }
}

pub(super) fn add_nodes(observed: &mut Observed, workers: Vec<Worker>) {
    observed.nodes = workers.into_iter().map(node).collect();
    if let Some(first) = observed.nodes.first() {
        observed.public_url = first.public_url.clone();
        observed.ssh = first.ssh.clone();
        observed.device = first.device.clone();
    }
}

fn node(worker: Worker) -> ObservedNode {
    let log_key = worker.key();
    let service = worker.network_services.as_ref().and_then(|all| {
        let service = all
            .values()
            .find(|s| s.public_ip.is_some() && s.public_port.is_some())?;
        Some(format!(
            "http://{}:{}",
            service.public_ip.as_deref()?,
            service.public_port?
        ))
    });
    ObservedNode {
        device: worker.device_id.map(|id| id.to_string()),
        log_key,
        public_url: worker.public_url.or(service),
        ssh: worker.ssh_access.as_deref().and_then(ssh_address),
        private_ip: None,
        remote_word: worker.status.unwrap_or_default(),
    }
}

/// Reads a ready command such as `ssh -p 2222 ubuntu@203.0.113.7`; none for another form. Nothing
/// of it is ever run.
fn ssh_address(command: &str) -> Option<SshAddress> {
    let mut words = command.split_whitespace();
    let (mut port, mut target) = (22, None);
    while let Some(word) = words.next() {
        match word {
            "ssh" => {}
            "-p" => port = words.next()?.parse().ok()?,
            "-i" | "-o" => _ = words.next()?,
            _ if word.starts_with("-p") => port = word.strip_prefix("-p")?.parse().ok()?,
            _ if word.contains('@') && target.is_none() => target = word.split_once('@'),
            _ => return None,
        }
    }
    let (user, host) = target?;
    let user_fits = !user.is_empty()
        && user
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let host_fits = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':'));
    (user_fits && host_fits).then(|| SshAddress {
        host: host.to_owned(),
        port,
        user: user.to_owned(),
        host_key: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_read_in_any_spelling_and_unknown_ones_stay_pending() {
        for (word, state) in [
            ("running", RemoteState::Running),
            ("DEPLOYMENT_REQUESTED", RemoteState::Pending),
            ("termination-requested", RemoteState::Stopping),
            ("Termination  Requested", RemoteState::Stopping),
            ("terminated", RemoteState::Stopped),
            ("destroyed", RemoteState::Stopped),
            ("unpaid", RemoteState::AwaitingPayment),
            ("hibernating", RemoteState::Pending),
            ("", RemoteState::Pending),
        ] {
            assert_eq!(state_of(word), state, "{word}");
        }
    }

    #[test]
    fn an_ssh_command_is_read_and_nothing_odd_is_taken_for_one() {
        let address = ssh_address("ssh -p 2222 ubuntu@203.0.113.7").unwrap();
        assert_eq!((address.user.as_str(), address.port), ("ubuntu", 2222));
        assert_eq!(ssh_address("ssh root@h.example").unwrap().port, 22);
        assert_eq!(ssh_address("ssh -i key.pem root@h -p22").unwrap().host, "h");
        for odd in [
            "",
            "ssh",
            "ssh h",
            "ssh a@b; rm -rf /",
            "ssh a@b$(id)",
            "ssh -p x a@b",
        ] {
            assert!(ssh_address(odd).is_none(), "{odd}");
        }
    }
}
