"""Settings come from the environment, and a wrong one is named."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service import settings
from service.settings import Settings, SettingsError, read


def test_defaults() -> None:
    assert read() == Settings()
    assert read().store == Path("models_store")
    assert (read().host, read().port, read().workers, read().history) == ("127.0.0.1", 8000, 1, "snapshot")


def test_environment_and_what_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDGEN_PORT", "9000")
    monkeypatch.setenv("CANDGEN_WORKERS", "")
    assert (read().port, read().workers) == (9000, 1)
    assert read(port="9001", store=None).port == 9001


@pytest.mark.parametrize(
    ("name", "value"), [("port", "abc"), ("port", "70000"), ("workers", "0"), ("history", "nowhere")]
)
def test_a_wrong_value_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CANDGEN_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert f"CANDGEN_{name.upper()}" in message
    assert value in message


def test_history_providers_that_are_not_there_are_refused() -> None:
    with pytest.raises(SettingsError, match="valid: snapshot"):
        read(history="nowhere")


def test_memory_is_of_one_worker() -> None:
    assert read(history="memory", workers=1).history == "memory"
    with pytest.raises(SettingsError, match=r"history is 'memory'.*CANDGEN_WORKERS=1"):
        read(history="memory", workers=2)


@pytest.mark.parametrize("value", ["localhost:6379", "http://secret@host"])
def test_a_secret_is_not_shown(value: str) -> None:
    with pytest.raises(SettingsError, match="wanted redis://") as caught:
        read(redis_url=value)
    assert value not in str(caught.value)
    assert "secret" not in str(read(redis_url="redis://:secret@h", api_key="secret"))


@pytest.mark.parametrize("value", ["a=1", "20260101T000000-abcdef", "20260101T000000-abcdef=0", "../x=5"])
def test_a_split_that_cannot_be_read(value: str) -> None:
    with pytest.raises(SettingsError, match="CANDGEN_SPLIT"):
        read(split=value)


def test_frozen_and_every_setting_documented() -> None:
    with pytest.raises(ValidationError):
        read().port = 1  # type: ignore[misc]
    assert all(field.description for field in settings.Settings.model_fields.values())
