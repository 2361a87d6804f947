"""The style and the script of the page, the same for every mirror, and the policy that allows nothing else."""

import base64
import hashlib

STYLE = """\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#505a66;--back:#fff;--card:#f4f6f8;--line:#c9d0d8;--link:#0b57b0}
@media (prefers-color-scheme:dark){
:root{--ink:#e7ebf0;--soft:#a9b4c0;--back:#14181d;--card:#1e242b;--line:#3a444f;--link:#85bbff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--back);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:.3rem 0}h2{font-size:1.25rem;margin:2rem 0 .5rem}h3{display:inline;font-size:1rem;margin:0}
a{color:var(--link)}nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.5rem 0}
.soft,caption{color:var(--soft)}caption{text-align:start;padding:.3rem 0}
details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0;padding:0 .7rem}
summary{cursor:pointer;padding:.5rem 0}
table{border-collapse:collapse;width:100%;margin-bottom:.6rem}
th,td{text-align:start;vertical-align:top;padding:.25rem .6rem .25rem 0;border-top:1px solid var(--line)}
tbody th{font-weight:600}td:nth-last-child(-n+2),th:nth-last-child(-n+2){text-align:end}
pre{background:var(--card);border-radius:.4rem;padding:.7rem;overflow:auto;overflow-wrap:normal}
input{width:100%;font:inherit;color:inherit;background:var(--card);border:1px solid var(--soft);
border-radius:.4rem;padding:.5rem}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
[hidden]{display:none}
"""

# The search hides rows of tables. Its words stand in the fragment of the URL, so the server never sees them.
SCRIPT = """\
"use strict";(()=>{
const box=document.getElementById("search"),count=document.getElementById("found"),
groups=[...document.querySelectorAll("details.place")].map(each=>({each,was:each.open,
rows:[...each.querySelectorAll("tbody tr")].map(row=>({row,words:row.cells[0].textContent.toLowerCase()}))}));
function look(){
const words=box.value.trim().toLowerCase().split(/\\s+/).filter(Boolean);let found=0;
for(const {each,was,rows} of groups){let here=0;
for(const {row,words:has} of rows){const fits=words.every(word=>has.includes(word));row.hidden=!fits;here+=fits}
each.hidden=words.length>0&&here===0;each.open=words.length?here>0:was;found+=here}
count.textContent=words.length?(found===1?"1 package":found+" packages"):""}
function read(){const match=/^#q=(.*)$/.exec(location.hash);if(!match)return;
try{box.value=decodeURIComponent(match[1])}catch{box.value=match[1]}look()}
let soon;box.addEventListener("input",()=>{clearTimeout(soon);soon=setTimeout(()=>{look();
history.replaceState(null,"",box.value?"#q="+encodeURIComponent(box.value):location.pathname+location.search)},120)});
document.getElementById("searching").hidden=false;addEventListener("hashchange",read);read()})();
"""


def _source(text: str) -> str:
    """CSP Level 3: a hash source allows one inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The value of `Content-Security-Policy`."""
