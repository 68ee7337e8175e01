"""Settings from the environment and from files."""

import pytest
from chassis.settings import ServiceSettings, explain, load
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class TrialSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TRIAL_")

    limit: int = Field(3, ge=1, description="How many at most")


@pytest.fixture
def environment(monkeypatch, tmp_path):
    variables = {
        "TRIAL_BROKER_URI": "amqp://u:secret-b@localhost",
        "TRIAL_STORE_URI": "mongodb://u:secret-s@localhost",
        "TRIAL_STORE_DATABASE": "trial",
        "TRIAL_KEYS_DIR": str(tmp_path),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment(environment):
    """The variables have the service's prefix; unset ones have their defaults."""
    environment.setenv("TRIAL_LIMIT", "7")

    settings = load(TrialSettings, "trial")

    assert (settings.limit, settings.store_database, settings.reflection) == (7, "trial", True)


def test_a_secret_may_be_in_a_file(environment, tmp_path):
    """`<VARIABLE>_FILE` names the file; a final line break is removed."""
    environment.delenv("TRIAL_STORE_URI")
    (tmp_path / "uri").write_text("mongodb://from-file\n")
    environment.setenv("TRIAL_STORE_URI_FILE", str(tmp_path / "uri"))

    assert load(TrialSettings, "trial").store_uri == "mongodb://from-file"


def test_the_broker_uri_has_a_shared_variable(environment):
    """`BROKER_URI` is used when the prefixed variable is not set."""
    environment.setenv("BROKER_URI", "amqp://shared")
    assert load(TrialSettings, "trial").broker_uri.endswith("localhost")

    environment.delenv("TRIAL_BROKER_URI")

    assert load(TrialSettings, "trial").broker_uri == "amqp://shared"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("TRIAL_STORE_URI", None, "TRIAL_STORE_URI is not set; set it to: URI of this service's own store"),
        (
            "TRIAL_LIMIT",
            "0",
            "TRIAL_LIMIT is wrong (Input should be greater than or equal to 1); set it to: How",
        ),
        ("TRIAL_LIMIT", "secret-x", "TRIAL_LIMIT is wrong (Input should be a valid integer"),
        ("TRIAL_GRPC_LISTEN", "secret-x", "TRIAL_GRPC_LISTEN is wrong"),
        ("TRIAL_LOG_LEVEL", "secret-x", "TRIAL_LOG_LEVEL is wrong"),
        ("TRIAL_STORE_URI_FILE", "/nowhere", "TRIAL_STORE_URI_FILE is wrong (No such file or directory)"),
    ],
)
def test_a_wrong_setting_ends_the_process_with_one_line(environment, capsys, name, value, text):
    """The line has the variable, the reason and the remedy, and never the value."""
    environment.setenv(name, value) if value else environment.delenv(name)

    with pytest.raises(SystemExit) as ended:
        load(TrialSettings, "trial")

    output = capsys.readouterr().err
    assert ended.value.code == 2
    assert text in output
    assert output.count("\n") == 1
    assert "secret" not in output


def test_the_help_explains_every_setting():
    """With variable, default and description."""
    text = explain(TrialSettings)

    for name, field in TrialSettings.model_fields.items():
        assert f"TRIAL_{name.upper()}" in text
        assert field.description in text
    assert "TRIAL_LIMIT  [default: 3]" in text
    assert "TRIAL_STORE_URI  [required]" in text
