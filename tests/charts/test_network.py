"""Who may connect to whom, read from the rendered policies, against what the programs say of themselves."""

import importlib
from pathlib import Path

import pytest
import yaml
from platform_table.load import platform

SERVICES, CONNECTORS = platform().services, platform().connectors
SETTINGS = {
    program.name: importlib.import_module(f"{program.package}.settings").Settings
    for program in platform().installed
}
NAME = "app.kubernetes.io/name"
CALLER, PROMETHEUS = "[('diwan-caller', 'true')]", f"[('{NAME}', 'prometheus')]"
NAME_SERVERS = "[('k8s-app', 'kube-dns')]"
TOLD = Path(__file__).parents[1] / "edges.yaml"


def expected():
    """Edges that follow from the users of the broker and from the settings that name an address."""
    for name, settings in SETTINGS.items():
        fields = settings.model_fields
        if name in platform().users:
            yield name, "rabbitmq", 5672
        if "store_uri" in fields:
            yield name, f"{name}-store", 27017
        if "identity_target" in fields and name != "identity":
            yield name, "identity", 50051
        if "smsc_host" in fields:
            yield name, "smsc", fields["smsc_port"].default
        if "api_url" in fields:
            yield name, "bank", 8080
        if "callback_key_file" in fields:
            yield "bank", name, 8080
        yield name, "collector", 4318


@pytest.fixture(scope="session")
def policies(local):
    """The policy of each program, by name."""
    return {
        m["spec"]["podSelector"]["matchLabels"][NAME]: m["spec"]
        for m in local
        if m["kind"] == "NetworkPolicy" and NAME in m["spec"]["podSelector"]["matchLabels"]
    }


def names(peers):
    """The programs that a rule's peers are; others are named by what selects them."""
    for peer in peers:
        selected = peer.get("podSelector", {}).get("matchLabels", {})
        inside = "namespaceSelector" not in peer
        yield selected[NAME] if inside and NAME in selected else str(sorted(selected.items()))


def edges(policies, direction, peers):
    """(program, peer, port) of each rule."""
    return {
        (name, peer, port["port"])
        for name, policy in policies.items()
        for rule in policy[direction]
        for peer in names(rule[peers])
        for port in rule["ports"]
    }


def test_the_edges_are_those_that_the_programs_need(policies):
    """Allowed by both ends, no edge less and none more."""
    out = edges(policies, "egress", "to")
    into = {(source, target, port) for target, source, port in edges(policies, "ingress", "from")}

    allowed = {edge for edge in out if edge[1] in policies and edge in into}

    assert allowed == set(expected())


def test_an_edge_is_opened_at_both_ends_or_at_none(policies):
    """A policy that lets out what the other does not let in is a line too many."""
    out = {edge for edge in edges(policies, "egress", "to") if edge[1] in policies}
    into = {
        (source, target, port)
        for target, source, port in edges(policies, "ingress", "from")
        if source in policies
    }

    assert out == into


def test_beyond_the_programs_only_names_are_asked_for(policies):
    """What goes elsewhere goes to the name servers."""
    beyond = {edge for edge in edges(policies, "egress", "to") if edge[1] not in policies}

    assert {port for _, _, port in beyond} == {53}
    assert {peer for _, peer, _ in beyond} == {NAME_SERVERS}


def test_from_beyond_come_callers_and_monitoring(policies):
    """Callers to APIs (and to a trial's broker, phones and traces), Prometheus to metrics."""
    beyond = {
        (source, target, port)
        for target, source, port in edges(policies, "ingress", "from")
        if source not in policies
    }
    trial = {(CALLER, "rabbitmq", 5672), (CALLER, "smsc", 8080), (CALLER, "collector", 4318)}

    assert beyond == trial | {(CALLER, name, 50051) for name in SERVICES} | {
        (PROMETHEUS, name, 8080) for name in (*SERVICES, *CONNECTORS)
    }


def test_the_policies_allow_what_a_journeys_spans_told_and_no_more(policies):
    """The table was taken from the spans of a journey on a cluster (tests/cluster/test_edges.py)."""
    told = {tuple(edge) for edge in yaml.safe_load(TOLD.read_text())}
    into = {(source, target, port) for target, source, port in edges(policies, "ingress", "from")}
    allowed = {
        ("caller" if source == CALLER else source, target, port)
        for source, target, port in edges(policies, "egress", "to") | into
    }
    # What makes no spans: name servers, Prometheus, and the driver when it looks at a trial's phones or sends its own.
    quiet = {
        (source, target, port)
        for source, target, port in allowed
        if target == NAME_SERVERS
        or source == PROMETHEUS
        or (source, target) in {("caller", "smsc"), ("caller", "collector")}
    }

    assert allowed - quiet == told


def test_an_empty_list_lets_nobody_in(helm):
    """Whoever says that nobody may call has not said that all may."""
    nobody = ("--set-json", 'global.networkPolicy.peers={"callers":[],"monitoring":[]}')
    (policy,) = [m["spec"] for m in helm.manifests("identity", *nobody) if m["kind"] == "NetworkPolicy"]

    assert {
        (peer["podSelector"]["matchLabels"][NAME], port["port"])
        for rule in policy["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
    } == {(service, 50051) for service in SERVICES if service != "identity"}


PORTS = {"identity_target": 50051, "store_uri": 27017, "smsc_host": 2775, "api_url": 443}


def test_in_production_each_program_reaches_what_it_needs(production):
    """Broker, collector and name servers, and what its settings name; every rule says to whom, and from whom."""
    policies = [m for m in production if m["kind"] == "NetworkPolicy" and m["spec"].get("egress")]
    assert len(policies) == len(SETTINGS)
    for policy in policies:
        name = policy["spec"]["podSelector"]["matchLabels"][NAME]
        needed = {
            port
            for setting, port in PORTS.items()
            if setting in SETTINGS[name].model_fields and not (name == "identity" and port == 50051)
        }
        reached = [
            port["port"]
            for rule in policy["spec"]["egress"]
            for port in rule["ports"]
            if port["protocol"] == "TCP"
        ]

        assert sorted(reached) == sorted({5672, 4318, 53} | needed), name
        assert all(rule["to"] for rule in policy["spec"]["egress"]), name
        assert all(rule["from"] for rule in policy["spec"]["ingress"]), name


def test_what_has_no_policy_may_nothing(local, policies):
    """One policy selects all pods and allows none; every workload has one of its own beside it."""
    (everything,) = [m for m in local if m["metadata"]["name"] == "diwan-nothing-else"]
    assert "ingress" not in everything["spec"]
    assert "egress" not in everything["spec"]

    workloads = [m for m in local if m["kind"] in {"Deployment", "StatefulSet"}]
    wanted = everything["spec"]["podSelector"]["matchLabels"].items()
    for workload in workloads:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert wanted <= labels.items()
        assert labels[NAME] in policies
