//! Nodes: one that takes no new pods has a taint that says so.

use crate::world::World;
use cronlet_api::kind::{Key, Object};
use serde_json::{Value, json};

/// The keys of the taints of the node.
fn taints(world: &World, key: &Key) -> Vec<String> {
    let Object::Node(node) = &world.objects[key] else { panic!("a node") };
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    taints.map(|taint| format!("{}:{}", taint.key, taint.effect)).collect()
}

#[test]
fn a_cordoned_node_is_tainted() {
    let mut world = World::new(1);
    let node = world.add(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"},
        "spec": {"taints": [{"key": "own", "effect": "NoExecute"}]},
    }));
    let key = node.key();
    let mut set = |closed: Value| {
        world.edit(&key, |node| node["spec"]["unschedulable"] = closed);
        world.settle();
        taints(&world, &key)
    };
    let closed = ["own:NoExecute", "node.kubernetes.io/unschedulable:NoSchedule"];
    assert_eq!(set(json!(false)), closed[..1]);
    assert_eq!(set(json!(true)), closed);
    assert_eq!(set(json!(true)), closed);
    assert_eq!(set(Value::Null), closed[..1]);
}
