"""A local build from an index that pip's own settings don't name: found, not asked for in vain, refused in one line.

Each index is served on this machine's loopback.
"""

import contextlib
import http.server
import os
import pathlib
import socket
import threading

import pytest

from third_party.pypi import install_wheel
from third_party.pypi.tiny_wheels import make_wheel, spec

_WHEEL = "tiny-1.0+cpu-py3-none-any.whl"
_REMEDY = "or name an index that can be reached in BAZEL_TORCH_INDEX"


class _Index(http.server.ThreadingHTTPServer):
    """An index of `pages`, by path; each request is noted in `asked`."""

    def __init__(self, pages):
        self.pages, self.asked = pages, []
        self.until = threading.Event()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/whl/cpu"


class _Answer(http.server.BaseHTTPRequestHandler):
    server: _Index

    def do_GET(self):
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        if page == "silence":
            self.server.until.wait()
        elif page == "drops":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            while not self.server.until.wait(0.2):
                with contextlib.suppress(OSError):
                    self.wfile.write(b" ")
        else:
            body = page or b"no such page"
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(name="serve")
def _serve(monkeypatch):
    """Serves pages, as an index that the rules are told of."""
    with contextlib.ExitStack() as stack:

        def serve(pages):
            index = stack.enter_context(_Index(pages))
            stack.callback(index.shutdown)
            stack.callback(index.until.set)
            threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.05}).start()
            monkeypatch.setenv("BAZEL_TORCH_INDEX", index.address)
            return index

        yield serve


@pytest.fixture(name="settings", autouse=True)
def _settings(tmp_path, monkeypatch):
    """A machine whose pip is shown the public build alone: the folder of its own index, and that of its find-links."""
    (tmp_path / "public" / "tiny").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    name = "tiny-1.0-py3-none-any.whl"
    digest = make_wheel(tmp_path / "public" / "tiny", "tiny", "1.0")
    (tmp_path / "public" / "tiny" / "index.html").write_text(f'<a href="{name}#sha256={digest}">{name}</a>')
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    for variable in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("BAZEL_TORCH_INDEX", raising=False)
    monkeypatch.setenv("BAZEL_WHEEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "public").as_uri())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "not-there").as_uri())  # of which pip complains
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    return digest


@pytest.fixture(name="local_build")
def _local_build(tmp_path):
    """The local build, which no place has yet: (its bytes, its hash)."""
    (tmp_path / "elsewhere").mkdir()
    digest = make_wheel(tmp_path / "elsewhere", "tiny", "1.0+cpu")
    return (tmp_path / "elsewhere" / _WHEEL).read_bytes(), digest


def _pages(wheel):
    """A simple index (PEP 503) with one wheel."""
    link = f'<!DOCTYPE html><a href="/files/{_WHEEL.replace("+", "%2B")}">{_WHEEL}</a>'
    return {"/whl/cpu/tiny/": link.encode(), f"/files/{_WHEEL.replace('+', '%2B')}": wheel}


def _version():
    return pathlib.Path("site-packages", "tiny.py").read_text().split("'")[1]


def _refusal(what):
    with pytest.raises(SystemExit) as failure:
        install_wheel.main(what)
    line = str(failure.value.code)
    assert "\n" not in line, line
    return line


def test_the_index_serves_where_pip_is_shown_no_local_build(serve, local_build):
    wheel, digest = local_build
    index = serve(_pages(wheel))
    install_wheel.main(spec(digest, local_build="tiny==1.0+cpu"))
    assert _version() == "1.0+cpu"
    assert index.asked == list(_pages(wheel))


def test_a_local_build_that_pip_is_shown_leaves_the_index_alone(serve, local_build, tmp_path):
    wheel, digest = local_build
    (tmp_path / "links" / _WHEEL).write_bytes(wheel)
    index = serve(_pages(wheel))
    install_wheel.main(spec(digest, local_build="tiny==1.0+cpu"))
    assert (_version(), index.asked) == ("1.0+cpu", [])


def test_a_wheel_without_a_local_build_leaves_the_index_alone(serve, settings, local_build):
    index = serve(_pages(local_build[0]))
    install_wheel.main(spec(settings))
    assert (_version(), index.asked) == ("1.0", [])


def test_an_empty_address_switches_it_off(local_build, monkeypatch):
    monkeypatch.setenv("BAZEL_TORCH_INDEX", "")
    line = _refusal(spec(local_build[1], local_build="tiny==1.0+cpu"))
    assert line.startswith(
        "no local build: pip was not offered tiny==1.0+cpu, and the build that it was offered instead"
    )
    assert line.endswith(_REMEDY)


def test_where_the_index_is_from_is_no_part_of_the_cache_s_key(serve, local_build, monkeypatch):
    wheel, digest = local_build
    what = spec(digest, local_build="tiny==1.0+cpu")
    serve(_pages(wheel))
    before = install_wheel.cache_entry(what)
    monkeypatch.setenv("BAZEL_TORCH_INDEX", "http://127.0.0.1:9/another")
    assert install_wheel.cache_entry(what) == before


def test_another_file_in_the_index_has_a_wrong_hash(serve, local_build):
    wheel, digest = local_build
    serve(_pages(wheel))
    line = _refusal(spec("0" * 64, local_build="tiny==1.0+cpu"))
    assert line.startswith("wrong hash: the wheel of tiny==1.0+cpu") and digest in line


def test_the_public_build_serves_where_the_lock_allows_it_and_the_index_has_none(serve, settings):
    index = serve({})
    install_wheel.main(spec(settings, local_build="tiny==1.0+cpu"))  # as on macOS
    assert (_version(), index.asked) == ("1.0", ["/whl/cpu/tiny/"])


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({}, "does not list it"),  # 404
        ({"/whl/cpu/tiny/": b"<a href='tiny-2.0-py3-none-any.whl'>tiny-2.0-py3-none-any.whl</a>"}, "does not list it"),
        ({"/whl/cpu/tiny/": bytes(range(256))}, "answered what pip cannot read (UnicodeDecodeError: "),
        ({"/whl/cpu/tiny/": b"<h1>Welcome</h1>"}, "does not list it"),
        ({"/whl/cpu/tiny/": "silence"}, "did not answer within 1 s"),
        ({"/whl/cpu/tiny/": "drops"}, "did not finish within 8 s"),
    ],
    ids=["no-such-page", "another-version", "garbage", "another-page", "silence", "drops"],
)
def test_an_index_without_the_wheel_is_one_line_with_the_remedy(serve, local_build, monkeypatch, pages, says):
    monkeypatch.setattr(install_wheel, "INDEX_SILENT_SECONDS", 1)
    monkeypatch.setattr(install_wheel, "INDEX_SECONDS", 8)
    index = serve(pages)
    line = _refusal(spec(local_build[1], local_build="tiny==1.0+cpu"))
    assert line.startswith(f"no local build: pip was not offered tiny==1.0+cpu, {index.address} {says}")
    assert "the build that it was offered instead is none that the lock allows" in line and line.endswith(_REMEDY)


def test_an_index_that_refuses_connections_is_one_line_with_the_remedy(local_build, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("BAZEL_TORCH_INDEX", address)
        line = _refusal(spec(local_build[1], local_build="tiny==1.0+cpu"))
    assert line.startswith(f"no local build: pip was not offered tiny==1.0+cpu, {address} could not be used (WARNING: ")
    assert "Connection refused" in line and line.endswith(_REMEDY)


def test_a_garbled_wheel_has_a_wrong_hash(serve, local_build):
    serve(_pages(b"garbage"))
    assert _refusal(spec(local_build[1], local_build="tiny==1.0+cpu")).startswith("wrong hash: ")
