"""The page around the sections: security policy, styles, table of contents."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from polarsprof.views.style import STYLE

_STYLE: Final = (
    STYLE
    + """
:root{color-scheme:light dark}
body{margin:0;background:#fff;color:#1b1f24}
main{max-width:1120px;margin:0 auto;padding:24px 28px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:19px;margin:36px 0 8px;border-bottom:2px solid var(--line);padding-bottom:4px}
h3{font-size:15px;margin:0;overflow-wrap:anywhere}
p{margin:4px 0;max-width:80em;overflow-wrap:anywhere}
a{color:var(--accent)}
nav{margin:14px 0}
nav a{display:inline-block;margin-right:16px}
small{overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0;padding:0;list-style:none}
.tiles li{border:1px solid var(--line);border-radius:6px;padding:8px 14px;min-width:6em}
.tiles b{display:block;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
.polarsprof .wide td,.polarsprof .wide th{padding:3px 10px}
.polarsprof .wide td.wrap{white-space:normal;min-width:22em;max-width:40em;overflow-wrap:anywhere}
.polarsprof .wide td.name{max-width:18em}
.polarsprof .wide th{white-space:normal;vertical-align:bottom}
caption{text-align:left;opacity:.75;padding:4px 0}
.card{border:1px solid var(--line);border-radius:8px;padding:12px 16px;margin:12px 0}
.card .parts{display:grid;grid-template-columns:11em 15em minmax(160px,1fr) 230px;gap:8px 28px;margin-top:8px}
.card .parts>div{min-width:0}
.card .parts dl{min-width:0;width:auto}
.card .top{width:auto}
.windows{columns:32em}
.windows table{width:100%;margin:0}
.card .strip{margin-top:10px}
.card details dl{display:inline-grid;vertical-align:top;margin:4px 32px 4px 0}
.warn{color:var(--warn)}
.polarsprof .strip{max-width:none}
.g{fill:var(--gap)}
.t{fill:var(--warn)}
.c{fill:none;stroke:var(--mark);vector-effect:non-scaling-stroke}
@media (max-width:820px){main{padding:16px}.card .parts{grid-template-columns:1fr 1fr}
.polarsprof .strip{grid-template-columns:1fr}}
@media screen and (prefers-color-scheme:dark){body{background:#14171a;color:#dfe3e8}}
@page{margin:13mm}
@media print{main{max-width:none;padding:0}body{background:#fff;color:#000}.polarsprof{font-size:10px}
h2,h3,summary{break-after:avoid}.card,tr,.tiles li,.strip>svg{break-inside:avoid}nav{display:none}
.wide{overflow:visible}.polarsprof{overflow:visible}
details::details-content{content-visibility:visible;display:block;block-size:auto}
.card .parts{grid-template-columns:9em 13em minmax(120px,1fr) 200px;gap:6px 16px}
.polarsprof .strip{grid-template-columns:6em minmax(120px,1fr) 11em}
svg{print-color-adjust:exact}}
"""
).replace("\n", "")
# The page loads nothing, runs no script and sends no form; a hash allows its style sheet.
_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page; all texts are escaped.

    Attributes
    ----------
    id
        The anchor.
    heading
        The heading, also shown in the table of contents.
    content
        HTML below the heading.
    """

    id: str
    heading: str
    content: str


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a page; all texts are escaped.

    Attributes
    ----------
    title
        The heading of the page.
    lead
        HTML below the title.
    sections
        The sections in order.
    """

    title: str
    lead: str
    sections: list[Section]


def page(body: Body) -> str:
    """The whole page in ASCII, so that it reads the same in any encoding."""
    contents = "".join(f'<a href="#{section.id}">{section.heading}</a>' for section in body.sections)
    parts = "".join(
        f'<section id="{section.id}" aria-labelledby="h-{section.id}"><h2 id="h-{section.id}">{section.heading}</h2>'
        f"{section.content}</section>"
        for section in body.sections
    )
    whole = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{body.title}</title><style>{_STYLE}</style></head><body class="polarsprof"><main>'
        f'<header><h1>{body.title}</h1>{body.lead}</header><nav aria-label="Contents">{contents}</nav>{parts}'
        "</main></body></html>\n"
    )
    return whole.encode("ascii", "xmlcharrefreplace").decode("ascii")
