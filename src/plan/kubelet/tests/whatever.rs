//! Whatever happens in whatever order, some things always hold.

use super::{World, staged};
use crate::order::ContainerState;
use proptest::prelude::*;
use serde_json::json;

/// What may happen to a container, or to the pod.
fn step() -> impl Strategy<Value = (u8, usize, u16)> {
    (0u8..12, 0usize..5, 0u16..400)
}

const NAMES: [&str; 5] = ["first", "side", "late", "main", "more"];

fn spec(policy: &str, deadline: bool) -> serde_json::Value {
    let mut spec = staged(policy);
    let container = |name: &str, more: serde_json::Value| {
        let mut container = json!({"name": name, "image": "x", "command": ["run"]});
        more.as_object().into_iter().flatten().for_each(|(k, v)| container[k] = v.clone());
        container
    };
    let late = container("late", json!({"restartPolicy": "Always"}));
    spec["initContainers"].as_array_mut().expect("a list").push(late);
    let more = container("more", json!({"restartPolicy": "OnFailure"}));
    spec["containers"].as_array_mut().expect("a list").push(more);
    if deadline {
        spec["activeDeadlineSeconds"] = json!(900);
    }
    spec
}

/// The words of a step, where it makes sense.
fn words(world: &World, kind: u8, name: &str) -> Option<Vec<String>> {
    let state = world.observed.containers.get(name).map(|seen| &seen.state);
    let running = matches!(state, Some(ContainerState::Running { .. }));
    let starting = matches!(state, Some(ContainerState::Starting));
    let active = starting || running;
    let line = match kind {
        0 => format!("started {name}"),
        1 => format!("hooked {name}"),
        2 => format!("hook-done {name}"),
        3 => format!("hook-failed {name}"),
        4 | 5 => format!("exit {name} 0"),
        6 | 7 => format!("exit {name} 1"),
        8 => format!("failed {name} RunContainerError"),
        9 => "lost".to_owned(),
        10 => "look".to_owned(),
        _ => "delete 30".to_owned(),
    };
    let makes_sense = match kind {
        0 | 1 | 8 => starting,
        2 | 3 => running,
        4..=7 => active,
        _ => true,
    };
    makes_sense.then(|| line.split_whitespace().map(str::to_owned).collect())
}

/// What must hold after every step, by what was decided in it.
fn holds(world: &World, before: Option<String>, said: &[String]) {
    let phase = world.phase();
    let over = |phase: &Option<String>| matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
    let starts: Vec<&String> = said.iter().filter(|line| line.starts_with("start ")).collect();
    if over(&before) {
        assert_eq!(before, phase, "an end is an end");
        let orders = said.iter().filter(|line| !line.starts_with("clean") && *line != "remove");
        assert_eq!(orders.count(), 0, "an ended pod asks nothing more: {said:?}");
    }
    let seen = &world.observed.containers;
    let active = |name: &str| {
        use ContainerState::{Running, Starting};
        seen.get(name).is_some_and(|seen| matches!(seen.state, Starting | Running { .. }))
    };
    if over(&phase) {
        assert!(!NAMES.into_iter().any(active), "an ended pod runs nothing");
        assert!(starts.is_empty(), "{said:?}");
    }
    // A sidecar whose hook failed is stopped so that it starts again, whoever else runs.
    let hook_failed = seen.get("side").is_some_and(|side| {
        use crate::order::HookState::Failed;
        matches!(side.state, ContainerState::Running { post_start: Failed(_), .. })
    });
    let stops_side = !hook_failed && said.iter().any(|line| line.starts_with("stop side"));
    for main in ["main", "more"] {
        let begun = starts.iter().any(|line| line.starts_with(&format!("start {main}#0")));
        assert!(!begun || !active("first"), "a main waits for init containers: {said:?}");
        assert!(!(stops_side && active(main)), "sidecars outlive mains: {said:?}");
    }
    assert!(!(stops_side && active("late")), "sidecars stop from the last: {said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn invariants(
        policy in "Always|OnFailure|Never", deadline: bool,
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(spec(&policy, deadline));
        world.step("0 bind");
        let mut seconds = 0u64;
        for (kind, name, pause) in steps {
            // Deletion is rare, so that lives are long.
            let kind = if kind == 11 && pause % 8 > 0 { 10 } else { kind };
            let Some(words) = words(&world, kind, NAMES[name]) else { continue };
            seconds += u64::from(pause);
            let (before, said) = (world.phase(), world.answer.len());
            world.step(&format!("{seconds} {}", words.join(" ")));
            holds(&world, before, &world.answer[said..]);
        }
    }
}
