//! Every manifest that a real Kubernetes answered, answered by cronlet: the same object, or the
//! same refusal.

mod common;

use common::merge;
use cronlet_api::admission;
use cronlet_api::kind::Kind;
use cronlet_api::manifest::{self, Strictness};
use cronlet_api::refused::Refused;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of these kinds must all agree; the others are counted as not served.
const SERVED: &[Kind] = &[
    Kind::ConfigMap,
    Kind::CronJob,
    Kind::DaemonSet,
    Kind::Deployment,
    Kind::Job,
    Kind::PersistentVolume,
    Kind::PersistentVolumeClaim,
    Kind::Pod,
    Kind::ReplicaSet,
    Kind::Secret,
    Kind::Service,
    Kind::StatefulSet,
];

#[derive(Default)]
struct Score {
    agreed: usize,
    disagreed: Vec<String>,
}

/// What cronlet answers to the object posted to the path of `kind`, in the form of a row.
fn answer(kind: Kind, input: &Value) -> Value {
    let body = input.to_string();
    let admitted = manifest::decode_json(kind, body.as_bytes(), Strictness::Strict)
        .map_err(Refused::from)
        .and_then(|(object, _)| admission::preview(object, "default"));
    match admitted {
        Ok(admitted) => json!({
            "code": 201,
            "output": admitted.shown(),
        }),
        Err(refused) => refusal(&refused),
    }
}

fn refusal(refused: &Refused) -> Value {
    let status = refused.status();
    let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
    let mut causes: Vec<(String, String)> = causes
        .into_iter()
        .map(|cause| (cause.field.unwrap_or_default(), cause.reason.unwrap_or_default()))
        .collect();
    causes.sort();
    let causes: Vec<Value> = causes
        .into_iter()
        .map(|(field, reason)| json!({"field": field, "reason": reason}))
        .collect();
    json!({"code": status.code, "error": {"causes": causes, "reason": status.reason}})
}

#[test]
fn the_oracle_agrees() {
    for name in ["admission.jsonl", "admission2.jsonl"] {
        agrees(name);
    }
}

/// Every row of a recording about a kind that is served.
fn agrees(name: &str) {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut not_served: BTreeMap<String, usize> = BTreeMap::new();
    for row in common::recording::<Value>(name) {
        let id = row["id"].as_str().expect("a row has an id");
        // A row's path is that of the kind in its id, whatever its body says.
        let name = id.split('-').next().unwrap_or_default().to_owned();
        let served = SERVED.iter().find(|kind| kind.info().kind == name);
        let Some(kind) = served else {
            *not_served.entry(name).or_default() += 1;
            continue;
        };
        let mut want = json!({"code": row["code"]});
        for part in ["output", "error"] {
            if let Some(value) = row.get(part) {
                want[part] = value.clone();
            }
        }
        // Nobody but the engine knows the time.
        if let Some(Value::Object(status)) = want.pointer_mut("/output/status") {
            status.remove("lastPhaseTransitionTime");
        }
        // The second recording shows the beginning of a generated name as well.
        if let Some(Value::String(name)) = want.pointer_mut("/output/metadata/name")
            && name.ends_with("<generated>")
        {
            "<generated>".clone_into(name);
        }
        let found = answer(*kind, &row["input"]);
        let score = scores.entry(name).or_default();
        if found == want {
            score.agreed += 1;
        } else {
            score
                .disagreed
                .push(format!("{id}\n  input {}\n  want  {want}\n  found {found}", row["input"]));
        }
    }
    report(&scores, &not_served);
}

/// A Service as created: what settles its addresses and families, and what is refused.
#[test]
fn services_and_their_addresses() {
    let check = |spec: Value, want: Result<Value, &[&str]>| {
        let object = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "s"}, "spec": spec});
        let found = answer(Kind::Service, &object);
        match want {
            Ok(part) => {
                let output = &found["output"]["spec"];
                for (field, value) in part.as_object().expect("fields") {
                    assert_eq!(&output[field], value, "{field} of {spec}: {found}");
                }
            }
            Err(causes) => assert_eq!(causes_of(&found), causes, "{spec}"),
        }
    };
    let port = json!([{"port": 80}]);
    let allocated = "<allocated>";
    check(
        json!({"clusterIP": "None", "ports": port, "selector": {"a": "b"}}),
        Ok(json!({"clusterIPs": ["None"], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack"})),
    );
    check(
        json!({"clusterIP": "None"}),
        Ok(json!({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"})),
    );
    check(
        json!({"type": "ExternalName", "externalName": "a.example.com."}),
        Ok(json!({"clusterIP": null, "ipFamilies": null, "internalTrafficPolicy": null})),
    );
    check(
        json!({"type": "LoadBalancer", "ports": port, "externalTrafficPolicy": "Local"}),
        Ok(json!({"allocateLoadBalancerNodePorts": true, "healthCheckNodePort": allocated,
            "clusterIP": allocated})),
    );
    check(json!({}), Err(&["spec.ports FieldValueRequired"]));
    check(json!({"type": "X", "ports": port}), Err(&["spec.type FieldValueNotSupported"]));
    check(
        json!({"type": "ExternalName", "clusterIP": "10.0.0.1"}),
        Err(&["spec.clusterIPs FieldValueForbidden", "spec.externalName FieldValueRequired"]),
    );
    // Addresses come first: nothing else is told of beside them.
    check(json!({"clusterIP": "x"}), Err(&["spec.clusterIPs[0] FieldValueInvalid"]));
    check(
        json!({"type": "NodePort", "ports": [{"port": 0, "nodePort": 80}]}),
        Err(&["spec.ports[0].nodePort FieldValueInvalid"]),
    );
    check(
        json!({"ports": port, "ipFamilyPolicy": "RequireDualStack"}),
        Err(&["spec.ipFamilyPolicy FieldValueInvalid"]),
    );
    check(
        json!({"type": "NodePort", "clusterIP": "None", "ports": port}),
        Err(&["spec.clusterIPs[0] FieldValueInvalid"]),
    );
    check(
        json!({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 80}]}),
        Err(&["spec.ports[1] FieldValueDuplicate", "spec.ports[1].name FieldValueDuplicate"]),
    );
    check(
        json!({"ports": port, "externalTrafficPolicy": "Local", "loadBalancerClass": "x"}),
        Err(&[
            "spec.externalTrafficPolicy FieldValueInvalid",
            "spec.loadBalancerClass FieldValueForbidden",
        ]),
    );
}

/// Where a Service lets others in from, and the annotations that it is asked by.
#[test]
fn services_and_who_reaches_them() {
    let check = |annotations: Value, change: Value, want: &[&str]| {
        let mut spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
        merge(&mut spec, &change);
        let object = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "s", "annotations": annotations}, "spec": spec});
        assert_eq!(causes_of(&answer(Kind::Service, &object)), want, "{annotations} {change}");
    };
    let ranges = |ranges: Value| json!({"loadBalancerSourceRanges": ranges});
    let at = "spec.LoadBalancerSourceRanges";
    check(json!({}), ranges(json!([" 10.0.0.0/8 ", "::/0"])), &[]);
    check(
        json!({}),
        ranges(json!(["10.0.0.0/8", "10.0.0.1/8", "010.0.0.0/8", "x"])),
        &[
            &format!("{at}[1] FieldValueInvalid"),
            &format!("{at}[2] FieldValueInvalid"),
            &format!("{at}[3] FieldValueInvalid"),
        ],
    );
    let mut inside = ranges(json!(["x"]));
    inside["type"] = "ClusterIP".into();
    check(
        json!({}),
        inside,
        &[&format!("{at} FieldValueForbidden"), &format!("{at}[0] FieldValueInvalid")],
    );
    let key = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let at = format!("metadata.annotations[{key}]");
    check(json!({key: "10.0.0.0/8, 192.168.0.0/16"}), json!({}), &[]);
    let each = format!("{at} FieldValueInvalid");
    check(json!({key: "a, b"}), json!({}), &[&each, &each]);
    check(json!({key: " "}), json!({"type": "NodePort"}), &[&format!("{at} FieldValueForbidden")]);
    check(json!({key: "a"}), ranges(json!(["10.0.0.0/8"])), &[]);
    let (mode, hints) =
        ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints");
    check(json!({mode: "Auto", hints: "Auto"}), json!({}), &[]);
    check(
        json!({mode: "Auto", hints: "Disabled"}),
        json!({}),
        &[&format!("metadata.annotations[{mode}] FieldValueInvalid")],
    );
    for (address, is_good) in [
        ("10.0.0.1", true),
        ("225.0.0.1", true),
        ("224.0.0.1", false),
        ("ff02::1", false),
        ("fe80::1", false),
        ("127.0.0.1", false),
        ("10.0.0.01", false),
    ] {
        let bad = ["spec.externalIPs[0] FieldValueInvalid"];
        let want = if is_good { &[][..] } else { &bad };
        check(json!({}), json!({"externalIPs": [address]}), want);
    }
}

/// A StatefulSet's template is one that its pods could have, with their names and claims.
#[test]
fn stateful_sets_and_their_pods() {
    let labels = json!({"app": "a"});
    let check = |change: Value, want: &[&str]| {
        let container = json!({"name": "m", "image": "i",
            "volumeMounts": [{"name": "data", "mountPath": "/d"}]});
        let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}});
        let mut set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "w"}, "spec": {"selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [claim]}});
        merge(&mut set["spec"], &change);
        assert_eq!(causes_of(&answer(Kind::StatefulSet, &set)), want, "{change}");
    };
    check(json!({}), &[]);
    check(json!({"revisionHistoryLimit": -1, "ordinals": {}}), &[]);
    check(json!({"serviceName": "a.b"}), &["spec.serviceName FieldValueInvalid"]);
    check(json!({"serviceName": ""}), &[]);
    let pod = |spec: Value| json!({"template": {"spec": spec}});
    // The pods' own names come in their place.
    check(pod(json!({"hostname": "a.b", "subdomain": "A"})), &[]);
    // The claim of the same name takes the volume's place.
    check(pod(json!({"volumes": [{"name": "data", "emptyDir": {"sizeLimit": "-1"}}]})), &[]);
    check(pod(json!({"containers": []})), &["spec.template.spec.containers FieldValueRequired"]);
    check(
        json!({"template": {"metadata": {"labels": {"a b": "c"}, "annotations": {"a b": "c"}}}}),
        &[
            "spec.template.annotations FieldValueInvalid",
            "spec.template.annotations FieldValueInvalid",
            "spec.template.labels FieldValueInvalid",
            "spec.template.labels FieldValueInvalid",
        ],
    );
    check(
        json!({"volumeClaimTemplates": null}),
        &["spec.template.spec.containers[0].volumeMounts[0].name FieldValueNotFound"],
    );
    let at = "spec.volumeClaimTemplates[0].spec";
    check(
        json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}),
        &[
            &format!("{at}.accessModes FieldValueRequired"),
            &format!("{at}.resources[storage] FieldValueRequired"),
        ],
    );
}

/// What a claim is filled from, under its old name and its new one.
#[test]
fn claims_and_their_sources() {
    let check = |change: Value, want: Result<[Value; 2], &[&str]>| {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}});
        merge(&mut spec, &change);
        let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "c"}, "spec": spec});
        let found = answer(Kind::PersistentVolumeClaim, &object);
        match want {
            Ok(want) => {
                let made = &found["output"]["spec"];
                assert_eq!(
                    [&made["dataSource"], &made["dataSourceRef"]],
                    [&want[0], &want[1]],
                    "{change}: {found}"
                );
            }
            Err(causes) => assert_eq!(causes_of(&found), causes, "{change}"),
        }
    };
    let of = |kind: &str, group: Value| json!({"kind": kind, "name": "n", "apiGroup": group});
    let null = Value::Null;
    let claim = json!({"kind": "PersistentVolumeClaim", "name": "n"});
    check(json!({"dataSource": claim}), Ok([claim.clone(), claim.clone()]));
    check(json!({"dataSourceRef": claim}), Ok([claim.clone(), claim.clone()]));
    let other = of("X", json!("x.io"));
    check(json!({"dataSource": other}), Ok([null.clone(), null.clone()]));
    check(json!({"dataSource": {"kind": "X", "name": ""}}), Ok([null.clone(), null.clone()]));
    check(json!({"dataSourceRef": other}), Ok([other.clone(), other.clone()]));
    let mut far = claim.clone();
    far["namespace"] = "other".into();
    check(json!({"dataSourceRef": far}), Ok([null.clone(), null]));
    check(json!({"dataSource": claim, "dataSourceRef": other}), Err(&["spec FieldValueInvalid"]));
}

/// Features that Kubernetes 1.36 has switched off leave nothing behind, and refuse nothing.
#[test]
fn fields_of_features_switched_off() {
    let check = |kind: Kind, mut object: Value, at: &str, want: Value| {
        let info = kind.info();
        object["apiVersion"] =
            if info.group.is_empty() { "v1".into() } else { format!("{}/v1", info.group).into() };
        object["kind"] = info.kind.into();
        let found = answer(kind, &object);
        assert_eq!(found["code"], 201, "{object}: {found}");
        let shown = found["output"].pointer(at).unwrap_or(&Value::Null);
        assert_eq!(*shown, want, "{at} of {object}");
    };
    let pod = |change: Value| {
        let mut spec = json!({"containers": [{"name": "m", "image": "i"}]});
        merge(&mut spec, &change);
        json!({"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": spec})
    };
    let with = |lifecycle: Value| {
        pod(json!({"containers": [{"name": "m", "image": "i", "lifecycle": lifecycle}]}))
    };
    let at = "/spec/containers/0/lifecycle";
    check(Kind::Pod, with(json!({"stopSignal": "SIGUSR1"})), at, json!(null));
    check(Kind::Pod, with(json!({})), at, json!(null));
    let hook = json!({"preStop": {"exec": {"command": ["x"]}}});
    let mut both = hook.clone();
    both["stopSignal"] = "NONE".into();
    check(Kind::Pod, with(both), at, hook);
    check(
        Kind::Pod,
        pod(json!({"schedulingGroup": {"podGroupName": "g"}})),
        "/spec/schedulingGroup",
        json!(null),
    );
    let bundle = json!({"clusterTrustBundle": {"path": "p"}});
    let volumes = json!([{"name": "v", "projected": {"sources": [bundle]}}]);
    check(
        Kind::Pod,
        pod(json!({"volumes": volumes})),
        "/spec/volumes/0/projected/sources",
        json!([{}]),
    );
}

/// The older form of an Event, and the newer one that says who tells of it (`legacyValidateEvent`).
#[test]
fn events_of_both_forms() {
    let check = |name: &str, change: Value, want: &[&str]| {
        let mut event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}});
        merge(&mut event, &change);
        assert_eq!(causes_of(&answer(Kind::Event, &event)), want, "{name} {change}");
    };
    for name in ["a", "Upper_Case", "..."] {
        check(name, json!({}), &[]);
    }
    check("a%b", json!({}), &["metadata.name FieldValueInvalid"]);
    check("..", json!({}), &["metadata.name FieldValueInvalid"]);
    check("a", json!({"involvedObject": {"namespace": ""}}), &[]);
    let elsewhere = json!({"involvedObject": {"namespace": "b"}});
    check("a", elsewhere, &["involvedObject.namespace FieldValueInvalid"]);
    let newer = |change: Value, want: &[&str]| {
        let mut event = json!({"eventTime": "2026-01-01T00:00:00.000000Z", "action": "Pull",
            "reason": "Pulled", "reportingComponent": "x.y/z", "reportingInstance": "i"});
        merge(&mut event, &change);
        check("a", event, want);
    };
    newer(json!({}), &[]);
    newer(json!({"involvedObject": {"namespace": "b"}}), &[]);
    newer(
        json!({"reportingComponent": "a b", "reportingInstance": "", "action": "x".repeat(129)}),
        &[
            "action FieldValueInvalid",
            "reportingController FieldValueInvalid",
            "reportingInstance FieldValueRequired",
        ],
    );
    let long = json!({"reason": null, "message": "x".repeat(1025)});
    newer(long, &["message FieldValueInvalid", "reason FieldValueRequired"]);
}

/// Annotations that are read as numbers (`Convert_v1_DaemonSet_To_apps_DaemonSet`,
/// `Convert_v1_Deployment_To_apps_Deployment`).
#[test]
fn annotations_that_are_numbers() {
    let check = |kind: Kind, name: &str, text: &str, want: i64| {
        let template = json!({"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "m", "image": "i"}]}});
        let object = json!({"apiVersion": "apps/v1", "kind": format!("{kind:?}"),
            "metadata": {"name": "d", "annotations": {name: text}},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
        let found = answer(kind, &object);
        assert_eq!(found["code"], want, "{name} {text:?}: {found}");
    };
    let generation = "deprecated.daemonset.template.generation";
    for (text, want) in [("7", 201), ("-1", 201), ("", 400), ("abc", 400), ("1.5", 400)] {
        check(Kind::DaemonSet, generation, text, want);
    }
    check(Kind::Deployment, generation, "abc", 201);
    let rollback = "deprecated.deployment.rollback.to";
    for (text, want) in [("7", 201), ("", 201), ("abc", 400)] {
        check(Kind::Deployment, rollback, text, want);
    }
}

/// What an update with a merge patch of `old` is refused for.
#[track_caller]
fn check_update(kind: Kind, old: Value, change: Value, want: &[&str]) {
    let read = |value: &Value| kind.deserialize(value.clone()).expect("an object");
    let old = admission::create(read(&old), "default", &IDENTITY).expect("good").object;
    let mut new = serde_json::to_value(&old).expect("JSON");
    merge(&mut new, &change);
    let found = match admission::update(&old, read(&new)) {
        Ok(_) => Vec::new(),
        Err(refused) => causes_of(&refusal(&refused)),
    };
    assert_eq!(found, want, "{kind:?} {change}");
}

/// What may not change once an object is made, as the API server refuses it.
#[test]
fn what_an_update_of_pod_makers_may_not_touch() {
    let labels = json!({"app": "a"});
    let pod = json!({"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "m", "image": "i", "command": ["x"]}]}});
    let set = json!({"metadata": {"name": "w"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod}});
    let other = json!({"spec": {"selector": {"matchLabels": {"app": "b"}}}});
    let moved = json!({"spec": {"selector": {"matchLabels": {"app": "b"}},
        "template": {"metadata": {"labels": {"app": "b"}}}}});
    for kind in [Kind::Deployment, Kind::ReplicaSet, Kind::DaemonSet] {
        check_update(kind, set.clone(), json!({"spec": {"minReadySeconds": 3}}), &[]);
        check_update(kind, set.clone(), moved.clone(), &["spec.selector FieldValueInvalid"]);
        let both =
            ["spec.selector FieldValueInvalid", "spec.template.metadata.labels FieldValueInvalid"];
        check_update(kind, set.clone(), other.clone(), &both);
    }
    let stateful =
        |change: Value, want: &[&str]| check_update(Kind::StatefulSet, set.clone(), change, want);
    for allowed in [
        json!({"replicas": 3}),
        json!({"ordinals": {"start": 2}}),
        json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}}),
        json!({"revisionHistoryLimit": 1}),
        json!({"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}),
        json!({"minReadySeconds": 5}),
    ] {
        stateful(json!({"spec": allowed}), &[]);
    }
    stateful(json!({"spec": {"serviceName": "x"}}), &["spec FieldValueForbidden"]);
    stateful(json!({"spec": {"podManagementPolicy": "Parallel"}}), &["spec FieldValueForbidden"]);
}

#[test]
fn what_an_update_of_others_may_not_touch() {
    let claim = json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    let claimed = |change: Value, want: &[&str]| {
        check_update(Kind::PersistentVolumeClaim, claim.clone(), change, want);
    };
    claimed(json!({"metadata": {"labels": {"a": "b"}}}), &[]);
    claimed(json!({"spec": {"accessModes": ["ReadWriteMany"]}}), &["spec FieldValueForbidden"]);
    claimed(
        json!({"spec": {"volumeMode": "Block"}}),
        &["spec FieldValueForbidden", "volumeMode FieldValueInvalid"],
    );
    let volume = json!({"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/srv"}}});
    let offered = |change: Value, want: &[&str]| {
        check_update(Kind::PersistentVolume, volume.clone(), change, want);
    };
    offered(json!({"spec": {"claimRef": {"name": "c", "namespace": "default"}}}), &[]);
    offered(json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}), &[]);
    let moved = json!({"spec": {"hostPath": {"path": "/other"}}});
    offered(moved, &["spec.persistentvolumesource FieldValueForbidden"]);
    offered(json!({"spec": {"volumeMode": "Block"}}), &["volumeMode FieldValueInvalid"]);
    let noted = |change: Value, want: &[&str]| {
        let pod = json!({"metadata": {"name": "p", "annotations": {"a": "b"}},
            "spec": {"containers": [{"name": "m", "image": "i", "command": ["x"]}]}});
        check_update(Kind::Pod, pod, json!({"metadata": {"annotations": change}}), want);
    };
    noted(json!({"a": "c"}), &[]);
    let profile = "container.apparmor.security.beta.kubernetes.io/m";
    let profile_at = format!("metadata.annotations[{profile}] FieldValueForbidden");
    noted(json!({profile: "unconfined"}), &[&profile_at]);
    let node = json!({"metadata": {"name": "n"}, "spec": {"providerID": "a"}});
    let placed = |change: Value, want: &[&str]| {
        check_update(Kind::Node, node.clone(), json!({"spec": change}), want);
    };
    placed(json!({"unschedulable": true, "taints": [{"key": "a", "effect": "NoExecute"}]}), &[]);
    placed(json!({"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}), &[]);
    placed(json!({"providerID": "b"}), &["spec.providerID FieldValueForbidden"]);
    placed(json!({"externalID": "b"}), &["spec FieldValueForbidden"]);
    let taint = json!([{"key": "a", "value": "-", "effect": "Never"}]);
    placed(
        json!({"taints": taint}),
        &[
            "metadata.taints[0].effect FieldValueNotSupported",
            "metadata.taints[0].value FieldValueInvalid",
        ],
    );
    let service = json!({"metadata": {"name": "s"},
        "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}});
    let served = |change: Value, want: &[&str]| {
        check_update(Kind::Service, service.clone(), change, want);
    };
    served(json!({"spec": {"selector": {"a": "b"}}}), &[]);
    served(json!({"spec": {"clusterIP": null, "clusterIPs": null}}), &[]);
    let address = "10.0.0.2";
    served(
        json!({"spec": {"clusterIP": address, "clusterIPs": [address]}}),
        &["spec.clusterIPs[0] FieldValueInvalid"],
    );
}

/// What a Service's type before had goes with it, unless the change asks for it
/// (`dropTypeDependentFields`).
#[test]
fn a_service_changes_its_type() {
    let served = |of: &Value, change: Value, want: &[&str]| {
        let mut spec = json!({"ports": [{"port": 80}], "selector": {"a": "b"}});
        merge(&mut spec, of);
        let service = json!({"metadata": {"name": "s"}, "spec": spec});
        check_update(Kind::Service, service, json!({"spec": change}), want);
    };
    let plain = json!({"clusterIP": "10.0.0.1"});
    let named = json!({"type": "ExternalName", "externalName": "a.b"});
    served(&plain, named, &[]);
    let other = json!({"type": "ExternalName", "externalName": "a.b", "ipFamilies": ["IPv6"]});
    served(&plain, other, &["spec.ipFamilies FieldValueForbidden"]);
    let on_node = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]});
    served(&on_node, json!({"type": "ClusterIP"}), &[]);
    let new_port =
        json!({"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30002}]});
    served(&on_node, new_port, &["spec.ports[0].nodePort FieldValueForbidden"]);
    let local = json!({"type": "ClusterIP", "externalTrafficPolicy": "Local"});
    served(&on_node, local, &["spec.externalTrafficPolicy FieldValueInvalid"]);
    let balanced = json!({"type": "LoadBalancer", "loadBalancerClass": "a.b/c",
        "externalTrafficPolicy": "Local", "healthCheckNodePort": 30003});
    served(&balanced, json!({"type": "ClusterIP"}), &[]);
    served(&balanced, json!({"externalTrafficPolicy": "Cluster"}), &[]);
    served(&balanced, json!({"healthCheckNodePort": null}), &[]);
    let class = json!({"type": "ClusterIP", "loadBalancerClass": "d.e/f"});
    let at = "spec.loadBalancerClass FieldValueForbidden";
    served(&balanced, class, &[at, at]);
    // The address alone was changed: the list follows it.
    let moved = &["spec.clusterIPs[0] FieldValueInvalid"];
    served(&plain, json!({"clusterIP": "10.0.0.2"}), moved);
    served(&json!({"clusterIP": "None"}), json!({"clusterIP": "10.0.0.2"}), moved);
    let outside = json!({"type": "ExternalName", "externalName": "a.b"});
    served(&outside, json!({"type": "ClusterIP"}), &[]);
}

/// Rules of metadata and of the spec are told of together, those of addresses alone.
#[test]
fn a_service_is_refused_for_all_at_once() {
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let labels = json!({"labels": {"bad key": "v"}});
    let change = json!({"metadata": labels, "spec": {"ports": []}});
    let both = ["metadata.labels FieldValueInvalid", "spec.ports FieldValueRequired"];
    check_update(Kind::Service, service.clone(), change, &both);
    let change = json!({"metadata": labels, "spec": {"ipFamilies": ["IPv6"]}});
    check_update(Kind::Service, service, change, &["spec.ipFamilies[0] FieldValueInvalid"]);
}

const IDENTITY: admission::Identity<'_> = admission::Identity { uid: "u-1", suffix: "xxxxx" };

fn causes_of(answer: &Value) -> Vec<String> {
    let causes = answer["error"]["causes"].as_array().cloned().unwrap_or_default();
    let text = |cause: &Value, part: &str| cause[part].as_str().unwrap_or_default().to_owned();
    causes
        .iter()
        .map(|cause| format!("{} {}", text(cause, "field"), text(cause, "reason")))
        .collect()
}

fn report(scores: &BTreeMap<String, Score>, not_served: &BTreeMap<String, usize>) {
    for (kind, score) in scores {
        let total = score.agreed + score.disagreed.len();
        println!("{kind:12} {:4} of {total:4} rows agree", score.agreed);
    }
    for (kind, rows) in not_served {
        println!("{kind:12} {rows:4} rows, not served");
    }
    let disagreed: Vec<&str> =
        scores.values().flat_map(|score| &score.disagreed).map(String::as_str).collect();
    assert!(disagreed.is_empty(), "{} rows disagree:\n{}", disagreed.len(), disagreed.join("\n"));
    assert!(!scores.is_empty(), "no row was compared");
}
