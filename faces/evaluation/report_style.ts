/** The report's style sheet. Colors after Okabe and Ito, distinguishable by color-blind readers. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #f7f6f3; --card: #fff; --ink: #1d1f23; --muted: #5c6068; --line: #dcdad4;
  --train: #0072b2; --validation: #d55e00; --test: #5d5a9c; --baseline: #86602b;
  --female: #a0527f; --male: #00795c;
  --good: #00694f; --good-back: #e2f3ed; --bad: #a33f00; --bad-back: #fbeae0;
  --heat: 0 114 178;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1e2125; --ink: #e9e8e4; --muted: #a5a8ae; --line: #383c43;
    --train: #56b4e9; --validation: #f0a04b; --test: #a9a5e6; --baseline: #d3b57c;
    --female: #d993bc; --male: #3fc29c;
    --good: #66d6b2; --good-back: #16332b; --bad: #f5ac78; --bad-back: #3d2617;
    --heat: 86 180 233;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 40px; }
footer { padding-bottom: 56px; }
h1 { font-size: 2rem; line-height: 1.15; letter-spacing: -.02em; margin: 0 0 8px; }
h2 {
  font-size: 1.45rem; line-height: 1.2; letter-spacing: -.01em;
  margin: 56px 0 12px; padding-top: 16px; border-top: 1px solid var(--line);
}
h3 { font-size: 1rem; margin: 0 0 2px; }
h3.row { margin: 28px 0 10px; }
h3 small { font-weight: 400; font-size: .86rem; color: var(--muted); margin-left: 6px; }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
.over { color: var(--muted); font-size: .9rem; margin: 0 0 4px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: .92rem; margin-top: 14px; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
p { margin: 0 0 10px; max-width: 72ch; }
h1, h2, h3, p, figcaption, dt, dd, li { overflow-wrap: anywhere; }
.lead, .note, figcaption { color: var(--muted); }
.lead { font-size: 1.05rem; }
.notice { font-weight: 600; border-left: 4px solid var(--validation); padding-left: 10px; }
.note, figcaption { font-size: .86rem; line-height: 1.4; }
code, .id { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .86em; }
.id { color: var(--muted); font-weight: 400; }
a { color: var(--train); }
.grid { display: grid; gap: 16px; margin-top: 24px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.columns { display: grid; gap: 16px; grid-template-columns: repeat(2, minmax(0, 1fr)); margin-bottom: 16px; }
.columns > :last-child:nth-child(odd) { grid-column: 1 / -1; }
.columns > figure:last-child:nth-child(odd) { display: grid; gap: 16px; align-items: center; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px; margin: 0; min-width: 0; break-inside: avoid;
}
.columns > div.card { overflow-x: auto; }
.wide { display: grid; gap: 0 16px; grid-template-columns: repeat(3, minmax(0, 1fr)); }
.wide > figcaption { grid-column: 1 / -1; }
.over code { display: inline-block; }
.columns .data { font-size: .84rem; }
.columns .data :is(th, td) { padding-right: 5px; }
.columns .data :is(th, td):first-child { white-space: normal; }
.columns .data :is(th, td):last-child { padding-right: 0; }
.figure { font-size: 2.1rem; line-height: 1.2; font-weight: 650; letter-spacing: -.02em; margin: 6px 0 4px; }
.figure small { font-size: 1rem; font-weight: 400; letter-spacing: 0; color: var(--muted); }
.verdict {
  display: inline-block; margin: 6px 0 0; padding: 2px 10px; border-radius: 99px;
  font-size: .86rem; font-weight: 600; background: var(--bad-back); color: var(--bad);
}
.verdict.better { background: var(--good-back); color: var(--good); }
figure > figcaption { margin: 0 0 8px; }
figure > figcaption b { color: var(--ink); font-size: .95rem; display: block; }
svg.plot { display: block; width: 100%; max-width: 520px; height: auto; overflow: visible; font: 9.5px system-ui, sans-serif; }
svg.plot text { white-space: pre; }
svg.plot + p { margin-top: 10px; }
.key { white-space: nowrap; }
.key i { display: inline-block; width: 18px; margin: 0 5px 0 10px; border-top: 3px solid; vertical-align: middle; }
.key:first-of-type i { margin-left: 0; }
.key i.train { color: var(--train); }
.key i.validation { color: var(--validation); border-top-style: dashed; }
.key i.baseline { color: var(--baseline); }
.key i.female { color: var(--female); }
.key i.male { color: var(--male); }
b.inline { display: inline; font-size: inherit; }
p.chart { font-size: .82rem; color: var(--muted); margin: 10px 0 0; }
.scroll { overflow-x: auto; }
.network { display: grid; gap: 16px; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); align-items: start; }
.network dl.params { columns: 1; }
.comparison { display: grid; gap: 12px 36px; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); margin-bottom: 16px; overflow-x: auto; }
.comparison .note p { margin: 0 0 8px; }
.layers :is(th, td):nth-child(2) { text-align: left; white-space: normal; }
.layers td:last-child { background: linear-gradient(to left, rgb(var(--heat) / .22) calc(100% * var(--share)), transparent 0); padding-left: 8px; }
.layers th, .layers td { padding-top: 2px; padding-bottom: 2px; }
.sheet { display: grid; gap: 6px; grid-template-columns: repeat(auto-fill, minmax(62px, 1fr)); padding: 0; margin: 0; list-style: none; }
.sheet img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 5px; }
.framing { display: grid; gap: 8px; grid-template-columns: 7em repeat(4, minmax(0, 112px)) minmax(0, 1fr); align-items: center; }
.framing .note { grid-column: 6; grid-row: 1 / span 3; padding-left: 20px; }
.framing p { margin: 0; }
.framing small { display: block; color: var(--muted); }
.framing img { width: 100%; height: auto; border-radius: 5px; image-rendering: pixelated; }
.facts { columns: 1 !important; max-width: 100ch; margin: 0 0 16px !important; }
.facts dt { flex: none; width: 9em; }
.facts dd { text-align: left !important; flex: 1; }
details { margin: 0 0 10px; }
summary { cursor: pointer; color: var(--train); }
pre { font: .8rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: 5px 10px 5px 0; text-align: right; border-bottom: 1px solid var(--line); vertical-align: bottom; white-space: nowrap; }
th { font-weight: 400; }
thead th { color: var(--muted); font-size: .82rem; }
th:first-child, td:first-child { text-align: left; }
th:last-child, td:last-child { padding-right: 0; }
tr.strong td, tr.strong th { font-weight: 650; }
.data { width: 100%; }
.data tbody :is(th, td) { vertical-align: baseline; }
small.range { display: block; color: var(--muted); font-size: .76rem; font-weight: 400; line-height: 1.1; }
.columns small.range { display: inline; margin-left: 6px; }
.confusion { margin-top: 4px; width: 100%; table-layout: fixed; }
.confusion th, .confusion td { white-space: normal; padding: 6px 3px; text-align: center; border: 1px solid var(--card); font-size: .86rem; }
.confusion tbody th { text-align: right; padding-right: 8px; font-weight: 500; font-size: .82rem; }
.confusion thead th { overflow-wrap: normal; }
.confusion td { background: rgb(var(--heat) / var(--share)); }
.confusion td.right { font-weight: 700; }
.confusion td.none { color: var(--muted); font-weight: 400; }
.confusion.many th, .confusion.many td { font-size: .7rem; padding: 5px 1px; }
.faces { display: grid; gap: 12px 10px; grid-template-columns: repeat(auto-fill, minmax(78px, 1fr)); padding: 0; margin: 0; list-style: none; }
.faces li { font-size: .8rem; line-height: 1.3; break-inside: avoid; }
.faces img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 6px; margin-bottom: 4px; image-rendering: pixelated; }
.faces em { display: block; font-style: normal; font-weight: 600; color: var(--bad); }
.faces span { color: var(--muted); display: block; }
.protocol { margin-top: 16px; }
.protocol h2 { font-size: 1rem; margin: 0 0 6px; padding: 0; border: 0; }
.protocol dl { columns: 2 400px; column-gap: 36px; margin: 0; font-size: .88rem; }
.protocol dl div { display: flex; gap: 10px; padding: 3px 0; break-inside: avoid; }
.protocol dt { flex: none; width: 8.5em; color: var(--muted); }
.protocol dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dl.params { columns: 3 210px; column-gap: 28px; margin: 0; font-size: .88rem; }
dl.params div { display: flex; gap: 10px; justify-content: space-between; border-bottom: 1px solid var(--line); padding: 3px 0; break-inside: avoid; }
dl.params dt { color: var(--muted); overflow-wrap: break-word; }
dl.params dd { margin: 0; text-align: right; }
dl.words dt { font-weight: 600; }
dl.words dd { margin: 0 0 10px; max-width: 72ch; color: var(--muted); }
@media (max-width: 820px) {
  .network, .comparison, .columns, .columns > figure:last-child:nth-child(odd) { grid-template-columns: minmax(0, 1fr); }
  svg.plot { font-size: 12px; }
  .framing { grid-template-columns: 5.5em repeat(4, minmax(0, 112px)); gap: 5px; }
  .framing .note { grid-column: 1 / -1; grid-row: auto; padding: 0; }
}
@media (max-width: 520px), print {
  .columns small.range { display: block; font-size: .68rem; letter-spacing: -.01em; margin: 0; }
}
@media (max-width: 520px) {
  main, header, footer { padding-left: 14px; padding-right: 14px; }
  header { padding-top: 24px; }
  .wide { grid-template-columns: minmax(0, 1fr); }
  h1 { font-size: 1.6rem; }
  h2 { margin-top: 40px; }
  .card { padding: 12px; }
  th, td { padding-right: 8px; }
  .layers { font-size: .76rem; }
  .layers :is(th, td) { padding-right: 6px; }
  .comparison { padding: 12px 10px; }
  .comparison .data { font-size: .82rem; }
  .comparison :is(th, td) { padding-right: 6px; white-space: normal; }
  .comparison td { white-space: nowrap; }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #bbb;
    --train: #0072b2; --validation: #d55e00; --test: #5d5a9c; --baseline: #6b4a1d; --female: #a0527f; --male: #00795c;
    --good: #00694f; --good-back: #fff; --bad: #a33f00; --bad-back: #fff; --heat: 0 114 178;
  }
  body { font-size: 9.5pt; }
  main, header, footer { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .grid { grid-template-columns: repeat(auto-fit, minmax(30%, 1fr)); gap: 8px; }
  /* Chromium divides rows of a grid between pages, but no inline block. */
  .columns { display: block; orphans: 1; widows: 1; }
  .model > p { break-after: avoid; break-inside: avoid; }
  .columns > .card { display: inline-block; width: 49%; vertical-align: top; margin-bottom: 8px; }
  .columns > .card:last-child:nth-child(odd) { width: 98.6%; }
  .columns > figure:last-child:nth-child(odd) { display: inline-grid; grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .card { padding: 10px; }
  .groups td:nth-child(3):last-child small.range { display: inline; margin-left: 4px; }
  svg.plot { font-size: 11px; }
  .protocol dl { columns: 2; }
  h2, h3, h3.row + .note, figcaption, dl.words dt { break-after: avoid; }
  .data th, .data td { padding-top: 2px; padding-bottom: 2px; }
  .network { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); }
  .comparison { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
  .scroll { overflow: visible; break-inside: auto; }
  .scroll .data { font-size: 7.5pt; }
  .scroll .data :is(thead th, small) { font-size: 6.5pt; }
  .scroll .data tbody th { font-size: inherit; }
  .scroll .data :is(th, td) { padding-right: 3px; white-space: normal; }
  .framing { grid-template-columns: 6em repeat(4, 60px); gap: 4px 8px; }
  .framing .note { grid-column: 1 / -1; grid-row: auto; padding: 0; width: 72ch; }
  .screen { display: none; }
  .data { font-size: 8.5pt; }
  .layers { font-size: 7.5pt; }
  .network dl.params { columns: 1; }
  .sheet { grid-template-columns: repeat(16, 1fr); gap: 4px; }
  nav, summary { display: none; }
  details::details-content { content-visibility: visible; display: block; }
  pre { columns: 2; font-size: 6.5pt; border: 0; padding: 0; }
  h2 { margin-top: 28px; }
  dl.params { font-size: 8pt; }
  .faces { grid-template-columns: repeat(12, 1fr); gap: 6px; }
  .faces li { font-size: 7.5pt; }
  .verdict { padding-left: 0; }
}
@page { margin: 13mm 13mm; }
`;
