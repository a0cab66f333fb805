"""Text from cards, clips and paths, made harmless in Markdown and in LaTeX."""

from __future__ import annotations

import html
import re
import unicodedata

NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Not the underscore, which is no markup inside a word; of a link, only what makes it one.
_SPECIAL = re.compile(r"([\\`*|]|(?<=\])\()")

# What TeX would join with the character after it into another one.
_LIGATURE = re.compile(r"-(?=-)|'(?=')|[?!](?=\\`)")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Its plain quote closes, its plain [ after \\\\ opens an option.
    '"': r"\textquotedblright{}",
    "`": r"\`{}",
    "[": r"{[}",
    "]": r"{]}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≠": r"$\neq$",
    "α": r"$\alpha$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ı": r"\i{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def one_line(text: str) -> str:
    """The text without line breaks, and with ``?`` for what XML does not allow."""
    return " ".join(NOT_IN_XML.sub("?", text).split())


def markdown_text(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(one_line(text), quote=False))


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is, on one line, in ASCII and with no package.

    What its own fonts lack is set as its code point: ``U+65E5``.
    """
    characters = "".join(map(_latex_character, one_line(text)))
    return _LIGATURE.sub(r"\g<0>{}", characters)


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii() and character.isprintable():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"U+{ord(character):04X}"
