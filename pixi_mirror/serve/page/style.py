"""The style of all pages, the same for every mirror, and the policy that allows nothing else.

One small set of colours, sizes and parts. Every text has the contrast of WCAG 2.2, 1.4.3 in both schemes.
"""

import base64
import hashlib

TINTS = 7
"""Colours of a picture; the last one is for all the rest."""

_LIGHT = """\
--ink:#1b1f24;--soft:#505a66;--back:#fff;--card:#f4f6f8;--line:#d5dbe1;--link:#0b57b0;--warn:#8a3b00;
--t0:#b9d6f7;--t1:#bfe5c6;--t2:#f8dfa6;--t3:#eac6ee;--t4:#f9cbbf;--t5:#b8e4e6;--t6:#dde2e8"""
_DARK = """\
--ink:#e7ebf0;--soft:#a9b4c0;--back:#14181d;--card:#1e242b;--line:#3a444f;--link:#85bbff;--warn:#ffb27a;
--t0:#27497a;--t1:#2b5a37;--t2:#67501c;--t3:#5f3a66;--t4:#743c30;--t5:#215a5d;--t6:#3a434d"""

STYLE = f"""\
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:68rem;padding:0 1rem 3rem;background:var(--back);color:var(--ink);
font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}}
a{{color:var(--link);text-underline-offset:.15em}}
h1{{font-size:1.75rem;line-height:1.25;margin:.4rem 0}}
h2{{font-size:1.2rem;margin:2.2rem 0 .5rem}}
h3{{font-size:1rem;margin:1.2rem 0 .3rem}}
summary h3{{display:inline;margin:0}}
p{{margin:.4rem 0}}
code,pre{{font:.9em/1.5 ui-monospace,monospace}}
.soft,caption{{color:var(--soft)}}.lead{{font-size:1.05rem}}.warn{{color:var(--warn);font-weight:600}}
.top{{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem 1.5rem;padding:.8rem 0;
border-bottom:1px solid var(--line)}}
.top>a{{font-weight:600;text-decoration:none}}
.find{{display:flex;flex-wrap:wrap;gap:.5rem;flex:1 1 16rem;align-items:center;margin:0}}
.find.large{{margin:1rem 0}}
.find input{{flex:1 1 10rem;min-width:0}}
.find span{{display:flex;flex:1 1 10rem;gap:.5rem;align-items:center;min-width:0}}.find select{{flex:1;min-width:0}}
.seen-by-voice{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}}
input,select,button{{font:inherit;color:inherit;background:var(--card);border:1px solid var(--soft);
border-radius:.4rem;padding:.4rem .6rem;max-width:100%;min-height:2.5rem}}
button{{cursor:pointer;font-weight:600}}
nav ul,.list{{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;list-style:none;padding:0;margin:.5rem 0}}
.trail li+li::before{{content:"/";color:var(--soft);margin-inline-end:.5rem}}.trail ul{{gap:.3rem .5rem}}
[aria-current]{{font-weight:600;color:var(--ink);text-decoration:none}}
.chip{{display:inline-block;background:var(--card);border:1px solid var(--line);border-radius:1rem;
padding:.05rem .7rem;font-size:.85rem;margin-inline-end:.3rem}}
.list .chip{{margin:0}}td .list{{margin:0}}
details{{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:0 .8rem}}
summary{{cursor:pointer;padding:.55rem 0}}
details[open]>summary{{border-bottom:1px solid var(--line);margin-bottom:.5rem}}
dl{{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.25rem 1rem;margin:.5rem 0}}
dt{{color:var(--soft)}}dd{{margin:0;min-width:0}}
table{{border-collapse:collapse;width:100%;margin-bottom:.6rem}}
caption{{text-align:start;padding:.2rem 0}}
th,td{{text-align:start;vertical-align:top;padding:.35rem .7rem .35rem 0;border-top:1px solid var(--line)}}
thead th{{color:var(--soft);font-weight:500;font-size:.9rem;border-top:0}}
tbody th{{font-weight:600}}th:not(.n),td:not(.n){{min-width:5.2rem}}
.minor .soft{{white-space:nowrap}}
.n{{text-align:end;white-space:nowrap;padding-inline-end:0;padding-inline-start:.7rem}}
pre{{background:var(--card);border-radius:.5rem;padding:.7rem .9rem;overflow:auto;overflow-wrap:normal;margin:.5rem 0}}
figure{{margin:1rem 0}}
svg{{display:block;width:100%}}svg text{{fill:var(--ink);font:13px system-ui,sans-serif}}
svg .small{{fill:var(--ink);font-size:11px}}
svg.strip{{height:1.3rem;border-radius:.4rem}}svg.share{{height:.3rem;background:var(--card);border-radius:.2rem}}
svg.share rect{{fill:var(--link)}}
.wide{{display:none}}
.swatch{{display:inline-block;width:.9rem;height:.9rem;vertical-align:-.1rem;margin-inline-end:.45rem}}
{"".join(f".t{number}{{fill:var(--t{number})}}" for number in range(TINTS))}
rect{{stroke:var(--back);stroke-width:1;vector-effect:non-scaling-stroke}}
.legend{{list-style:none;padding:0;margin:.5rem 0}}.legend li{{padding:.1rem 0 .1rem 1.4rem;position:relative}}
.legend .swatch{{position:absolute;left:0;top:.45rem}}
:focus-visible{{outline:3px solid var(--link);outline-offset:2px;border-radius:.2rem}}
footer{{margin-top:3rem;padding-top:.8rem;border-top:1px solid var(--line);color:var(--soft);font-size:.9rem}}
@media (min-width:44rem){{.wide{{display:block}}.tall{{display:none}}}}
@media (max-width:30rem){{dl{{grid-template-columns:1fr;gap:0}}dd{{margin-bottom:.4rem}}h1{{font-size:1.45rem}}
.minor{{display:none}}th:not(.n),td:not(.n){{min-width:4.2rem}}.n{{padding-inline-start:.4rem}}}}
@media print{{.top,nav,form{{display:none}}body{{max-width:none}}details{{break-inside:avoid}}}}
"""


def _source(text: str) -> str:
    """CSP Level 3: a hash source allows one inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = f"default-src 'none'; style-src {_source(STYLE)}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""The value of `Content-Security-Policy`: no script at all, and the form of the search asks this server alone."""
