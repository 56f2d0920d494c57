// The style sheet of the page. Its --names are the colours: of the ground, of text, of series.
#pragma once

#include <string_view>

namespace gpunet::detail::report {

inline constexpr std::string_view style = R"css(
:root { color-scheme: light; --page: #ffffff; --card: #f5f6f8; --text: #191d24; --soft: #545c69; --line: #d5d9e0;
  --grid: #e7eaee; --link: #0a58ca; --flag: #a8200d;
  --s0: #0a58ca; --s1: #b04a00; --s2: #0b7a5c; --s3: #a01bb0; --s4: #c01040; --s5: #20252e; --s6: #5a6a00; --s7: #6a2bd0; }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { color-scheme: dark; --page: #12151a;
  --card: #1b2027; --text: #e8ebf0; --soft: #a9b2bf; --line: #39414d; --grid: #262c35; --link: #85b7ff; --flag: #ff9d8a;
  --s0: #74b0ff; --s1: #ffb266; --s2: #55d6a8; --s3: #eea5fb; --s4: #ff93a8; --s5: #f2f4f7; --s6: #cfdb62; --s7: #bda6ff; } }
:root[data-theme="dark"] { color-scheme: dark; --page: #12151a;
  --card: #1b2027; --text: #e8ebf0; --soft: #a9b2bf; --line: #39414d; --grid: #262c35; --link: #85b7ff; --flag: #ff9d8a;
  --s0: #74b0ff; --s1: #ffb266; --s2: #55d6a8; --s3: #eea5fb; --s4: #ff93a8; --s5: #f2f4f7; --s6: #cfdb62; --s7: #bda6ff; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
footer { padding-top: 1.5rem; padding-bottom: 2.5rem; color: var(--soft); font-size: .875rem; }
h1, h2, h3 { line-height: 1.25; letter-spacing: -.01em; margin: 0; text-wrap: balance; }
h1 { font-size: 1rem; font-weight: 600; color: var(--soft); letter-spacing: 0; }
h2 { font-size: 1.35rem; margin: 3rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
.headline { font-size: clamp(1.5rem, 1.1rem + 1.9vw, 2.15rem); line-height: 1.25; letter-spacing: -.015em; margin: .4rem 0 .75rem;
  max-width: none; text-wrap: balance; }
.headline strong { display: inline-block; }
.soft, figcaption p { color: var(--soft); }
a { color: var(--link); }
code { font: .9em ui-monospace, "SF Mono", "DejaVu Sans Mono", "Liberation Mono", monospace; background: var(--card);
  border: 1px solid var(--line); border-radius: 4px; padding: .05em .35em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--page); padding: .4rem .8rem; z-index: 2; }
.top { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1.25rem 0 0; padding: .6rem 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); font-size: .9375rem; }
#theme { font: inherit; font-size: .875rem; color: var(--soft); background: none; border: 1px solid var(--line);
  border-radius: 999px; padding: .15rem .8rem; cursor: pointer; white-space: nowrap; }
#theme:hover { color: var(--text); border-color: var(--soft); }
html:not(.js) #theme { display: none; }
.ladder { display: flex; flex-wrap: wrap; list-style: none; gap: .75rem; margin: 1.25rem 0; padding: 0; }
.ladder li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .55rem .9rem; min-width: 9rem; }
.ladder span { display: block; font-size: .875rem; color: var(--soft); }
.ladder li { max-width: 100%; } .ladder strong { font-size: 1.05rem; overflow-wrap: break-word; }
.choices { border: 0; margin: .5rem 0; padding: 0 0 0 6.25rem; display: flex; flex-wrap: wrap; gap: .35rem; position: relative; }
.choices legend { position: absolute; left: 0; top: .15rem; padding: 0; font-size: .875rem; color: var(--soft); }
.choices input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.choices label { font-size: .875rem; border: 1px solid var(--line); border-radius: 999px; padding: .1rem .75rem; cursor: pointer; }
.choices label:hover { border-color: var(--soft); }
.choices input:checked + label { background: var(--text); border-color: var(--text); color: var(--page); }
.choices input:focus-visible + label { outline: 3px solid var(--link); outline-offset: 2px; }
figure { margin: 1rem 0 0; }
.plot { display: block; width: 100%; height: auto; }
.narrow { display: none; max-width: 30rem; margin: 0 auto; }
.plot text { font-size: 13px; fill: var(--text); font-variant-numeric: tabular-nums; }
.narrow text { font-size: 12px; }
.plot .tick { fill: var(--soft); }
.plot .title { fill: var(--soft); }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.grid { stroke: var(--grid); fill: none; }
.axis { stroke: var(--soft); fill: none; }
.c0 { --c: var(--s0); } .c1 { --c: var(--s1); } .c2 { --c: var(--s2); } .c3 { --c: var(--s3); }
.c4 { --c: var(--s4); } .c5 { --c: var(--s5); } .c6 { --c: var(--s6); } .c7 { --c: var(--s7); }
.m { stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; fill: var(--page); }
.here .m { fill: var(--c); }
.here .noisy .m { fill-opacity: .3; stroke-dasharray: 3 1.5; }
.front { fill: none; stroke: var(--c, var(--soft)); stroke-width: 1.4; stroke-opacity: .55; stroke-linejoin: round; }
.chief .front { stroke-width: 2.4; stroke-opacity: .8; }
.total .front { stroke: var(--text); stroke-width: 6; stroke-opacity: .13; }
.families .front { stroke: var(--text); stroke-width: 4; stroke-opacity: .25; }
.curve { fill: none; stroke: var(--c); stroke-width: 1.6; stroke-opacity: .75; stroke-linejoin: round; }
.best { fill: none; stroke: var(--text); stroke-width: 1.2; }
.whisker { stroke: var(--c); stroke-width: 1.4; }
.leader { stroke: var(--soft); stroke-width: .8; stroke-opacity: .7; fill: none; }
.plot .name { paint-order: stroke; stroke: var(--page); stroke-width: 3px; stroke-linejoin: round; fill: var(--soft); }
.plot .first { fill: var(--text); font-weight: 600; }
.plot .own { fill: var(--c); }
.plot .own.first { font-weight: 700; }
.pt { cursor: default; }
.ring { fill: transparent; stroke: none; }
.pt:hover .ring, .pt.same .ring { stroke: var(--c); stroke-width: 1.5; }
.pt:focus { outline: none; }
.pt:focus .ring { stroke: var(--link); stroke-width: 3; }
.legend { list-style: none; margin: .75rem 0 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr));
  gap: .25rem 1.5rem; font-size: .9375rem; }
.legend li { display: flex; gap: .6rem; align-items: baseline; }
.key { flex: none; position: relative; top: .15em; }
.families { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin: .75rem 0 .25rem; }
.claim { font-size: 1.125rem; }
.claim strong, .claim code { white-space: nowrap; }
.claim, .claim + p { max-width: 54rem; }
.plots { margin-top: 1.25rem; }
#tip { position: fixed; z-index: 3; pointer-events: none; max-width: min(26rem, calc(100vw - 16px)); background: var(--text);
  color: var(--page); font-size: .8125rem; line-height: 1.45; white-space: pre-line; padding: .5rem .7rem; border-radius: 6px; }
#tip::first-line { font-weight: 600; }
#tip[hidden] { display: none; }
.front-list li, .front-list + p + ul li { margin: .2rem 0; }
details { margin: .5rem 0; border-top: 1px solid var(--line); padding-top: .5rem; }
summary { cursor: pointer; }
summary .key { margin-right: .5rem; }
.scroll { overflow-x: auto; margin: 1rem 0 1.75rem; }
table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; min-width: min(26rem, 100%); overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); padding: 0 0 .5rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(59.5rem, calc(100vw - 2rem)); }
th, td { padding: .4rem .65rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--grid); }
td { white-space: nowrap; }
thead th { vertical-align: bottom; border-bottom: 1px solid var(--soft); font-weight: 600; line-height: 1.3; min-width: 4.5rem; }
th:first-child { text-align: left; padding-left: 0; white-space: nowrap; }
tbody th { font-weight: 600; position: sticky; left: 0; background: var(--page); }
small { font-size: .8125rem; color: var(--soft); font-weight: 400; }
thead small { display: block; white-space: nowrap; }

.beside { display: inline-block; min-width: 4em; padding-left: .5em; text-align: left; }
.none { color: var(--soft); }
.flag { font-style: normal; font-size: .8125rem; color: var(--flag); }
.bar rect { fill: var(--s0); }
dl { display: grid; grid-template-columns: fit-content(16rem) 1fr; gap: .3rem 1.5rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
@supports selector(:has(*)) { .view { display: none; } .plots:not(:has(#view-1)) .view-0, .plots:has(#view-0:checked) .view-0,
  .plots:has(#view-1:checked) .view-1, .plots:has(#view-2:checked) .view-2, .plots:has(#view-3:checked) .view-3,
  .plots:has(#view-4:checked) .view-4, .plots:has(#view-5:checked) .view-5, .plots:has(#view-6:checked) .view-6,
  .plots:has(#view-7:checked) .view-7, .plots:has(#view-8:checked) .view-8, .plots:has(#view-9:checked) .view-9,
  .plots:has(#view-10:checked) .view-10, .plots:has(#view-11:checked) .view-11 { display: block; } }
.plots:has(#family-1:checked) .f:not(.f0), .plots:has(#family-2:checked) .f:not(.f1),
.plots:has(#family-3:checked) .f:not(.f2), .plots:has(#family-4:checked) .f:not(.f3),
.plots:has(#family-5:checked) .f:not(.f4), .plots:has(#family-6:checked) .f:not(.f5),
.plots:has(#family-7:checked) .f:not(.f6), .plots:has(#family-8:checked) .f:not(.f7),
.plots:has(#family-9:checked) .f:not(.f8), .plots:has(#family-10:checked) .f:not(.f9),
.plots:has(#family-11:checked) .f:not(.f10), .plots:has(#family-12:checked) .f:not(.f11) { opacity: .13; }
@media (max-width: 44rem) { .wide { display: none; } .narrow { display: block; } header { padding-top: 1.5rem; }
  header, main, footer { padding-left: 1rem; padding-right: 1rem; } h2 { margin-top: 2.25rem; }
  .ladder { gap: .5rem; } .ladder li { flex: 1 1 8rem; min-width: auto; } .choices { padding-left: 0; } .choices legend { position: static; width: 100%; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; } }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print { :root, :root[data-theme="dark"], :root:not([data-theme="light"]) { color-scheme: light; --page: #ffffff; --card: #ffffff;
  --text: #000000; --soft: #444444; --line: #bbbbbb; --grid: #dddddd; --link: #000000; --flag: #a8200d; --s0: #0a58ca;
  --s1: #b04a00; --s2: #0b7a5c; --s3: #a01bb0; --s4: #c01040; --s5: #20252e; --s6: #5a6a00; --s7: #6a2bd0; }
  body { font-size: 10.5pt; } nav, #theme, .skip, .choices { display: none; } h2 { margin-top: 1.5rem; break-after: avoid; }
  h3, caption { break-after: avoid; } figure, tr, li { break-inside: avoid; } .wide { display: block; } .narrow { display: none; }
  .scroll { overflow: visible; } table { font-size: 8.5pt; } th, td { padding: .2rem .4rem; } }
)css";

} // namespace gpunet::detail::report
