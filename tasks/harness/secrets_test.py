"""Tests of what keeps secrets out of files."""

import pytest

from humain import errors
from tasks.harness import secrets


@pytest.mark.parametrize(
    "name",
    [
        *("secret", "API_KEY", "apikey", "hf_token", "HF_TOKEN", "token", "db.password", "private-key", "my_secrets"),
        *("OPENAI_KEY", "OPENAI_ADMIN_KEY", "openai_admin_key", "GITHUB_PAT", "WANDB_KEY"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert secrets.looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("num_tokens", "token_ids", "pad_token", "eos_token", "PAD_TOKEN", "tokens", "monkey", "secretary"),
        *("key", "keys", "KEY", "num_keys", "NUM_KEYS", "sharding_key", "sort_key", "SSH_PUBLIC_KEY", "pat", "PATH"),
    ],
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
    assert str(caught.value) == "results.notes[1] holds the value of the environment variable HF_TOKEN; leave it out"
    secrets.refuse(["abc", "/home/me", 3], where="results", environment=environment)


@pytest.mark.parametrize("value", ["error: key sk-abcdefghijkl refused", {"by sk-abcdefghijkl": 1}])
def test_a_secret_within_a_text_is_refused_and_not_quoted(value: object) -> None:
    with pytest.raises(errors.UserError, match="the value of the environment variable OPENAI_KEY") as caught:
        secrets.refuse({"found": value}, where="results", environment={"OPENAI_KEY": " sk-abcdefghijkl "})
    assert "sk-abcdefghijkl" not in str(caught.value)


def test_what_a_file_of_secrets_names_is_secret_but_for_addresses() -> None:
    environment = {"MY_LOGIN": "someone-1", "OPENAI_BASE_URL": "http://here:8000", "TINY": "abc", "HOME": "/home/me"}
    value = ["as someone-1", "at http://here:8000", "abc"]
    secrets.refuse(value, where="config", environment=environment)
    with pytest.raises(errors.UserError, match=r"config\[0\] holds the value of the environment variable MY_LOGIN;"):
        secrets.refuse(value, where="config", environment=environment, names=("MY_LOGIN", "ABSENT"))
    secrets.refuse(value, where="config", environment=environment, names=("OPENAI_BASE_URL", "TINY"))
