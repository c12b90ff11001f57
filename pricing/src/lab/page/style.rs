//! The page's style sheet, light and dark.

/// Two colours that stand apart for most kinds of sight (Okabe and Ito's blue and vermilion, darker on
/// light ground, lighter on dark).
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--quiet:#57606a;--line:#d0d7de;\
--box:#f6f8fa;--a:#0060a8;--b:#c44d00;--note:#fff8c5}\
@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--ink:#e6edf3;--quiet:#9da7b3;\
--line:#30363d;--box:#161b22;--a:#58a6ff;--b:#f0883e;--note:#3b2e00}}\
*{box-sizing:border-box}\
body{margin:0 auto;max-width:78rem;padding:1.5rem;background:var(--ground);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .75rem}\
h3{font-size:1rem;margin:0 0 .25rem}p{margin:.4rem 0;max-width:48rem}\
.quiet,figcaption,dt{color:var(--quiet)}code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}\
.note{background:var(--note);border-radius:6px;padding:.6rem .9rem;margin:1rem 0}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
caption{text-align:left;color:var(--quiet);padding:.25rem 0}\
th,td{padding:.35rem .5rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\
th:first-child,td:first-child{text-align:left}\
thead th{color:var(--quiet);font-weight:600;border-bottom:2px solid var(--line)}\
tbody th{font-weight:500}.sure{font-weight:700}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,32rem),1fr));gap:1rem}\
figure{margin:0;background:var(--box);border:1px solid var(--line);border-radius:8px;padding:1rem}\
svg{display:block;width:100%;height:auto}svg text{fill:var(--quiet);font-size:14px}\
.grid{stroke:var(--line)}.zero{stroke:var(--quiet)}\
path{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}.s0{stroke:var(--a)}\
.s1{stroke:var(--b);stroke-dasharray:7 4}.f0{fill:var(--a)}.f1{fill:var(--b)}\
.hatch{stroke:var(--box);stroke-width:2}\
.key{display:inline-flex;align-items:center;gap:.4rem;margin-right:1.2rem}\
.key svg{width:28px;height:10px}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:0}dd{margin:0}\
@media print{body{max-width:none}figure{break-inside:avoid}}";
