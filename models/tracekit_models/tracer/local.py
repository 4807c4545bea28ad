"""A tracer in this process: transformers, in batches, the last line of an answer constrained."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from tracekit.analyzers.tracer.trained import FILE, Trained, read, settled
from tracekit.analyzers.tracer.writing import Wanted, Written
from tracekit.llm.errors import TruncatedAnswer
from tracekit_models.tracer.base import named
from tracekit_models.tracer.constrain import AnswerLine, trie


class Local:
    """A causal language model that writes answers. Same weights, prompts and seed: same texts."""

    def __init__(
        self,
        model: PreTrainedModel,
        words: PreTrainedTokenizerBase,
        settings: dict[str, Any],
        id: str,
        trained: Trained | None = None,
    ) -> None:
        self.id = id
        self.trained = trained
        self._model = model.eval()
        self._words = words
        self._words.padding_side = "left"
        self.settings = settings
        """Of them `batch`, `constrained`, `temperature` and `max_tokens` count here."""

    @property
    def room(self) -> int | None:
        """Positions of the model less those of the chat's marks; None = it names no limit."""
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        empty = [{"role": role, "content": ""} for role in ("system", "user")]
        return None if most is None else int(most) - self.count(self._chat(empty))

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._words(text, add_special_tokens=False)["input_ids"])

    def write(self, wanted: Sequence[Wanted]) -> list[Written]:
        """Texts in batches; prompts of like length share one."""
        prompts = [self._prompt(each) for each in wanted]
        order = sorted(range(len(wanted)), key=lambda at: (-len(prompts[at]), at))
        found: dict[int, Written] = {}
        size = self.settings["batch"]
        for start in range(0, len(order), size):
            places = order[start : start + size]
            texts = self._batch([prompts[at] for at in places], [wanted[at] for at in places])
            found.update(zip(places, texts, strict=True))
        return [found[at] for at in range(len(wanted))]

    def _prompt(self, wanted: Wanted) -> str:
        return self._chat([{"role": role, "content": text} for role, text in wanted.page.messages])

    def _chat(self, talk: list[dict[str, str]]) -> str:
        return str(
            self._words.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        )

    def _batch(self, prompts: Sequence[str], wanted: Sequence[Wanted]) -> list[Written]:
        how = self.settings
        read = self._words(
            list(prompts), return_tensors="pt", padding=True, add_special_tokens=False
        )
        read = read.to(self._model.device)
        start = read["input_ids"].shape[1]
        processors = LogitsProcessorList()
        if how["constrained"]:
            end = self._words.eos_token_id
            tries = [trie(each.choices, self._words, end) for each in wanted]
            processors.append(AnswerLine(tries, self._words, start))
        sampled: dict[str, Any] = {"do_sample": False}
        if how["temperature"] > 0:
            set_seed(wanted[0].seed)
            sampled = {
                "do_sample": True,
                "temperature": how["temperature"],
                "top_p": 1.0,
                "top_k": 0,
            }
        with torch.no_grad():
            done = self._model.generate(
                **read,
                logits_processor=processors,
                generation_config=GenerationConfig(
                    **sampled,
                    max_new_tokens=how["max_tokens"],
                    eos_token_id=self._words.eos_token_id,
                    pad_token_id=self._words.pad_token_id,
                ),
            )
        return [
            self._written(ids[start:], int(mask.sum()))
            for ids, mask in zip(done, read["attention_mask"], strict=True)
        ]

    def _written(self, ids: torch.Tensor, prompt: int) -> Written:
        end = (ids == self._words.eos_token_id).nonzero()
        kept = ids[: int(end[0])] if len(end) else ids
        text = str(self._words.decode(kept, skip_special_tokens=False))
        tokens = prompt + len(kept)
        if not len(end):
            limit = self.settings["max_tokens"]
            error = TruncatedAnswer(f"the answer is longer than {limit} tokens", raw=text)
            return Written(text, tokens, error=error)
        return Written(text, tokens)


def load(name: str, settings: dict[str, Any]) -> Local:
    """The model of a folder, or of `owner/name[@revision]` on the Hub; adapters go on their base.

    What `settings` leave open is as the model was trained (`tracekit.analyzers.tracer.trained`).
    """
    folder = Path(name)
    repo, _, revision = name.partition("@")
    if folder.is_dir():
        model, words = named(name, _precision(), device=_device())
        id = weights(folder)
        trained = read(folder / FILE) if (folder / FILE).exists() else None
    else:
        model, words = named(repo, _precision(), revision or None, device=_device())
        commit = getattr(model.config, "_commit_hash", None) or revision or "main"
        id = f"{repo}@{commit}"
        trained = _on_hub(repo, commit)
    writer = Local(model, words, settings, id, trained)
    writer.settings = settled(settings, trained, writer.room)[0]
    return writer


def _on_hub(repo: str, commit: str) -> Trained | None:
    """What the repository says of its training; None when it has no such file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return read(Path(hf_hub_download(repo, FILE, revision=commit)))
    except LocalEntryNotFoundError:
        warnings.warn(
            f"{repo}: the Hub cannot be reached for {FILE}, which would say how this model is to be "
            "asked; defaults hold",
            stacklevel=2,
        )
        return None
    except EntryNotFoundError:
        return None


def weights(folder: Path) -> str:
    """Hash over the weights of a folder, 12 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _precision() -> str:
    return "bf16" if torch.cuda.is_available() else "fp32"


def _device() -> str | None:
    return "cuda" if torch.cuda.is_available() else None
