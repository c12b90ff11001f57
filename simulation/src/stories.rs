//! Told stories: what happens is fixed, and the broker dies at every point of them in turn, and
//! once more while it recovers.

use std::collections::BTreeSet;
use std::time::Duration;

use tandem_model::job::JobState;

use crate::conduct::Conduct;
use crate::customers::Wish;
use crate::faults::{AETHIR, Fault, IONET, Kind};
use crate::natures::Nature;
use crate::plan::Plan;
use crate::points::{Deaths, Points};
use crate::sim::{Fare, Sim, Told};
use crate::{Ran, finish};

/// A story.
pub struct Story {
    /// Its name.
    pub name: &'static str,
    /// How long things happen in it, in seconds.
    lasts: u64,
    /// From which second to which the broker dies at every point.
    deaths: (u64, u64),
    /// What happens.
    tell: fn(&mut Sim),
    /// How every job ends, whatever the broker suffers.
    ends: &'static [JobState],
}

const ONE: &str = "resources: {gpu: RTX4090, gpus_per_node: 1}\n";
const BIG: &str = "resources: {gpu: H100, gpus_per_node: 8}\ntier: enterprise\n";
const GANG: &str = "resources: {gpu: H100, gpus_per_node: 8, nodes: 2}\ntier: enterprise\n";
const KEPT: &str = "checkpoints: {interval_seconds: 10}\n";
const SUCCEEDED: &[JobState] = &[JobState::Succeeded];
const CANCELLED: &[JobState] = &[JobState::Cancelled];
const WHOLE: (u64, u64) = (0, 100_000);

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Sim {
    fn tells(&mut self, text: &str, steps: u64) {
        self.customer_comes(second(5), Wish::new("job", steps, text), None, false);
    }

    /// A job of one card agrees to be probed while it runs, at moments some seconds apart.
    fn tells_of_moments(&mut self, steps: u64) {
        self.plan.probe.within = second(60);
        self.plan
            .probes_running_work(second(60), 4, &mut self.chance.moments);
        self.tells(&format!("{ONE}{KEPT}probe_while_running: true\n"), steps);
    }

    fn breaks_at(
        &mut self,
        at: u64,
        network: &tandem_model::network::NetworkId,
        kind: Kind,
        lasts: u64,
    ) {
        let network = network.clone();
        let lasts = second(lasts);
        self.fault_comes(
            second(at),
            Fault {
                network,
                kind,
                lasts,
            },
        );
    }
}

/// Every story.
pub const STORIES: &[Story] = &[
    Story {
        name: "a first placement in a container",
        lasts: 40,
        deaths: WHOLE,
        tell: |sim| sim.tells(&format!("{ONE}{KEPT}"), 15),
        ends: SUCCEEDED,
    },
    Story {
        name: "a first placement on a machine over SSH",
        lasts: 40,
        deaths: WHOLE,
        tell: |sim| sim.tells(&format!("{BIG}{KEPT}"), 15),
        ends: SUCCEEDED,
    },
    Story {
        name: "a gang of two nodes",
        lasts: 40,
        deaths: WHOLE,
        tell: |sim| sim.tells(&format!("{GANG}{KEPT}"), 15),
        ends: SUCCEEDED,
    },
    Story {
        name: "a node dies and the job goes on within the network",
        lasts: 60,
        deaths: WHOLE,
        tell: |sim| {
            sim.tells(&format!("{ONE}{KEPT}"), 40);
            sim.breaks_at(25, &IONET, Kind::Node("crash"), 0);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a network goes dark and the job goes on in the other",
        lasts: 200,
        deaths: (0, 140),
        tell: |sim| {
            sim.tells(&format!("{GANG}{KEPT}"), 40);
            sim.tells(&format!("{BIG}{KEPT}"), 40);
            sim.breaks_at(30, &AETHIR, Kind::Blackout, 160);
            sim.breaks_at(31, &IONET, Kind::Node("silent"), 60);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a creation without an answer is found by its tag",
        lasts: 50,
        deaths: WHOLE,
        tell: |sim| {
            sim.told.push((Told::Start, Fare::AnswerLost));
            sim.tells(&format!("{ONE}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a creation without an answer was never made",
        lasts: 200,
        deaths: WHOLE,
        tell: |sim| {
            sim.told.push((Told::Start, Fare::Lost));
            sim.tells(&format!("{ONE}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "more time is bought",
        lasts: 3_800,
        deaths: (2_095, 2_120),
        tell: |sim| sim.tells(ONE, 3_700),
        ends: SUCCEEDED,
    },
    Story {
        name: "more time is bought and nobody says so",
        lasts: 2_400,
        deaths: (2_090, 2_150),
        tell: |sim| {
            sim.told.push((Told::Extend, Fare::AnswerLost));
            sim.tells(ONE, 2_300);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a creation comes when it counts as never made, and is swept up",
        lasts: 400,
        deaths: (0, 300),
        tell: |sim| {
            sim.told.push((Told::Start, Fare::VeryLate));
            sim.tells(&format!("{ONE}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a job is cancelled while it is placed",
        lasts: 30,
        deaths: WHOLE,
        tell: |sim| {
            let wish = Wish::new("job", 60, &format!("{ONE}{KEPT}"));
            let cancel = sim.start.after(Duration::from_millis(5_050));
            sim.customer_comes(second(5), wish, Some(cancel), false);
        },
        ends: CANCELLED,
    },
    Story {
        name: "a result comes while the job is being left",
        lasts: 120,
        deaths: WHOLE,
        tell: |sim| {
            sim.tells(&format!("{ONE}{KEPT}"), 20);
            sim.breaks_at(20, &IONET, Kind::Node("silent"), 31);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a service is replaced before its old node is surely gone",
        lasts: 130,
        deaths: WHOLE,
        tell: |sim| {
            let wish = Wish::new("service", 0, &format!("{ONE}port: 8080\n"));
            let cancel = sim.start.after(second(110));
            sim.customer_comes(second(5), wish, Some(cancel), false);
            sim.breaks_at(25, &IONET, Kind::Node("silent"), 200);
        },
        ends: CANCELLED,
    },
    Story {
        name: "an exclusive job loses its node",
        lasts: 90,
        deaths: WHOLE,
        tell: |sim| {
            sim.tells(&format!("{ONE}{KEPT}exclusive: true\n"), 30);
            sim.breaks_at(20, &IONET, Kind::Node("crash"), 0);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a lying GPU is left at its probe and the job goes on elsewhere",
        lasts: 100,
        deaths: WHOLE,
        tell: |sim| {
            sim.machines_are(&[Nature::Liar]);
            sim.tells(&format!("{ONE}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "one card stands for two nodes of a gang, and all of it is moved",
        lasts: 120,
        deaths: WHOLE,
        tell: |sim| {
            sim.machines_are(&[Nature::Honest, Nature::Copy]);
            sim.tells(&format!("{GANG}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a second job is shown the card of the first, which keeps it",
        lasts: 240,
        deaths: (44, 60),
        tell: |sim| {
            sim.machines_are(&[Nature::Honest, Nature::Copy]);
            let text = format!("{ONE}{KEPT}");
            sim.tells(&text, 150);
            sim.customer_comes(second(40), Wish::new("job", 15, &text), None, false);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a patched agent works without its probe and earns nothing",
        lasts: 120,
        deaths: WHOLE,
        tell: |sim| {
            sim.machines_are(&[Nature::Hides, Nature::Deaf]);
            sim.tells(&format!("{ONE}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "the time of a probe is claimed as work",
        lasts: 60,
        deaths: WHOLE,
        tell: |sim| {
            sim.machines_are(&[Nature::Backdates]);
            sim.tells(&format!("{ONE}{KEPT}"), 15);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "a card is swapped while the work runs, which goes on elsewhere",
        lasts: 160,
        deaths: (0, 100),
        tell: |sim| {
            sim.conducts_are(&[Conduct::Swapped]);
            sim.tells_of_moments(150);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "three moments in a row are ignored, and the work goes on elsewhere",
        lasts: 500,
        deaths: (180, 320),
        tell: |sim| {
            sim.conducts_are(&[Conduct::Ignores]);
            sim.tells_of_moments(460);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "an answer that comes after its moment is refused, and takes no lease",
        lasts: 260,
        deaths: (60, 160),
        tell: |sim| {
            sim.conducts_are(&[Conduct::Late]);
            sim.tells_of_moments(240);
        },
        ends: SUCCEEDED,
    },
    Story {
        name: "what is withheld after the picks three times is left",
        lasts: 300,
        deaths: (0, 200),
        tell: |sim| {
            sim.conducts_are(&[Conduct::Withholds]);
            sim.tells_of_moments(280);
        },
        ends: SUCCEEDED,
    },
];

/// What became of a story and all deaths in it.
#[derive(Debug, Default)]
pub struct Telling {
    /// Points at which the broker died.
    pub points: u64,
    /// Runs with a second death while it recovered.
    pub twice: u64,
    /// The first run that did not hold: the points, what, and the last happenings.
    pub broken: Option<(Vec<u64>, String, Vec<String>)>,
}

impl Story {
    /// Tells it once, with deaths at these points; also gives the points in the time of deaths.
    pub fn tell(&self, deaths: &[u64], sink: Option<crate::Sink>) -> (Ran, Vec<u64>) {
        let plan = Plan::told(second(self.lasts));
        let seed = self.name.len() as u64;
        let points = Points::new(Deaths::At(deaths.iter().copied().collect::<BTreeSet<_>>()));
        let mut trail = Vec::new();
        let mut ends = None;
        let ran = finish(
            seed,
            Sim::new(seed, plan, points, sink),
            |sim| (self.tell)(sim),
            |sim| {
                let (from, to) = self.deaths;
                let seconds = |at: tandem_model::time::WorldTime| at.since(sim.start).as_secs();
                let within = sim.points.trail.iter().enumerate();
                trail = within
                    .filter(|(_, (at, _))| (from..to).contains(&seconds(*at)))
                    .map(|(n, _)| n as u64 + 1)
                    .collect();
                let other = sim.witness.jobs.iter();
                ends = other
                    .map(|(id, seen)| (id, seen.state))
                    .find(|(_, state)| !self.ends.contains(state))
                    .map(|(id, state)| format!("{id} is {state:?} at the end of the story"));
                let mut attempts = sim.witness.jobs.values().flat_map(|seen| &seen.attempts);
                if sim.probes.is_told_bad && !attempts.any(|attempt| attempt.failed_probe) {
                    ends.get_or_insert_with(|| "nothing was left by its probe".to_owned());
                }
                ends.clone()
            },
        );
        (ran, trail)
    }

    /// Tells it with a death at every point, and at some points with a second one soon after.
    pub fn tell_all(&self, share: (u64, u64)) -> Telling {
        let mut told = Telling::default();
        let (ran, points) = self.tell(&[], None);
        let mut judge = |deaths: Vec<u64>, ran: Ran| {
            if let (Some((why, last)), true) = (ran.broken, told.broken.is_none()) {
                told.broken = Some((deaths, why, last));
            }
        };
        judge(Vec::new(), ran);
        let (mut once, mut twice) = (0, 0);
        for point in points {
            if point % share.1 != share.0 {
                continue;
            }
            once += 1;
            judge(vec![point], self.tell(&[point], None).0);
            if point % 5 == 0 {
                twice += 1;
                let second = point + 1 + point * 7 % 23;
                judge(vec![point, second], self.tell(&[point, second], None).0);
            }
        }
        told.points = once;
        told.twice = twice;
        told
    }
}
