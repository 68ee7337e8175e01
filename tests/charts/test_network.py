"""The connections that the rendered network policies allow, compared with those that the programs need."""

import importlib

import pytest
from platform_table.load import platform

SERVICES, CONNECTORS = platform().services, platform().connectors
SETTINGS = {
    program.name: importlib.import_module(f"{program.package}.settings").Settings
    for program in platform().installed
}
NAME = "app.kubernetes.io/name"
CALLER, PROMETHEUS = "[('diwan-caller', 'true')]", f"[('{NAME}', 'prometheus')]"
NAME_SERVERS = "[('k8s-app', 'kube-dns')]"


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
            yield "bank", name, 8081
        yield name, "collector", 4318


@pytest.fixture(scope="session")
def policies(local):
    """The network policy of each program, by name."""
    return {
        m["spec"]["podSelector"]["matchLabels"][NAME]: m["spec"]
        for m in local
        if m["kind"] == "NetworkPolicy" and NAME in m["spec"]["podSelector"]["matchLabels"]
    }


def names(peers):
    """Yield the names of the programs among a rule's peers; other peers are named by their selector."""
    for peer in peers:
        selected = peer.get("podSelector", {}).get("matchLabels", {})
        inside = "namespaceSelector" not in peer
        yield selected[NAME] if inside and NAME in selected else str(sorted(selected.items()))


def edges(policies, direction, peers):
    """Return (program, peer, port) for each rule."""
    return {
        (name, peer, port["port"])
        for name, policy in policies.items()
        for rule in policy[direction]
        for peer in names(rule[peers])
        for port in rule["ports"]
    }


def test_the_edges_are_those_that_the_programs_need(policies):
    """An edge counts when the policies of both ends allow it."""
    out = edges(policies, "egress", "to")
    into = {(source, target, port) for target, source, port in edges(policies, "ingress", "from")}

    allowed = {edge for edge in out if edge[1] in policies and edge in into}

    assert allowed == set(expected())


def test_an_edge_is_allowed_at_both_ends_or_at_none(policies):
    """An egress rule without the ingress rule of the peer is superfluous."""
    out = {edge for edge in edges(policies, "egress", "to") if edge[1] in policies}
    into = {
        (source, target, port)
        for target, source, port in edges(policies, "ingress", "from")
        if source in policies
    }

    assert out == into


def test_egress_to_other_peers_is_limited_to_the_name_servers(policies):
    """Peers that are not programs of the charts are name servers on port 53."""
    beyond = {edge for edge in edges(policies, "egress", "to") if edge[1] not in policies}

    assert {port for _, _, port in beyond} == {53}
    assert {peer for _, peer, _ in beyond} == {NAME_SERVERS}


def test_ingress_from_other_peers_is_limited_to_callers_and_monitoring(policies):
    """Callers reach APIs (and a trial's broker, phones and traces), Prometheus reaches metrics."""
    beyond = {
        (source, target, port)
        for target, source, port in edges(policies, "ingress", "from")
        if source not in policies
    }
    trial = {(CALLER, "rabbitmq", 5672), (CALLER, "smsc", 8080), (CALLER, "collector", 4318)}

    assert beyond == trial | {(CALLER, name, 50051) for name in SERVICES} | {
        (PROMETHEUS, name, 8080) for name in (*SERVICES, *CONNECTORS)
    }


def test_the_policies_allow_exactly_the_observed_edges(policies, recorded_edges, unrecorded_edges):
    """The table holds the edges in the spans of a journey on a cluster (tests/cluster/test_edges.py)."""
    into = {(source, target, port) for target, source, port in edges(policies, "ingress", "from")}
    allowed = {
        ("caller" if source == CALLER else source, target, port)
        for source, target, port in edges(policies, "egress", "to") | into
    }
    # Without spans: name servers, Prometheus, and the driver's calls to a trial's phones and collector.
    without_spans = {
        (source, target, port)
        for source, target, port in allowed
        if target == NAME_SERVERS
        or source == PROMETHEUS
        or (source, target) in {("caller", "smsc"), ("caller", "collector")}
    }

    assert allowed - without_spans == recorded_edges | unrecorded_edges


def test_an_empty_list_of_callers_allows_none(helm):
    """An empty `from` in a policy would allow all."""
    no_peers = ("--set-json", 'global.networkPolicy.peers={"callers":[],"monitoring":[]}')
    (policy,) = [m["spec"] for m in helm.manifests("identity", *no_peers) if m["kind"] == "NetworkPolicy"]

    assert {
        (peer["podSelector"]["matchLabels"][NAME], port["port"])
        for rule in policy["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
    } == {(service, 50051) for service in SERVICES if service != "identity"}


PORTS = {"identity_target": 50051, "store_uri": 27017, "smsc_host": 2775, "api_url": 443}


def test_in_production_each_program_reaches_what_it_needs(production):
    """Broker, collector, name servers, and the addresses in its settings; every rule names its peers."""
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


def test_a_pod_without_a_policy_has_no_connections(local, policies):
    """One policy selects all pods and allows nothing; every workload has its own policy in addition."""
    (everything,) = [m for m in local if m["metadata"]["name"] == "diwan-nothing-else"]
    assert "ingress" not in everything["spec"]
    assert "egress" not in everything["spec"]

    workloads = [m for m in local if m["kind"] in {"Deployment", "StatefulSet"}]
    wanted = everything["spec"]["podSelector"]["matchLabels"].items()
    for workload in workloads:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert wanted <= labels.items()
        assert labels[NAME] in policies
