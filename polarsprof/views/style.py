"""The style sheet of HTML fragments, and escaping of text.

A class scopes every rule of the sheet. Text and background take the colors of the surrounding page. Accents suit light
and dark pages, and follow the system of the reader.
"""

from __future__ import annotations

import html
from typing import Final

from polarsprof.profiles import text

STYLE: Final = """
.polarsprof{--accent:#2f6f9f;--bar:#2f6f9f26;--soft:#2f6f9f66;--line:#00000022;--warn:#a33b1e;--mark:#d98a00;
--gap:#00000014;--back:#fff;font:13px/1.4 system-ui,sans-serif;max-width:100%;overflow-x:auto;color:inherit}
@media (prefers-color-scheme:dark){.polarsprof{--accent:#6fb1dd;--bar:#6fb1dd33;--soft:#6fb1dd66;--line:#ffffff2b;
--warn:#f0937a;--mark:#f0b64a;--gap:#ffffff1f;--back:#111}}
.polarsprof table{border-collapse:collapse;margin:6px 0;font:inherit;color:inherit}
.polarsprof th,.polarsprof td{padding:6px 12px;border:0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;background:none;white-space:nowrap;color:inherit}
.polarsprof thead th{font-weight:600;opacity:.75}
.polarsprof .n{text-align:right;font-variant-numeric:tabular-nums}
.polarsprof .name{font-weight:600;max-width:22em;overflow:hidden;text-overflow:ellipsis}
.polarsprof small{opacity:.7;font-size:11px}
.polarsprof .some{color:var(--warn)}
.polarsprof svg{display:block;width:100%;min-width:144px;fill:var(--accent)}
.polarsprof td svg{width:200px}
.polarsprof .w{fill:var(--soft)}
.polarsprof .m{fill:var(--mark)}
.polarsprof .ends{display:flex;justify-content:space-between;gap:8px}
.polarsprof dl{display:grid;grid-template-columns:auto auto;gap:0 12px;margin:0;max-width:22em;width:max-content;
min-width:12em}
.polarsprof dt{opacity:.7;font-weight:400}
.polarsprof dd{margin:0;text-align:right;font-variant-numeric:tabular-nums;max-width:16em;overflow:hidden;
text-overflow:ellipsis}
.polarsprof .top{position:relative;width:210px;display:flex;justify-content:space-between;gap:8px;margin-bottom:1px;
padding:0 4px}
.polarsprof .top .b{position:absolute;inset:0;width:100%;height:100%;min-width:0;fill:var(--bar)}
.polarsprof .top span{position:relative;white-space:nowrap}
.polarsprof .top span:first-of-type{overflow:hidden;text-overflow:ellipsis}
.polarsprof summary{cursor:pointer;padding:2px 0}
.polarsprof td summary{opacity:.7;font-size:11px}
.polarsprof .strip{display:grid;grid-template-columns:7em minmax(144px,1fr) 11em;gap:2px 10px;align-items:center;
max-width:960px;font-variant-numeric:tabular-nums}
.polarsprof .strip svg{overflow:visible}
.polarsprof .strip .l{fill:none;stroke:var(--accent);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.polarsprof .strip path{vector-effect:non-scaling-stroke}
.polarsprof .strip .a{fill:var(--bar);stroke:var(--bar)}
.polarsprof .strip .g{fill:var(--gap)}
.polarsprof .strip .t{fill:var(--warn)}
.polarsprof .strip .c{fill:none;stroke:var(--mark)}
.polarsprof .strip .kg{background:var(--gap)}
.polarsprof .strip .kt{border-bottom:3px solid var(--warn)}
.polarsprof .strip .kc{outline:1px solid var(--mark)}
.polarsprof .strip .kg,.polarsprof .strip .kt,.polarsprof .strip .kc{opacity:1;padding:0 4px;margin-right:2px;
white-space:nowrap}
.polarsprof .strip .h{fill:transparent}
.polarsprof .strip .h:hover{fill:var(--bar)}
""".replace("\n", "")


def escaped(value: str, max_characters: int = text.LONGEST_VALUE) -> str:
    """Any text as HTML text: on one line, cut, and escaped for attributes too."""
    return html.escape(text.clean(value, max_characters), quote=True)


def attribute(name: str, value: str) -> str:
    """An attribute of a tag after a space; empty for an empty value.

    The value must be escaped.
    """
    return f' {name}="{value}"' if value else ""


def fragment(content: str) -> str:
    """An HTML fragment with its style sheet.

    The fragment is ASCII, so it reads the same in a page of any encoding.
    """
    whole = f'<div class="polarsprof"><style>{STYLE}</style>{content}</div>'
    return whole.encode("ascii", "xmlcharrefreplace").decode("ascii")
