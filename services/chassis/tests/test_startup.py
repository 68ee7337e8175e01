"""The first steps of a program."""

from importlib.metadata import version

from chassis import startup


def test_the_version_is_that_of_the_distribution():
    """Traces of a program show the version that is installed, and "0" from a folder that is not."""
    assert startup.version("chassis") == version("diwan-chassis")
    assert startup.version("not_installed") == "0"
