/** Style of the page, after the webcam page's style sheet, whose colors and buttons it shares. */
export const style = `
:root {
  --c0: light-dark(#0072b2, #56b4e9); --c1: light-dark(#c24e00, #f0a04b); --c2: light-
  dark(#00795c, #3fc29c); --c3: light-dark(#a0527f, #d993bc); --c4: light-dark(#86602b, #d3b57c);
  --c5: light-dark(#5d5a9c, #a9a5e6); --c6: light-dark(#4d7c0f, #a3d65c); --c7: light-
  dark(#5c6068, #c3c6cc); --good: light-dark(#00694f, #66d6b2);
}
header, main { max-width: 1500px }
.bar {
  display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 6px
  16px; padding-block: 12px;
}
.bar nav { display: flex; flex-wrap: wrap; gap: 4px }
.bar nav a { padding: 6px 12px; border-radius: 8px; color: var(--ink); text-decoration: none }
.bar nav a:hover { background: var(--bar) }
.bar nav a[aria-current] { background: var(--ink); color: var(--paper); font-weight: 600 }
#theme { margin: 0 }
main { padding-bottom: 40px }
main > * + * { margin-top: 12px }
.offline main { opacity: 0.55 }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; font-size: 0.9rem }
.tools label { display: inline-flex; align-items: center; gap: 6px }
.tools .actions { margin-left: auto; display: flex; gap: 8px }
input[type="checkbox"] { width: 17px; height: 17px; accent-color: var(--accent) }
:is(input[type="search"], input[type="text"], textarea, select) {
  padding: 8px 11px; border: 1px solid var(--line); border-radius: 9px; background: var(--card);
  color: inherit; font: inherit; font-size: 0.93rem;
}
input[type="search"] { width: min(100%, 300px) }
textarea { display: block; width: 100% }
::placeholder { color: var(--muted); opacity: 1 }
.wide {
  border: 1px solid var(--line); border-radius: 10px; background: var(--card); overflow: auto;
}
table { min-width: 0 }
:is(th, td) { padding: 6px 12px; font-weight: inherit }
tr:last-child > * { border-bottom: 0 }
thead th {
  position: sticky; top: 0; z-index: 1; background: var(--card); font-weight: 600; vertical-align:
  bottom; box-shadow: 0 1px 0 var(--line);
}
thead button { padding: 0; border: 0; background: none; font: inherit; text-align: left }
:is(th, td) small { color: var(--muted); font-weight: 400; font-size: 0.8rem }
[aria-sort="ascending"] button::after { content: " ↑" }
[aria-sort="descending"] button::after { content: " ↓" }
.runs { max-height: calc(100vh - 210px); min-height: 120px }
.runs tbody tr:not(.space) { height: 46px }
.runs tbody tr:not(.space) > * {
  height: 46px; padding-block: 0; white-space: nowrap; vertical-align: middle;
}
.runs .space > td { padding: 0; border: 0 }
.runs thead th { white-space: nowrap }
.runs :is(tbody th, thead th:first-child) { position: sticky; left: 0; background: var(--card) }
.runs thead th:first-child { z-index: 2 }
.runs tbody th > * + * { margin-left: 7px }
.runs tbody tr:hover > *, .pinned > * { background: var(--bar) }
.runs tr:focus-visible { outline-offset: -3px }
.runs .note {
  display: inline-block; max-width: 130px; overflow: hidden; text-overflow: ellipsis; vertical-
  align: bottom;
}
.pick { width: 20px; height: 20px; padding: 0; border: 1.5px solid var(--muted); border-radius: 5px; }
.pick[aria-checked="true"] { border-color: var(--accent); background: var(--accent) content-box; padding: 3px; }
.runs tbody th > * { vertical-align: middle; }
.picked > *, .picked > th { background: var(--bar); }
.link {
  padding: 0; border: 0; background: none; color: var(--accent); font: 0.9rem ui-monospace, Menlo,
  Consolas, monospace; text-decoration: underline;
}
.number { display: grid; line-height: 1.25 }
.why {
  display: inline-block; max-width: 240px; overflow: hidden; text-overflow: ellipsis; vertical-
  align: middle;
}
.state.ok { color: var(--good) }
.state:is(.failed, .damaged, .interrupted) { color: var(--bad) }
.state.running { color: var(--accent); font-weight: 600 }
.sparks { display: inline-flex; gap: 8px }
.spark { fill: none; stroke: var(--accent); stroke-width: 1.5 }
.spark circle { fill: var(--c1); stroke: none }
dialog {
  width: min(760px, calc(100vw - 28px)); max-height: calc(100vh - 40px); margin: auto; padding:
  20px; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); color:
  inherit;
}
dialog > * + * { margin-top: 12px }
dialog .close { float: right; padding: 4px 10px }
`;
