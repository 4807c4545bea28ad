"""What may be published: the files of a kind, no code, no links, a card with a licence."""

import pytest

from tracekit.analyzers.linear import Linear, shipped
from tracekit.analyzers.models import save_model
from tracekit.errors import InputError, UsageError
from tracekit_models.hub import pull, push
from tracekit_models.publishable import KINDS, check_folder, licence_of

CARD = "---\nlicense: apache-2.0\n---\n# A model\n"


@pytest.fixture
def linear(tmp_path):
    folder = tmp_path / "linear"
    save_model(Linear(shipped()), folder, definition="decisive", card=CARD)
    return folder


def test_the_files_of_a_folder(linear):
    (linear / ".git").mkdir()
    (linear / ".git" / "hook.py").write_text("")
    (linear / "LICENSE").write_text("free")
    found = check_folder("linear", linear)
    assert found == ["LICENSE", "README.md", "config.json", "fingerprints.txt", "weights.json"]


@pytest.mark.parametrize("name", ["weights.pkl", "model.pt", "model.bin", "run.py", "a.sh", "odd"])
def test_code_and_pickles_are_refused(linear, name):
    (linear / name).write_bytes(b"")
    with pytest.raises(InputError, match="no code and no pickles"):
        check_folder("linear", linear)


def test_links_are_refused(linear, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (linear / "more.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(InputError, match="a link"):
        check_folder("linear", linear)


@pytest.mark.parametrize("name", ["README.md", "config.json", "weights.json"])
def test_a_missing_file_is_said(linear, name):
    (linear / name).unlink()
    with pytest.raises(InputError, match=r"not a linear: .*missing"):
        check_folder("linear", linear)


def test_a_model_of_another_kind(linear):
    with pytest.raises(InputError, match="a model of linear, not of compact"):
        check_folder("compact", linear)


def test_damaged_weights_are_not_published(linear):
    (linear / "weights.json").write_text("{}")
    with pytest.raises(InputError, match="not the bytes"):
        push("linear", linear, "ada/boats")


def test_a_data_set_needs_data(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    with pytest.raises(InputError, match=r"a file of .*jsonl"):
        check_folder("dataset", tmp_path)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\r\ntags: [a]\r\nlicense: 'cc-by-4.0'\r\n---\r\ntext", "cc-by-4.0"),
        ("---\nlicense: unknown\n---\n", None),
        ("---\nlicense:\n---\n", None),
        ("---\ntags: [a]\n---\nlicense: mit\n", None),
        ("# no header\nlicense: mit\n", None),
        ("---\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_the_licence_stands_in_the_header(tmp_path, card, licence):
    (tmp_path / "README.md").write_bytes(card.encode())
    assert licence_of(tmp_path) == licence


def test_a_card_without_a_licence_is_not_published(linear):
    (linear / "README.md").write_text("# mine\n")
    with pytest.raises(InputError, match="names no licence"):
        push("linear", linear, "ada/boats")


@pytest.mark.parametrize("repo", ["boats", "a/b/c", "../boats", "a/..", "https://x/y", "a b/c", ""])
def test_names_that_are_no_repository(linear, repo):
    with pytest.raises(UsageError, match="owner/name"):
        push("linear", linear, repo)
    with pytest.raises(UsageError, match="owner/name"):
        pull("linear", repo)


@pytest.mark.parametrize("revision", ["", "../main", "a b", "-x"])
def test_names_that_are_no_revision(revision):
    with pytest.raises(UsageError, match="is named like that"):
        pull("linear", "ada/boats", revision=revision)


def test_an_unknown_kind(linear):
    with pytest.raises(UsageError, match=f"known: {', '.join(KINDS)}"):
        push("spaceship", linear, "ada/boats")
