"""Messages of the demo on a cluster, with a `kubectl` that answers as the real one does."""

from pathlib import Path

import pytest
from demo import cluster

EXISTS = 'Error from server (AlreadyExists): namespaces "x" already exists'


def kubectl(folder: Path, text: str) -> None:
    """Put a `kubectl` that fails with this text into the folder."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit 1\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "words"),
    [(EXISTS, ("kubectl delete namespace x", "--namespace NAME")), ("Forbidden", ("Forbidden",))],
)
def test_a_namespace_that_cannot_be_created_is_explained(tmp_path, monkeypatch, text, words):
    """If it exists, the text says how to remove it and how to choose another one."""
    kubectl(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(cluster.ClusterError) as error:
        cluster._create("x")

    assert all(word in str(error.value) for word in words)
