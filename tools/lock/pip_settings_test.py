"""What pip is set up with on a machine reaches uv, in uv's words."""

import sys

import pytest

from tools.lock import pip_settings

_SETTINGS = (
    (":env:", "cert", "/certs/own.pem"),
    (":env:", "find-links", "/srv/wheels"),
    ("global", "cert", "/certs/all.pem"),
    ("global", "extra-index-url", r"file:///srv/one/simple\nfile:///srv/two/simple"),
    ("global", "find-links", "/elsewhere"),
    ("global", "timeout", "60"),
    ("install", "index-url", "file:///srv/mirror/simple"),
)
_LISTING = "".join(f"{section}.{name}='{value}'\n" for section, name, value in _SETTINGS)


def test_every_place_is_passed_on():
    settings = pip_settings.read(_LISTING, {})
    assert settings.index == ("--default-index=file:///srv/mirror/simple",)
    assert settings.extra_indexes == ("--index=file:///srv/one/simple", "--index=file:///srv/two/simple")
    assert settings.links == ("--find-links=/srv/wheels",)  # the environment's, not the configuration file's
    assert settings.places == [*settings.index, *settings.extra_indexes, *settings.links]
    assert settings.environment == {"SSL_CERT_FILE": "/certs/own.pem", "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_uv_s_own_variables_win():
    own = {"UV_DEFAULT_INDEX": "x", "SSL_CERT_FILE": "y", "UV_INDEX_STRATEGY": "z"}
    settings = pip_settings.read(_LISTING, own)
    assert (settings.index, settings.environment) == ((), {})


def test_without_settings_there_are_no_flags():
    settings = pip_settings.read("", {})
    assert (settings.places, settings.environment) == ([], {})


def test_pip_itself_is_asked_and_needs_no_program_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_FIND_LINKS", "/srv/a /srv/b")
    settings = pip_settings.read(pip_settings.listing(), {})
    assert settings.links == ("--find-links=/srv/a", "--find-links=/srv/b")


def test_a_pip_that_fails_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(SystemExit, match="pip's settings cannot be read"):
        pip_settings.listing()
