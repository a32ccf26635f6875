"""Secrets are found in every form in which they are quoted."""

import json
import logging
import urllib.parse

import pytest

from humain.language import redaction

_SECRET = "sk-\"quoted\\it/s'"


@pytest.mark.parametrize("form", [str, json.dumps, repr, lambda secret: urllib.parse.quote(secret, safe="")])
def test_a_secret_is_taken_out_however_it_is_quoted(form):
    found = redaction.redact(f"Bearer {form(_SECRET)} is wrong, so is {form(_SECRET)}", (_SECRET,))
    # All of it, and nothing else: quotes that belong to the text around it stay.
    kept = form("x").replace("x", "[secret]")
    assert found == f"Bearer {kept} is wrong, so is {kept}"


def test_secrets_are_those_of_the_environment():
    environment = {"OPENAI_API_KEY": "sk-one-two\n", "HF_TOKEN": "hf_three_four", "HOME": "/home/someone"}
    assert redaction.secrets_of(environment) == ("sk-one-two", "hf_three_four")
    # What a server of one's own takes as a key is no secret.
    assert redaction.secrets_of({"OPENAI_API_KEY": "none", "HF_TOKEN": ""}) == ()


def test_a_line_is_redacted_before_it_is_cut():
    # Cut at 20, a part of the key would be left.
    assert redaction.one_line("the wrong key:\n sk-one-two-three", ("sk-one-two-three",), num_characters=20) == (
        "the wrong key: [secr ..."
    )
    assert redaction.one_line(" short\n", ()) == "short"


def test_logs_of_the_transport_are_redacted_meanwhile(caplog):
    logger = logging.getLogger("httpcore2.http11")
    with caplog.at_level(logging.DEBUG, logger="httpcore2"):
        with redaction.guarded_logs(("sk-one-two",)):
            logger.debug("headers=%r of %d", [b"sk-one-two"], 1)
        logger.debug("after %s", "sk-one-two")
    assert [record.getMessage() for record in caplog.records] == ["headers=[b'[secret]'] of 1", "after sk-one-two"]


def test_a_secret_has_eight_characters_or_more():
    assert redaction.secrets_of({"OPENAI_API_KEY": "12345678", "HF_TOKEN": "1234567"}) == ("12345678",)


def test_a_line_is_cut_after_300_characters():
    assert redaction.one_line("x" * 300, ()) == "x" * 300
    assert redaction.one_line("x" * 301, ()) == "x" * 300 + " ..."
