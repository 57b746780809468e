"""The look of the HTML report: one column, the system's fonts, light and dark, down to a phone's width."""

STYLE = """
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5d646d; --page: #ffffff; --panel: #f4f5f7;
  --rule: #d9dce1; --accent: #1f5fae; --alert: #8a4b00; --alert-page: #fff4e0; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #a3abb5; --page: #15181c; --panel: #1f2329;
  --rule: #363c45; --accent: #7db4f5; --alert: #ffd08a; --alert-page: #35260f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif;
  overflow-wrap: break-word; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; padding-top: 0.75rem; border-top: 1px solid var(--rule); }
a { color: var(--accent); }
.subtitle, .faint, figcaption, caption, footer { color: var(--soft); }
.faint, figcaption, caption { font-size: 0.9rem; }
.lead { font-size: 1.05rem; background: var(--panel); border-left: 4px solid var(--accent); padding: 0.8rem 1rem; }
.alert { background: var(--alert-page); color: var(--alert); border-left: 4px solid currentColor; padding: 0.7rem 1rem;
  font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; list-style: none; padding: 0; margin: 1.25rem 0; }
.wide { overflow-x: auto; margin: 0.75rem 0 1.25rem; }
table { border-collapse: collapse; font-size: 0.9rem; min-width: 20rem; }
caption { text-align: left; padding-bottom: 0.3rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--rule); }
td { max-width: 34rem; min-width: 4rem; }
td.number { min-width: 2rem; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.id { white-space: nowrap; }
summary { cursor: pointer; color: var(--accent); margin: 0.5rem 0; }
tr.strong td { font-weight: 650; background: var(--panel); }
tr.faint td { color: var(--soft); font-size: inherit; }
figure { margin: 1.25rem 0; overflow-x: auto; }
figure svg, figure img { display: block; width: 100%; height: auto; }
figure svg { min-width: 34rem; }
figure img { max-width: 52rem; background: #ffffff; border-radius: 4px; }
pre { background: var(--panel); padding: 0.8rem 1rem; overflow-x: auto; font-size: 0.85rem; border-radius: 4px; }
footer { margin-top: 3rem; font-size: 0.85rem; }
@media print { nav { display: none; } section { break-inside: avoid-page; } }
"""
