"""Tests of what keeps secrets out of files."""

import pytest

from humain import errors
from tasks.harness import secrets


@pytest.mark.parametrize(
    "name", ["secret", "API_KEY", "apikey", "hf_token", "HF_TOKEN", "token", "db.password", "private-key", "my_secrets"]
)
def test_names_of_secrets(name: str) -> None:
    assert secrets.looks_secret(name)


@pytest.mark.parametrize(
    "name", ["num_tokens", "token_ids", "pad_token", "eos_token", "key", "keys", "tokens", "monkey", "secretary"]
)
def test_names_of_other_things(name: str) -> None:
    assert not secrets.looks_secret(name)


def test_an_entry_of_such_a_name_is_refused_without_its_value() -> None:
    with pytest.raises(errors.UserError) as caught:
        secrets.refuse({"model": {"api_key": "hunter2"}}, where="config", environment={})
    assert str(caught.value) == "config.model.api_key looks like a secret; pass it through the environment instead"
    secrets.refuse({"model": {"api_key": ""}, "token": None}, where="config", environment={})


def test_the_value_of_a_secret_variable_is_refused_wherever_it_is() -> None:
    environment = {"HF_TOKEN": "abcdefgh", "SHORT_TOKEN": "abc", "HOME": "/home/me"}
    with pytest.raises(errors.UserError) as caught:
        secrets.refuse({"notes": ["x", "abcdefgh"]}, where="results", environment=environment)
    assert str(caught.value) == "results.notes[1] is the value of the environment variable HF_TOKEN; leave it out"
    secrets.refuse(["abc", "/home/me", 3], where="results", environment=environment)
