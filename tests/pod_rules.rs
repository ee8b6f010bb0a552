//! The rules of pods as tables, by subject: a change to a plain pod, and the causes that it brings.
//! What the recordings hold is tested by `pod_admission`; here are the rules that they lack.

use cronlet_api::check::{Causes, Path};
use cronlet_api::pod::{check, defaults};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use serde_json::{Value, json};

/// The causes of a defaulted pod of one container, its spec changed, as `field Reason`.
#[track_caller]
fn spec(change: Value, want: &[&str]) {
    let mut spec = json!({"containers": [{"name": "a", "image": "b:1"}]});
    merge(&mut spec, &change);
    let json = json!({"metadata": {"name": "p"}, "spec": spec});
    let mut pod: Pod = serde_json::from_value(json).expect("a Pod");
    defaults::pod(&mut pod);
    assert_eq!(causes(&check::pod(&pod)), want, "{change}");
}

/// As [`spec`] with the container changed, beside a volume `v`; fields begin at the container.
#[track_caller]
fn container(change: Value, want: &[&str]) {
    let mut container = json!({"name": "a", "image": "b:1"});
    merge(&mut container, &change);
    let volumes = json!([{"name": "v", "emptyDir": {}}, {"name": "p", "persistentVolumeClaim":
        {"claimName": "c"}}]);
    let want: Vec<String> =
        want.iter().map(|cause| format!("spec.containers[0].{cause}")).collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    spec(json!({"containers": [container], "volumes": volumes}), &want);
}

/// As [`spec`] with one volume `v` of this source; fields begin at the volume.
#[track_caller]
fn volume(source: Value, want: &[&str]) {
    let mut volume = json!({"name": "v"});
    merge(&mut volume, &source);
    let want: Vec<String> = want.iter().map(|cause| format!("spec.volumes[0].{cause}")).collect();
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    spec(json!({"volumes": [volume]}), &want);
}

fn merge(into: &mut Value, change: &Value) {
    let change = change.as_object().expect("an object").clone();
    into.as_object_mut().expect("an object").extend(change);
}

fn causes(causes: &Causes) -> Vec<String> {
    causes.found.iter().map(|cause| format!("{} {:?}", cause.field, cause.reason)).collect()
}

#[test]
fn containers() {
    let named = |name: &str| json!({"name": name, "image": "b"});
    spec(json!({"containers": [named(&"a".repeat(64))]}), &["spec.containers[0].name Invalid"]);
    let both = ["spec.containers[0].name Invalid"; 2];
    spec(json!({"containers": [named(&"A".repeat(64))]}), &both);
    container(json!({"imagePullPolicy": "Often"}), &["imagePullPolicy NotSupported"]);
    container(json!({"terminationMessagePolicy": "X"}), &["terminationMessagePolicy NotSupported"]);
    container(json!({"image": "b "}), &["image Invalid"]);
    container(json!({"restartPolicy": "Never"}), &[]);
    container(json!({"restartPolicy": "Once"}), &["restartPolicy NotSupported"]);
    let rule = json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]);
    container(json!({"restartPolicyRules": rule}), &["restartPolicy Required"]);
    container(json!({"restartPolicy": "Never", "restartPolicyRules": rule}), &[]);
    let all = json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In"}}]);
    container(json!({"restartPolicy": "Never", "restartPolicyRules": all}), &[]);
    let odd = json!([{"action": "Stop"}]);
    let init = |policy: Value, rules: &Value| {
        json!({"initContainers": [{"name": "i", "image": "b", "restartPolicy": policy,
            "restartPolicyRules": rules}]})
    };
    let at = "spec.initContainers[0]";
    spec(init(json!("Always"), &rule), &[]);
    spec(init(json!(null), &odd), &[&format!("{at}.restartPolicy Required")]);
    spec(
        init(json!("Always"), &odd),
        &[
            &format!("{at}.restartPolicyRules[0].action NotSupported"),
            &format!("{at}.restartPolicyRules[0].exitCodes Required"),
        ],
    );
    let resized = |policy: Value| {
        json!({"initContainers": [{"name": "i", "image": "b", "restartPolicy": policy,
            "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}]})
    };
    spec(resized(json!("Always")), &[]);
    spec(resized(json!(null)), &[&format!("{at}.resizePolicy[0].restartPolicy Invalid")]);
    let sidecar = json!([{"name": "s", "image": "b", "restartPolicy": "Always",
        "livenessProbe": {"exec": {"command": ["true"]}}}]);
    spec(json!({"initContainers": sidecar}), &[]);
    let init = json!([{"name": "i", "image": "b", "lifecycle": {}}]);
    spec(json!({"initContainers": init}), &["spec.initContainers[0].lifecycle Forbidden"]);
    spec(
        json!({"ephemeralContainers": [{"name": "a", "image": "b", "ports": [{"containerPort": 1}],
            "targetContainerName": "x"}]}),
        &[
            "spec.ephemeralContainers[0].name Duplicate",
            "spec.ephemeralContainers[0].targetContainerName NotFound",
            "spec.ephemeralContainers[0].ports Forbidden",
            "spec.ephemeralContainers Forbidden",
        ],
    );
}

#[test]
fn ports() {
    let ports = |ports: Value| json!({"ports": ports});
    container(ports(json!([{"containerPort": 70000}])), &["ports[0].containerPort Invalid"]);
    container(
        ports(json!([{"containerPort": 1, "protocol": "tcp"}])),
        &["ports[0].protocol NotSupported"],
    );
    container(
        ports(json!([{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}])),
        &["ports[1].name Duplicate"],
    );
    container(
        ports(json!([{"containerPort": 1, "hostPort": 5}, {"containerPort": 2, "hostPort": 5}])),
        &["ports[1].hostPort Duplicate"],
    );
    let container = |port: Value| json!([{"name": "a", "image": "b", "ports": [port]}]);
    let on_host = |port: Value| json!({"hostNetwork": true, "containers": container(port)});
    spec(on_host(json!({"containerPort": 1})), &[]);
    let port = json!({"containerPort": 1, "hostPort": 2});
    spec(on_host(port), &["spec.containers[0].ports[0].hostPort Invalid"]);
}

#[test]
fn environment() {
    let from = |source: Value| json!({"env": [{"name": "A", "valueFrom": source}]});
    let field = |path: &str| from(json!({"fieldRef": {"fieldPath": path}}));
    let at = "env[0].valueFrom";
    container(json!({"env": [{"name": "A=B", "value": "x"}]}), &["env[0].name Invalid"]);
    container(from(json!({})), &[&format!("{at} Invalid")]);
    container(field("metadata.labels['a']"), &[]);
    container(field("metadata.labels['a b']"), &[&format!("{at}.fieldRef Invalid")]);
    container(field("metadata.labels"), &[&format!("{at}.fieldRef.fieldPath NotSupported")]);
    container(field("status.phase"), &[&format!("{at}.fieldRef.fieldPath NotSupported")]);
    container(field("spec['a']"), &[&format!("{at}.fieldRef.fieldPath Invalid")]);
    container(field(""), &[&format!("{at}.fieldRef.fieldPath Required")]);
    let resource = |resource: &str, divisor: &str| {
        from(json!({"resourceFieldRef": {"resource": resource, "divisor": divisor}}))
    };
    container(resource("limits.cpu", "1m"), &[]);
    container(resource("limits.cpu", "0.001"), &[]);
    container(resource("limits.cpu", "10m"), &[&format!("{at}.resourceFieldRef.divisor Invalid")]);
    container(resource("requests.memory", "1Mi"), &[]);
    container(resource("cpu", "0"), &[&format!("{at}.resourceFieldRef.resource NotSupported")]);
    let key = json!({"secretKeyRef": {"name": "s", "key": ""}});
    container(from(key), &[&format!("{at}.secretKeyRef.key Required")]);
    let two = json!([{"name": "A", "value": "1", "valueFrom": {"fieldRef":
        {"fieldPath": "metadata.name"}}}]);
    container(json!({"env": two}), &[&format!("{at} Invalid")]);
    let file =
        |volume: &str| from(json!({"fileKeyRef": {"volumeName": volume, "path": "f", "key": "K"}}));
    container(file("v"), &[]);
    container(file("p"), &[&format!("{at}.fileKeyRef.volumeName Invalid")]);
    container(file("x"), &[&format!("{at}.fileKeyRef.volumeName NotFound")]);
    let volume_name = format!("{at}.fileKeyRef.volumeName");
    container(file("A"), &[&format!("{volume_name} Invalid"), &format!("{volume_name} NotFound")]);
    container(file(""), &[&format!("{volume_name} Required"), &format!("{volume_name} NotFound")]);
    let path =
        |path: &str| from(json!({"fileKeyRef": {"volumeName": "v", "path": path, "key": "K"}}));
    container(path("/..a"), &[]);
    container(path(""), &[&format!("{at}.fileKeyRef.path Required")]);
    container(path("a/../b"), &[&format!("{at}.fileKeyRef.path Invalid")]);
    container(
        json!({"envFrom": [{"prefix": "=", "secretRef": {"name": ""}}]}),
        &["envFrom[0].prefix Invalid", "envFrom[0].secretRef.name Required"],
    );
}

#[test]
fn resources() {
    let resources = |limits: Value, requests: Value| {
        let both = json!({"limits": limits, "requests": requests});
        json!({"resources": both})
    };
    container(
        resources(json!({"foo": "1"}), json!({})),
        &["resources.limits[foo] Invalid"; 2]
            .into_iter()
            .chain(["resources.requests[foo] Invalid"; 2])
            .collect::<Vec<_>>(),
    );
    container(resources(json!({"x.io/gpu": "1"}), json!({})), &[]);
    container(
        resources(json!({"x.io/gpu": "1500m"}), json!({})),
        &["resources.limits[x.io/gpu] Invalid", "resources.requests[x.io/gpu] Invalid"],
    );
    container(resources(json!({}), json!({"x.io/gpu": "1"})), &["resources.limits Required"]);
    container(
        resources(json!({"x.io/gpu": "2"}), json!({"x.io/gpu": "1"})),
        &["resources.requests Invalid"],
    );
    container(
        resources(json!({"hugepages-2Mi": "3Mi", "cpu": "1"}), json!({})),
        &["resources.limits[hugepages-2Mi] Invalid", "resources.requests[hugepages-2Mi] Invalid"],
    );
    let claims = json!({"resources": {"claims": [{"name": "c"}]}});
    container(claims.clone(), &["resources.claims[0] NotFound"]);
    let policy = json!([{"resourceName": "disk", "restartPolicy": "NotRequired"}]);
    container(json!({"resizePolicy": policy}), &["resizePolicy NotSupported"]);
    spec(json!({"resources": {"requests": {"cpu": "1"}}}), &[]);
    let at = "spec.resources.requests";
    spec(
        json!({"resources": {"requests": {"ephemeral-storage": "1Gi"}}}),
        &[&format!("{at}[ephemeral-storage] NotSupported")],
    );
    let asking = json!([{"name": "a", "image": "b", "resources": {"requests": {"cpu": "2"}}}]);
    spec(
        json!({"containers": asking, "resources": {"requests": {"cpu": "1"}}}),
        &[&format!("{at}[cpu] Invalid")],
    );
}

#[test]
fn probes_and_hooks() {
    let liveness = |probe: Value| json!({"livenessProbe": probe});
    let at = "livenessProbe";
    container(liveness(json!({})), &[&format!("{at} Required")]);
    container(
        liveness(json!({"grpc": {"port": 0}, "successThreshold": 2})),
        &[&format!("{at}.grpc.port Invalid"), &format!("{at}.successThreshold Invalid")],
    );
    container(
        liveness(json!({"httpGet": {"port": ""}, "terminationGracePeriodSeconds": 0})),
        &[
            &format!("{at}.httpGet.port Invalid"),
            &format!("{at}.httpGet.port Invalid"),
            &format!("{at}.terminationGracePeriodSeconds Invalid"),
        ],
    );
    container(
        json!({"readinessProbe": {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 5}}),
        &["readinessProbe.terminationGracePeriodSeconds Invalid"],
    );
    let hook = |hook: Value| json!({"lifecycle": {"postStart": hook}});
    container(hook(json!({"sleep": {"seconds": 0}})), &[]);
    container(
        hook(json!({"exec": {"command": ["a"]}, "sleep": {"seconds": 1}})),
        &["lifecycle.postStart.sleep Forbidden"],
    );
    let signal = json!({"lifecycle": {"stopSignal": "SIGUSR1"}});
    container(signal.clone(), &["lifecycle.stopSignal Forbidden"]);
    let mut signalled = json!({"name": "a", "image": "b"});
    merge(&mut signalled, &signal);
    spec(json!({"os": {"name": "linux"}, "containers": [signalled]}), &[]);
    spec(
        json!({"os": {"name": "windows"}, "containers": [signalled]}),
        &["spec.containers[0].lifecycle.stopSignal NotSupported"],
    );
}

#[test]
fn mounts() {
    let mounts = |mounts: Value| json!({"volumeMounts": mounts});
    let mount = |more: Value| {
        let mut mount = json!({"name": "v", "mountPath": "/m"});
        merge(&mut mount, &more);
        mounts(json!([mount]))
    };
    container(mount(json!({})), &[]);
    container(mount(json!({"subPath": "../x"})), &["volumeMounts.subPath Invalid"]);
    container(mount(json!({"subPath": "/x"})), &["volumeMounts.subPath Invalid"]);
    container(
        mount(json!({"subPath": "x", "subPathExpr": "y"})),
        &["volumeMounts[0].subPathExpr Invalid"],
    );
    container(
        mount(json!({"mountPropagation": "Bidirectional"})),
        &["volumeMounts.mountPropagation Forbidden"],
    );
    container(
        mount(json!({"recursiveReadOnly": "Enabled"})),
        &["volumeMounts.recursiveReadOnly Forbidden"],
    );
    let twice = json!([{"name": "v", "mountPath": "/m"}, {"name": "p", "mountPath": "/m"}]);
    container(mounts(twice), &["volumeMounts[1].mountPath Invalid"]);
    let device = |name: &str| json!({"volumeDevices": [{"name": name, "devicePath": "/d"}]});
    container(device("p"), &[]);
    container(device("v"), &["volumeDevices[0].name Invalid"]);
    container(device("x"), &["volumeDevices[0].name NotFound"]);
}

#[test]
fn volumes() {
    spec(json!({"volumes": [{"name": "Bad"}]}), &["spec.volumes[0].name Invalid"]);
    spec(json!({"volumes": [{"name": "v"}, {"name": "v"}]}), &["spec.volumes[1].name Duplicate"]);
    volume(json!({"emptyDir": {}, "hostPath": {"path": "/x"}}), &["hostPath Forbidden"]);
    volume(json!({"emptyDir": {"sizeLimit": "-1"}}), &["emptyDir.sizeLimit Forbidden"]);
    volume(json!({"hostPath": {"path": ""}}), &["hostPath.path Required"]);
    // The first that is set is the one that is looked into, in Kubernetes' order.
    volume(json!({"secret": {}, "gitRepo": {"repository": "r"}}), &["secret Forbidden"]);
    volume(
        json!({"configMap": {}, "fc": {"targetWWNs": ["a"], "lun": 0}}),
        &["configMap Forbidden"],
    );
    volume(json!({"cinder": {"volumeID": "v"}, "cephfs": {"monitors": []}}), &["cephFS Forbidden"]);
    volume(
        json!({"projected": {}, "scaleIO": {"gateway": "", "secretRef": {"name": "s"},
        "system": ""}}),
        &["scaleIO Forbidden"],
    );
    volume(json!({"secret": {}}), &["secret.secretName Required"]);
    let item = json!({"key": "", "path": "/a"});
    volume(
        json!({"configMap": {"name": "c", "defaultMode": 512, "items": [item]}}),
        &[
            "configMap.defaultMode Invalid",
            "configMap.items[0].key Required",
            "configMap.items[0].path Invalid",
        ],
    );
    volume(
        json!({"downwardAPI": {"items": [{"path": "..a"}]}}),
        &["downwardAPI.path Invalid", "downwardAPI Required"],
    );
    let file = json!({"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}});
    volume(
        json!({"downwardAPI": {"items": [file]}}),
        &["downwardAPI.fieldRef.fieldPath NotSupported"],
    );
}

#[test]
fn volumes_of_several_sources_and_of_others() {
    let path = json!([{"key": "k", "path": "p"}]);
    volume(
        json!({"projected": {"sources": [
            {"secret": {"name": "s", "items": path}},
            {"configMap": {"name": "c", "items": path}, "secret": {"name": "s"}},
        ]}}),
        &["projected Invalid", "projected.sources[1] Forbidden"],
    );
    let token = json!([{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]);
    let token_at = "projected.sources[0].serviceAccountToken";
    volume(
        json!({"projected": {"sources": token}}),
        &[&format!("{token_at}.expirationSeconds Invalid")],
    );
    // As in every cluster, where admission gives a pod the account `default`.
    volume(json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}), &[]);
    volume(json!({"image": {}}), &["image.reference Required"]);
    volume(json!({"nfs": {"server": "s", "path": "p"}}), &["nfs.path Invalid"]);
    volume(json!({"csi": {"driver": ""}}), &["csi.driver Required"]);
    volume(json!({"csi": {"driver": "a_b"}}), &["csi.driver Invalid"]);
    volume(json!({"persistentVolumeClaim": {}}), &["persistentVolumeClaim.claimName Required"]);
    let claim = |spec: Value| json!({"ephemeral": {"volumeClaimTemplate": {"spec": spec}}});
    let claim_at = "ephemeral.volumeClaimTemplate.spec";
    let sized = json!({"requests": {"storage": "1Gi"}});
    volume(claim(json!({"accessModes": ["ReadWriteOnce"], "resources": sized})), &[]);
    volume(
        claim(json!({"accessModes": ["Any"]})),
        &[
            &format!("{claim_at}.accessModes NotSupported"),
            &format!("{claim_at}.resources[storage] Required"),
        ],
    );
    let iqn = "iqn.2001-04.com.example:storage";
    volume(json!({"iscsi": {"targetPortal": "h", "iqn": iqn, "lun": 0}}), &[]);
    volume(
        json!({"iscsi": {"targetPortal": "h", "iqn": "iqn.x", "lun": 256}}),
        &["iscsi.iqn Invalid", "iscsi.lun Invalid"],
    );
}

/// Linux has twice as many.
#[test]
fn ids_of_users_and_groups() {
    let context = |context: Value| json!({"securityContext": context});
    let at = "spec.securityContext";
    let (most, more) = (2_147_483_647_i64, 2_147_483_648_i64);
    let ids = |id: i64| {
        context(
            json!({"runAsUser": id, "runAsGroup": id, "fsGroup": id, "supplementalGroups": [id]}),
        )
    };
    spec(ids(most), &[]);
    spec(
        ids(more),
        &["fsGroup", "runAsUser", "runAsGroup", "supplementalGroups[0]"]
            .map(|field| format!("{at}.{field} Invalid"))
            .each_ref()
            .map(String::as_str),
    );
    container(context(json!({"runAsUser": most, "runAsGroup": most})), &[]);
    container(
        context(json!({"runAsUser": more, "runAsGroup": 4_294_967_295_i64})),
        &["securityContext.runAsUser Invalid", "securityContext.runAsGroup Invalid"],
    );
}

#[test]
fn security() {
    let context = |context: Value| json!({"securityContext": context});
    container(
        context(json!({"runAsGroup": -1, "procMount": "Unmasked"})),
        &["securityContext.runAsGroup Invalid", "securityContext.procMount Invalid"],
    );
    container(
        context(json!({"allowPrivilegeEscalation": false,
            "capabilities": {"add": ["CAP_SYS_ADMIN"]}})),
        &["securityContext Invalid"],
    );
    container(
        context(json!({"seccompProfile": {"type": "Localhost"}})),
        &["securityContext.seccompProfile.localhostProfile Required"],
    );
    container(
        context(json!({"appArmorProfile": {"type": "Strict"}})),
        &["securityContext.appArmorProfile.type NotSupported"],
    );
    container(
        context(json!({"windowsOptions": {"runAsUserName": "a\\b\\c"}})),
        &["securityContext.windowsOptions.runAsUserName Invalid"],
    );
    let at = "spec.securityContext";
    spec(
        context(json!({"fsGroupChangePolicy": "Often", "supplementalGroups": [0, -1]})),
        &[
            &format!("{at}.supplementalGroups[1] Invalid"),
            &format!("{at}.fsGroupChangePolicy NotSupported"),
        ],
    );
    spec(
        context(json!({"sysctls": [{"name": "A", "value": "1"}, {"name": "a", "value": "1"},
            {"name": "a", "value": "2"}]})),
        &[&format!("{at}.sysctls[0].name Invalid"), &format!("{at}.sysctls[2].name Duplicate")],
    );
    let net = json!([{"name": "net.core.somaxconn", "value": "1"}]);
    spec(
        json!({"hostNetwork": true, "securityContext": {"sysctls": net}}),
        &[&format!("{at}.sysctls[0].name Invalid")],
    );
    spec(
        json!({"hostPID": true, "shareProcessNamespace": true}),
        &[&format!("{at}.shareProcessNamespace Invalid")],
    );
    spec(json!({"hostUsers": false, "hostPID": true}), &["spec.HostPID Forbidden"]);
    spec(json!({"os": {"name": "plan9"}}), &["spec.os NotSupported"]);
    let requests = json!({"requests": {"storage": "1"}, "claims": []});
    spec(json!({"os": {"name": "windows"}, "resources": requests}), &["spec.resources Forbidden"]);
    spec(
        json!({"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}}),
        &["spec.securityContext.runAsUser Forbidden"],
    );
}

#[test]
fn placing() {
    let toleration = |toleration: Value| json!({"tolerations": [toleration]});
    spec(toleration(json!({"key": "a", "value": "b"})), &[]);
    spec(toleration(json!({"operator": "Equal"})), &["spec.tolerations[0].operator Invalid"]);
    spec(
        toleration(json!({"key": "a", "operator": "Gt", "value": "1"})),
        &["spec.tolerations[0].operator NotSupported"],
    );
    spec(
        toleration(json!({"key": "a", "operator": "Exists", "tolerationSeconds": 1})),
        &["spec.tolerations[0].effect Invalid"],
    );
    let spread = |max_skew: i32, action: &str| {
        json!({"topologySpreadConstraints": [{"maxSkew": max_skew, "topologyKey": "zone",
            "whenUnsatisfiable": action}]})
    };
    let at = "spec.topologySpreadConstraints[0]";
    spec(spread(1, "DoNotSchedule"), &[]);
    spec(
        spread(0, "Never"),
        &[&format!("{at}.maxSkew Invalid"), &format!("{at}.whenUnsatisfiable NotSupported")],
    );
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    spec(
        json!({"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": []}}}}),
        &[&format!("spec.affinity.nodeAffinity.{required}.nodeSelectorTerms Required")],
    );
    let term = json!({"weight": 0, "podAffinityTerm": {"topologyKey": "zone"}});
    spec(
        json!({"affinity": {"podAffinity": {preferred: [term]}}}),
        &[&format!("spec.affinity.podAffinity.{preferred}[0].weight Invalid")],
    );
    spec(json!({"nodeSelector": {"a b": "c"}}), &["spec.nodeSelector Invalid"]);
    spec(
        json!({"nodeName": "n", "schedulingGates": [{"name": "a"}, {"name": "a"}]}),
        &["spec.schedulingGates[1] Duplicate", "spec.nodeName Forbidden"],
    );
    spec(
        json!({"readinessGates": [{"conditionType": "a b"}]}),
        &["spec.readinessGates[0].conditionType Invalid"],
    );
}

#[test]
fn names_on_the_network() {
    spec(json!({"hostname": "a.b"}), &["spec.hostname Invalid"]);
    spec(json!({"subdomain": "A"}), &["spec.subdomain Invalid"]);
    spec(json!({"hostnameOverride": "a.b"}), &[]);
    spec(
        json!({"hostnameOverride": "a", "hostNetwork": true}),
        &["spec.hostnameOverride Forbidden"],
    );
    let config = |config: Value| json!({"dnsConfig": config});
    spec(config(json!({"searches": [".", "_a.b."], "nameservers": ["1.1.1.1"]})), &[]);
    spec(
        config(json!({"nameservers": ["a", "1.1.1.1", "1.1.1.2", "::1"]})),
        &["spec.dnsConfig.nameservers Invalid", "spec.dnsConfig.nameservers[0] Invalid"],
    );
    spec(
        config(json!({"nameservers": ["010.0.0.1", "::ffff:1.2.3.4"]})),
        &["spec.dnsConfig.nameservers[0] Invalid", "spec.dnsConfig.nameservers[1] Invalid"],
    );
    spec(config(json!({"options": [{"value": "1"}]})), &["spec.dnsConfig.options[0] Required"]);
    spec(json!({"dnsPolicy": "None", "dnsConfig": {}}), &["spec.dnsConfig.nameservers Required"]);
    spec(
        json!({"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["A"]}]}),
        &["spec.hostAliases[0].hostnames[0] Invalid"],
    );
    spec(json!({"serviceAccountName": "A"}), &["spec.serviceAccountName Invalid"]);
    let claim = json!([{"name": "c", "resourceClaimName": "x"}, {"name": "c"}]);
    spec(
        json!({"resourceClaims": claim}),
        &["spec.resourceClaims[1].name Duplicate", "spec.resourceClaims[1] Invalid"],
    );
}

#[test]
fn templates() {
    let check = |metadata: Value, spec: Value, want: &[&str]| {
        let json = json!({"metadata": metadata, "spec": spec});
        let mut template: PodTemplateSpec = serde_json::from_value(json).expect("a template");
        defaults::template(&mut template);
        let mut found = Causes::default();
        check::template(&template, &Path::root("template"), &mut found);
        assert_eq!(causes(&found), want, "{metadata} {spec}");
    };
    let container = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
    check(json!({}), container("b "), &[]);
    check(json!({}), json!({}), &["template.spec.containers Required"]);
    check(json!({"labels": {"a b": "c"}}), container("b"), &["template.labels Invalid"]);
    check(json!({"annotations": {"a b": ""}}), container("b"), &["template.annotations Invalid"]);
    let profile = "container.apparmor.security.beta.kubernetes.io/a";
    let mut confined = container("b");
    confined["containers"][0]["securityContext"] =
        json!({"appArmorProfile": {"type": "RuntimeDefault"}});
    let at = "template.spec.containers[0].securityContext.appArmorProfile.type";
    check(json!({"annotations": {profile: "unconfined"}}), confined, &[&format!("{at} Forbidden")]);
    let cost = "controller.kubernetes.io/pod-deletion-cost";
    check(
        json!({"annotations": {cost: "07"}}),
        container("b"),
        &[&format!("template.annotations[{cost}] Invalid")],
    );
    let old = "scheduler.alpha.kubernetes.io/tolerations";
    let check_old = |text: &str, wanted: &[&str]| {
        check(json!({"annotations": {old: text}}), container("b"), wanted);
    };
    for good in ["", "null", "[]", r#"[{"key": "a", "operator": "Exists"}]"#] {
        check_old(good, &[]);
    }
    check_old("nonsense", &["template.annotations Invalid"]);
    let at = format!("template.annotations.{old}[0].operator NotSupported");
    check_old(r#"[{"key": "a", "operator": "Bad"}]"#, &[&at]);
}

#[test]
fn profiles_that_annotations_name() {
    let check = |annotation: &str, of_pod: Value, want: Value, causes_wanted: &[&str]| {
        let key = "container.apparmor.security.beta.kubernetes.io/a";
        let json = json!({"metadata": {"name": "p", "annotations": {key: annotation}},
            "spec": {"containers": [{"name": "a", "image": "b:1"}],
                "securityContext": {"appArmorProfile": of_pod}}});
        let mut pod: Pod = serde_json::from_value(json).expect("a Pod");
        defaults::pod(&mut pod);
        defaults::prepare_create(&mut pod);
        assert_eq!(causes(&check::pod(&pod)), causes_wanted, "{annotation}");
        let made = serde_json::to_value(&pod).expect("a Pod is JSON");
        let at = "/spec/containers/0/securityContext/appArmorProfile";
        assert_eq!(*made.pointer(at).unwrap_or(&Value::Null), want, "{annotation} {of_pod}");
    };
    let null = Value::Null;
    check("unconfined", null.clone(), json!({"type": "Unconfined"}), &[]);
    let local = json!({"type": "Localhost", "localhostProfile": "x"});
    check("localhost/x", null.clone(), local.clone(), &[]);
    check("localhost/x", local.clone(), null.clone(), &[]);
    check("runtime/default", local.clone(), json!({"type": "RuntimeDefault"}), &[]);
    check("localhost/", null.clone(), null.clone(), &[]);
    let at = "spec.containers[0].securityContext.appArmorProfile";
    check("localhost/ x", local, null, &[&format!("{at}.localhostProfile Forbidden")]);
}

#[test]
fn defaults_and_what_is_left_out() {
    let check = |given: Value, want: Value| {
        let mut container = json!({"name": "a", "image": "b:1"});
        merge(&mut container, &given);
        let json = json!({"spec": {"containers": [container], "volumes": []}});
        let mut template: PodTemplateSpec = serde_json::from_value(json).expect("a template");
        defaults::template(&mut template);
        let made = serde_json::to_value(&template).expect("a template is JSON");
        assert!(made["spec"].get("volumes").is_none(), "{made}");
        let found = made["spec"]["containers"][0].as_object().expect("an object");
        let of_all = ["name", "image", "imagePullPolicy", "terminationMessagePath"];
        let mut found = found.clone();
        found.retain(|field, _| {
            !of_all.contains(&field.as_str())
                && !["terminationMessagePolicy", "resources"].contains(&field.as_str())
        });
        assert_eq!(Value::Object(found), want, "{given}");
    };
    check(json!({"tty": false, "stdin": false, "command": [], "workingDir": ""}), json!({}));
    check(json!({"env": [{"name": "A", "value": ""}]}), json!({"env": [{"name": "A"}]}));
    check(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/m", "readOnly": false}]}),
        json!({"volumeMounts": [{"name": "v", "mountPath": "/m"}]}),
    );
    check(
        json!({"securityContext": {"privileged": false, "capabilities": {"add": []}}}),
        json!({"securityContext": {"privileged": false, "capabilities": {}}}),
    );
    check(
        json!({"ports": [{"containerPort": 1, "hostPort": 0, "name": ""}]}),
        json!({"ports": [{"containerPort": 1, "protocol": "TCP"}]}),
    );
}
