"""What cannot start on Kubernetes is told in one sentence, before anything is made there."""

import json
import re
import threading

import pytest
from py4j import java_gateway
from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import install_exception_handler

from sparkcv.cli import main
from sparkcv.errors import ClusterError, UsageError
from sparkcv.spark.kubernetes import preflight
from sparkcv.spark.kubernetes.client import DRIVER, SUBMISSION, connect, make
from sparkcv.spark.kubernetes.gateway import java_alone
from sparkcv.spark.kubernetes.permissions import DRIVER_VERBS, SUBMIT_VERBS
from tests.hadoop import wait_until
from tests.hadoop.submit import ROOT
from tests.kubernetes import manifests
from tests.kubernetes.cluster import PLANES, control_plane, quota

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def jvm():
    with java_alone({}) as (found, _):
        yield found


@pytest.fixture(scope="module", params=PLANES)
def plane(request, tmp_path_factory):
    with control_plane(request.param, tmp_path_factory.mktemp("plane") / "root") as found:
        manifests.apply(found.client)
        yield found


def check(jvm, plane, who, verbs=DRIVER_VERBS, **more):
    properties = {
        **plane.properties(who),
        "spark.kubernetes.namespace": "vision",
        "spark.kubernetes.container.image": "registry.example/sparkcv:1",
        "spark.kubernetes.executor.podTemplateFile": str(ROOT / "conf" / "kubernetes" / "executor-pod.yaml"),
        **{name.replace("_", "."): value for name, value in more.items()},
    }
    conf = jvm.org.apache.spark.SparkConf(False)
    for name, value in properties.items():
        conf.set(name, value)
    with connect(jvm, conf, SUBMISSION if verbs is SUBMIT_VERBS else DRIVER) as client:
        preflight.check(client, properties, verbs)


@pytest.mark.parametrize(
    ("who", "role", "verbs"),
    [("account", "sparkcv-driver", DRIVER_VERBS), ("user", "sparkcv-submit", SUBMIT_VERBS)],
)
def test_the_roles_of_the_manifest_are_enough_and_each_verb_that_lacks_is_named(jvm, plane, who, role, verbs):
    check(jvm, plane, who, verbs)
    assert plane.client.find("pods", "vision") == []  # the trial was dry
    wanted = {(verb, what) for what, several in verbs.items() for verb in several}
    assert wanted <= manifests.pairs(role)
    changed = {
        name: plane.client.get("roles", "vision", name)["rules"] for name in ("sparkcv-driver", "sparkcv-submit")
    }
    taken = {("delete", "pods"), ("patch", "networkpolicies")}
    lacking = "delete pods" if verbs is DRIVER_VERBS else "delete pods, patch networkpolicies"

    try:
        for name, rules in changed.items():
            plane.client.change("roles", "vision", name, lambda one: one.update(rules=without(rules, taken)))  # noqa: B023
        wait_until(lambda: refused(jvm, plane, who, verbs), "the authorizer to see it", 10)
        with pytest.raises(
            ClusterError, match=rf"in namespace vision of \S+ this login may not {lacking}: grant it, as conf/"
        ):
            check(jvm, plane, who, verbs)
    finally:
        for name, rules in changed.items():
            plane.client.change("roles", "vision", name, lambda one: one.update(rules=rules))  # noqa: B023


def without(rules, taken):
    """The rules but for some pairs of verb and resource."""
    found = [
        {**rule, "resources": [what], "verbs": [verb for verb in rule["verbs"] if (verb, what) not in taken]}
        for rule in rules
        for what in rule["resources"]
    ]
    return [rule for rule in found if rule["verbs"]]


def refused(jvm, plane, who, verbs):
    try:
        check(jvm, plane, who, verbs)
    except ClusterError:
        return True
    return False


def test_an_api_that_is_not_there_or_says_nothing_is_told_of(jvm, plane):
    with pytest.raises(ClusterError, match=r"the Kubernetes API at http://127\.0\.0\.1:1 cannot be reached: .*refused"):
        check(jvm, plane, "user", spark_master="k8s://http://127.0.0.1:1")
    with (
        plane.silent(),
        pytest.raises(ClusterError, match=r"the Kubernetes API at \S+ has not answered within 10 s"),
    ):
        check(jvm, plane, "user", SUBMIT_VERBS)
    if plane.is_real:  # the one in memory asks for neither
        with pytest.raises(
            ClusterError, match=r"the Kubernetes API at \S+ does not know who asks \(401\): log in anew"
        ):
            check(jvm, plane, "account", spark_kubernetes_authenticate_oauthToken="no")
        with pytest.raises(
            ClusterError, match=r"the Kubernetes API at \S+ has a certificate that is not trusted here: "
        ):
            check(jvm, plane, "account", spark_kubernetes_authenticate_caCertFile=str(manifests.FOLDER / "rbac.yaml"))


def test_namespace_account_and_quota_are_asked_by_a_trial(jvm, plane):
    with pytest.raises(ClusterError, match=r'namespaces "nowhere" not found: create the namespace, or name another'):
        check(jvm, plane, "admin", spark_kubernetes_namespace="nowhere")
    with pytest.raises(ClusterError, match=r"in namespace nowhere of \S+ this login may do nothing that a run does: "):
        check(jvm, plane, "user", spark_kubernetes_namespace="nowhere")
    account = {"spark_kubernetes_authenticate_driver_serviceAccountName": "nobody"}
    with pytest.raises(ClusterError, match=r'serviceaccount "nobody" not found: create it, as conf/kubernetes/rbac'):
        check(jvm, plane, "user", **account)
    with (
        quota(plane.client, 0),
        pytest.raises(ClusterError, match=r"exceeded quota: night, .*limited: pods=0: ask for fewer or smaller exec"),
    ):
        check(jvm, plane, "user")


def test_the_trial_is_what_the_template_makes_of_an_executor(jvm, plane, tmp_path):
    template = "spark_kubernetes_executor_podTemplateFile"
    path = tmp_path / "no.yaml"
    with pytest.raises(
        UsageError, match=rf"the pod template {path} cannot be read: wanted a file with one Pod as YAML"
    ):
        check(jvm, plane, "user", **{template: str(path)})
    path.write_text("kind: Pod\napiVersion: v1\nspec: {serviceAccountName: nobody, containers: [{name: c}]}")
    with pytest.raises(ClusterError, match=r'serviceaccount "nobody" not found: create it'):
        check(jvm, plane, "user", **{template: f"file://{path}"})
    if plane.is_real:  # its namespace enforces the strictest of Kubernetes' standards, which the template fits
        with pytest.raises(ClusterError, match=r'violates PodSecurity "restricted:latest": .*see conf/kubernetes/exec'):
            check(jvm, plane, "user", **{template: ""})


@pytest.fixture
def kubeconfig(jvm, tmp_path):
    path = tmp_path / "config"
    jvm.java.lang.System.setProperty("kubeconfig", str(path))
    yield path
    jvm.java.lang.System.clearProperty("kubeconfig")


def contexts(**user):
    named = [{"name": name, "context": {"cluster": "one", "user": "ann"}} for name in ("night", "day")]
    clusters = [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}]
    found = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": named}
    return json.dumps(found | {"users": [{"name": "ann", "user": user}]})


def test_a_context_that_kubeconfig_lacks_is_refused_with_those_that_it_has(jvm, kubeconfig):
    kubeconfig.write_text(contexts())
    conf = jvm.org.apache.spark.SparkConf(False).set("spark.kubernetes.context", "dusk")
    with pytest.raises(UsageError, match=r"spark\.kubernetes\.context: got 'dusk', .* wanted one of day, night"):
        make(jvm, conf)


def test_a_kubeconfig_that_is_none_or_whose_plugin_hangs_is_told_of(jvm, kubeconfig):
    kubeconfig.write_text("kind: Config\n  clusters: [")
    for context in ("", "night"):
        conf = jvm.org.apache.spark.SparkConf(False).set("spark.master", "k8s://http://127.0.0.1:1")
        conf.set("spark.kubernetes.context", context)
        with pytest.raises(ClusterError, match=r"config cannot be read: mapping values are not allowed here in reader"):
            make(jvm, conf)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["2"]}
    kubeconfig.write_text(contexts(exec=plugin | {"interactiveMode": "Never"}))
    with pytest.raises(ClusterError, match=r"kubeconfig's login plugin has not answered within 1 s: log in anew, see"):
        make(jvm, conf, login_s=1.0)
    waiting = [one for one in threading.enumerate() if one.name == "sparkcv-kubernetes-login"]
    for one in waiting:  # Java waits for the plugin, as often as it asks it
        one.join(60)
    assert len(waiting) == 1


def test_errors_are_told_of_in_a_process_that_had_a_session(monkeypatch, tmp_path):
    monkeypatch.setattr(java_gateway, "get_return_value", java_gateway.get_return_value)
    install_exception_handler()  # as a session does, for good
    translating = java_gateway.get_return_value
    with java_alone({"spark.kubernetes.context": "dusk", "spark.master": "k8s://http://127.0.0.1:1"}) as (jvm, conf):
        with pytest.raises(Py4JJavaError, match="NoSuchElementException"):
            conf.get("spark.nothing")
        path = tmp_path / "config"
        path.write_text("kind: Config\n  clusters: [")
        jvm.java.lang.System.setProperty("kubeconfig", str(path))
        with pytest.raises(ClusterError, match=r"config cannot be read: mapping values are not allowed here in reader"):
            make(jvm, conf)
    assert java_gateway.get_return_value is translating


LONG = "n" * 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--namespace", LONG], r"--namespace: got 'n+' \(64 characters\), wanted at most 63 of a-z, 0-9 and -"),
        (["--namespace", "Night"], r"--namespace: got 'Night' \(5 characters\), wanted"),
        (
            ["--conf", f"spark.kubernetes.driver.pod.name={LONG}"],
            r"--conf spark\.kubernetes\.driver\.pod\.name: got 'n+'",
        ),
        (["--conf", f"spark.kubernetes.executor.podNamePrefix={LONG[:48]}"], r"\(48 characters\), wanted at most 47"),
        (["--queue", "night"], r"--queue with --master k8s://https://h:6443: it means something on YARN only"),
        ([], r"--image is missing: wanted the image of driver and executors, as docker/Dockerfile makes it"),
    ],
)
def test_bad_words_are_refused_before_anybody_is_asked(words, said, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    image = [] if "--image" in said else ["--image", "i:1"]
    train = ["train", "--dataset_dir", "hdfs:///d", "--train_dir", "hdfs:///t", "--num_ps_tasks", "1"]
    assert main(["submit", "--dry_run", "--master", "k8s://https://h:6443", *image, *words, *train]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_options_of_kubernetes_are_refused_elsewhere(capsys):
    assert main(["submit", "--master", "yarn", "--image", "i:1", "doctor"]) == 2
    assert "--image with --master yarn: it means something on Kubernetes only" in capsys.readouterr().err
