"""Language tasks whose plans a language model writes, and embeds: what is paid for, and that no key is told."""

import json

from configs import lm_guide_train as train_config
from humain.testing import openai_server
from tasks import lm_data_interpret, lm_data_prepare, lm_guide_inference, lm_guide_train
from tasks.language import running

# Long enough to be redacted: shorter ones are taken for the words of servers that ask for no key.
_KEY = "sk-known-and-fake-0123456789"


def _small_hierarchy():
    return train_config.get_config("smoke").models.hierarchy.to_dict()


def test_plans_and_goals_are_not_asked_for_at_once(tmp_path, capfd):
    path = tmp_path / "text"
    path.write_text("")
    words = (f"--corpus={path}", f"--goals={path}")
    assert "pass one of the two" in running.refusal(capfd, lm_data_prepare, tmp_path / "w", *words, code=2)
    assert f"there is no goal in {path}" in running.refusal(capfd, lm_data_prepare, tmp_path / "v", words[1])


def _serve(monkeypatch, server):
    for name, value in server.environment(_KEY).items():
        monkeypatch.setenv(name, value)


def test_what_was_paid_for_is_not_asked_for_again_by_another_config(tmp_path, capfd, monkeypatch):
    goals = tmp_path / "goals.txt"
    goals.write_text("make tea\nmake coffee\n")
    words = (f"--goals={goals}", "--config.writer.model=m")
    folder = tmp_path / "w"
    with openai_server.serving(reply=lambda prompt: "Boil water. Pour it.") as server:
        _serve(monkeypatch, server)
        assert running.run(lm_data_prepare, folder, *words) == 0
        assert len(server.requests) == 2
        assert "--clear to delete it" in running.refusal(
            capfd, lm_data_prepare, folder, *words, "--config.writer.max_tokens=9"
        )
        assert running.run(lm_data_prepare, folder, "--clear") == 0
        goals.write_text("make tea\nmake coffee\nmake soup\n")
        assert running.run(lm_data_prepare, folder, *words, "--config.writer.max_tokens=9") == 0
        assert len(server.requests) == 3
        assert "soup" in server.requests[-1].prompt


def test_no_writer_is_paid_before_there_is_an_embedder(tmp_path, capfd, monkeypatch):
    goals = tmp_path / "goals.txt"
    goals.write_text("make tea\n")
    with openai_server.serving() as server:
        _serve(monkeypatch, server)
        nowhere = tmp_path / "nowhere"
        words = (f"--goals={goals}", "--config.writer.model=m", "--config.embedder.name=huggingface")
        assert running.run(lm_data_prepare, tmp_path / "w", *words, f"--config.embedder.model={nowhere}") == 1
        assert str(nowhere) in capfd.readouterr().err
        assert not server.requests


def test_plans_that_a_model_writes_for_goals_become_a_data_set(tmp_path, capfd, monkeypatch):
    goals = tmp_path / "goals.txt"
    goals.write_text("make tea\n\n  make   coffee\n")
    words = (f"--goals={goals}", "--config.writer.model=m")
    with openai_server.serving(reply=lambda prompt: "1. Boil water.\n2. Pour it.\n") as server:
        _serve(monkeypatch, server)
        assert running.run(lm_data_prepare, tmp_path / "w", *words) == 0
        assert sorted("tea" in request.prompt for request in server.requests) == [False, True]
        assert "2 train plans by openai:m, 2 sentences by minilm" in capfd.readouterr().out
        server.reply = lambda prompt: "---"
        assert running.run(lm_data_prepare, tmp_path / "v", *words) == 1
        error = capfd.readouterr().err.splitlines()[-1]
    assert error == ("lm_data_prepare: the writer's text for the goal 'make tea' has no sentence; try another model")
    plans = (tmp_path / "w" / "lm_data_prepare" / "data" / "plans.jsonl").read_text().splitlines()
    assert [json.loads(plan)["goal"] for plan in plans] == ["make tea", "make coffee"]
    assert [json.loads(plan)["steps"] for plan in plans] == [[0, 1], [0, 1]]


def test_the_key_is_in_no_file_and_in_nothing_that_is_printed(tmp_path, capfd, monkeypatch):
    goals = tmp_path / "goals.txt"
    goals.write_text("make tea\nmake coffee\nmake a soup\n")
    folder = tmp_path / "w"
    words = (f"--goals={goals}", "--config.writer.model=m")
    embedder = ("--config.embedder.name=openai", "--config.embedder.model=e")
    decoder = [f"--config.decoder.{word}" for word in ("name=rewrite", "model=m", "splits=('train',)")]
    # A model that repeats the key in all that it writes.
    with openai_server.serving(reply=lambda prompt: f"Boil with {_KEY}. Take {len(prompt)} cups.") as server:
        _serve(monkeypatch, server)
        assert running.run(lm_data_prepare, folder, *words, *embedder) == 0
        assert running.run(lm_guide_train, folder, f"--config.models={ ({'hierarchy': _small_hierarchy()}) }") == 0
        assert running.run(lm_guide_inference, folder, "--goal=make a pot of tea") == 0
        assert running.run(lm_data_interpret, folder, *decoder) == 0
        assert {request.authorization for request in server.requests} == {f"Bearer {_KEY}"}
        assert {request.path for request in server.requests} == {"/v1/chat/completions", "/v1/embeddings"}
    # Servers that repeat it in errors, and a key in the wrong place.
    for status in (401, 400):
        with openai_server.serving([openai_server.echoes_key(status)] * 8) as server:
            _serve(monkeypatch, server)
            assert running.run(lm_data_prepare, tmp_path / f"{status}", *words) == 1
            assert running.run(lm_data_prepare, tmp_path / f"{status}e", *embedder) == 1
    assert running.run(lm_data_prepare, tmp_path / "v", words[0], f"--config.writer.model={_KEY}") == 1
    texts = [text.encode() for text in capfd.readouterr()]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts += [path.read_bytes() for path in files]
    for part in (_KEY, _KEY[:12], _KEY[-10:]):
        assert not any(part.encode() in text for text in texts)
        assert not any(part in str(path) for path in files)
    # What they repeated has come this far.
    for name in ("written.jsonl", "rewritten.jsonl", "lm_data_prepare/data/vocabulary.jsonl", "report.html"):
        assert "[secret]" in (folder / name).read_text()
    assert b"answers 401 ([secret] is wrong" in texts[1]
