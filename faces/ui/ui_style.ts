/** Style of the page, after the webcam page's style sheet, whose colors and buttons it shares. */
export const style = `
:root {
  --c0: light-dark(#0072b2, #56b4e9); --c1: light-dark(#c24e00, #f0a04b);
  --c2: light-dark(#00795c, #3fc29c); --c3: light-dark(#a0527f, #d993bc); --c4: light-dark(#86602b, #d3b57c);
  --c5: light-dark(#5d5a9c, #a9a5e6); --c6: light-dark(#4d7c0f, #a3d65c);
  --c7: light-dark(#5c6068, #c3c6cc); --good: light-dark(#00694f, #66d6b2);
}
header, main { max-width: 1500px }
.bar {
  display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 6px
  16px; padding-block: 12px;
}
.bar nav { display: flex; flex-wrap: wrap; gap: 4px }
.bar nav a { padding: 6px 12px; border-radius: 8px; color: var(--ink); text-decoration: none }
.bar nav a:hover { background: var(--bar) }
.bar nav a[aria-current="page"] { background: var(--ink); color: var(--paper); font-weight: 600 }
#theme { margin: 0 }
main { padding-bottom: 40px }
:is(main, .flow) > * + * { margin-top: 12px }
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
  position: sticky; top: 0; z-index: 1; background: var(--card); font-weight: 600;
  vertical-align: bottom; box-shadow: 0 1px 0 var(--line);
}
thead button { padding: 0; border: 0; background: none; font: inherit; text-align: left }
:is(th, td) small { color: var(--muted); font-weight: 400; font-size: 0.8rem }
[aria-sort="ascending"] button::after { content: " ↑" }
[aria-sort="descending"] button::after { content: " ↓" }
.wide.runs { max-height: calc(100vh - 210px); min-height: 120px }
.runs tbody tr:not(.space) { height: 46px }
.runs tbody tr:not(.space) > * {
  height: 46px; padding-block: 0; white-space: nowrap; vertical-align: middle;
}
.runs tbody td { max-width: 300px; overflow: hidden; text-overflow: ellipsis }
.runs .space > td { padding: 0; border: 0 }
.runs thead th { white-space: nowrap }
.runs :is(tbody th, thead th:first-child) { position: sticky; left: 0; background: var(--card) }
.runs thead th:first-child { z-index: 2 }
.runs tbody th > * + * { margin-left: 7px }
.runs tr:focus-visible { outline-offset: -3px }
.runs .note {
  display: inline-block; max-width: 130px; overflow: hidden; text-overflow: ellipsis;
  vertical-align: bottom;
}
.pick { width: 20px; height: 20px; padding: 0; border: 1.5px solid var(--muted); border-radius: 5px; }
.pick[aria-checked="true"] { border-color: var(--accent); background: var(--accent) content-box; padding: 3px; }
.runs tbody th > * { vertical-align: middle; }
.runs tbody tr:is(.picked, .pinned, :hover) > * {
  background: color-mix(in srgb, var(--accent) 6%, var(--card));
}
.link {
  padding: 0; border: 0; background: none; color: var(--accent); font: 0.9rem ui-monospace, Menlo,
  Consolas, monospace; text-decoration: underline;
}
.number { display: grid; line-height: 1.25 }
.why {
  display: block; max-width: 240px; overflow: hidden; text-overflow: ellipsis;
  vertical-align: middle;
}
.state.ok { color: var(--good) }
.state:is(.failed, .damaged, .interrupted) { color: var(--bad) }
.state.running { color: var(--accent); font-weight: 600 }
.sparks { display: inline-flex; gap: 8px }
.spark { fill: none; stroke: var(--accent); stroke-width: 1.5 }
.spark .dot { stroke: var(--c1); stroke-width: 5.2; stroke-linecap: round; }
.at-work { margin: 0; padding: 0; list-style: none; }
.at-work [aria-current="true"] { color: var(--ink); font-weight: 600; text-decoration: none; }
.at-work small { color: var(--muted); overflow-wrap: anywhere; }
.graph { position: relative; overflow-x: auto; padding: 2px; }
.graph svg { display: block; fill: none; stroke: var(--muted); stroke-width: 1.3; }
.graph ul { position: absolute; inset: 2px; margin: 0; padding: 0; list-style: none; }
.stage-box {
  position: absolute; width: 148px; height: 58px; padding: 6px 11px; overflow: hidden;
  border: 1px solid var(--line); border-left: 5px solid var(--muted); border-radius: 9px;
  background: var(--card); line-height: 1.3; white-space: nowrap;
}
.stage-box span { display: block; font-size: 0.8rem; color: var(--muted); }
.stage-box:is(.ran, .cached) { border-left-color: var(--good); }
.stage-box:is(.running, .runs) { border-color: var(--accent); }
.stage-box:is(.failed, .interrupted) { border-color: var(--bad); }
.stage-box progress { display: block; width: 100%; height: 5px; margin-top: 3px; }
progress { accent-color: var(--accent); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); gap: 14px; }
figure { margin: 0; min-width: 0; }
figcaption { margin: 0 0 4px; font-size: 0.9rem; color: var(--ink); font-weight: 600; overflow-wrap: anywhere; }
.plot {
  display: block; width: 100%; height: auto; overflow: visible; background: none;
  font-family: system-ui, sans-serif; font-size: 11px; --plot-background: var(--card);
}
.plot text { white-space: pre; }
.legend { margin: 4px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 14px; list-style: none; font-size: 0.8rem; }
.legend li { overflow-wrap: anywhere; }
.legend svg { margin-right: 6px; stroke-width: 2.5; }
pre {
  max-height: 320px; padding: 10px 12px; overflow: auto; border: 1px solid var(--line);
  border-radius: 10px; background: var(--card); font-size: 0.8rem; line-height: 1.45; white-space: pre-wrap;
}
h2 { margin-top: 22px; overflow-wrap: anywhere; }
.notice a { color: inherit; }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 5px; border-radius: 3px; }
.runs-line { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; }
.faces-grid { margin: 0; padding: 0; display: grid; gap: 12px; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); }
.faces-grid li small { white-space: nowrap; }
.faces-grid li { display: grid; align-content: start; font-size: 0.82rem; line-height: 1.35; overflow-wrap: anywhere; }
.line { white-space: nowrap }
.faces-grid img, .way img { border-radius: 8px; background: var(--bar); image-rendering: pixelated; }
.faces-grid img { display: block; width: 96px; height: 96px; }
.way { margin: 0; padding: 0; display: grid; gap: 14px; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 260px), 1fr)); }
.way img { width: 100%; max-width: 240px; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; font-size: 0.86rem; }
dl > * { overflow-wrap: anywhere; }
dt { color: var(--muted); }
.confusion td { text-align: right; }
.heat1 { background: rgb(0 114 178 / 10%); }
.heat2 { background: rgb(0 114 178 / 18%); }
.heat3 { background: rgb(0 114 178 / 26%); }
.heat4 { background: rgb(0 114 178 / 34%); }
.heat5 { background: rgb(0 114 178 / 42%); }
@media (max-width: 560px) {
  .bar nav a { padding: 5px 7px; font-size: 0.92rem; }
}
details { margin-top: 8px; }
summary { cursor: pointer; }
dialog {
  width: min(760px, calc(100vw - 28px)); max-height: calc(100vh - 40px); margin: auto; padding:
  20px; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); color:
  inherit;
}
dialog > * + * { margin-top: 12px }
dialog .close { float: right; padding: 4px 10px }
`;
