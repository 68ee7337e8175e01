"""The start of a program."""

from importlib.metadata import version

from chassis import startup


def test_the_version_is_that_of_the_distribution():
    """It is "0" for a package that is not installed."""
    assert startup.version("chassis") == version("diwan-chassis")
    assert startup.version("not_installed") == "0"
