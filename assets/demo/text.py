"""Turns what people type into safe HTML: everything is escaped first, then a few
harmless things are allowed back in."""

import re

from markupsafe import Markup, escape

LINK = re.compile(r"https?://[\w.~:/?#@!$()*+,;=%-]+[\w/]")
CODE = re.compile(r"`([^`\n]{1,200})`")


def render(text: str) -> Markup:
    """Paragraphs, line breaks, `code` and http links."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text)]
    return Markup("\n").join(
        Markup(f"<p>{_inline(str(escape(part)))}</p>") for part in paragraphs if part
    )


def _inline(escaped: str) -> str:
    pieces = CODE.split(escaped)  # outside and inside of `…` by turns
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = f"<code>{piece}</code>"
        else:
            linked = LINK.sub(_link, piece)
            pieces[index] = linked.replace("\n", "<br>\n")
    return "".join(pieces)


def _link(match: re.Match) -> str:
    url = match.group(0)
    return f'<a href="{url}" rel="nofollow ugc noopener">{url}</a>'
