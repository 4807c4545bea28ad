"""Hostile text made harmless to look at: what cannot be seen is shown, what acts is named.

Log text may hold terminal escapes, overrides of the reading direction, invisible characters and
half surrogates. `visible` turns each into a printable mark and leaves the rest alone, so the
reader sees that it was there. The same befalls what a runner of GitHub Actions takes for a command,
wherever it stands: a narrow column may break the line before it. Escaping for HTML, or for rich, is the caller's next step.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_COMMAND = re.compile(
    r"(?:::|##\[)(?=(?:error|warning|notice|debug|group|endgroup|echo|(?:add|remove)-matcher|add-mask"
    r"|add-path|internal-set-repo-path|save-state|set-env|set-output|stop-commands)(?:[\s\]]|::|$))",
    re.IGNORECASE,
)
_BREAKS = re.compile(r"\r\n?")
_BLANKS = re.compile(r"\s+")


def visible(text: str) -> str:
    r"""The text with control, bidi and invisible characters replaced by marks; keeps `\n` and `\t`.

    Line ends become `\n`. C0 controls become their pictures (U+2400...), all others their code
    points. Joiners inside words and emoji (U+200C, U+200D) stay. What opens a command of a runner
    (`::`, `##[`) is put into angles.

    >>> visible("\x1b[31mred\u202etxt\r\n")
    '␛[31mred⟨U+202E⟩txt\n'
    >>> visible("::error::x std::vector"), visible("Log::error(x)")
    ('⟨::⟩error::x std::vector', 'Log::error(x)')
    """
    return _COMMAND.sub(r"⟨\g<0>⟩", _HIDDEN.sub(_mark, _BREAKS.sub("\n", text)))


def one_line(text: str, limit: int = 80) -> str:
    r"""`visible` text on one line, cut to `limit` characters with an ellipsis.

    >>> one_line("  a\n b\tc ", 4)
    'a b…'
    """
    head = text[: 4 * limit + 200]  # enough to fill the line; the rest may be megabytes
    line = visible(_BLANKS.sub(" ", head).strip())
    return (
        line if len(line) <= limit and len(head) == len(text) else line[: limit - 1].rstrip() + "…"
    )


def _mark(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
