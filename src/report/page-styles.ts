/** How the page looks. Numbers are aligned, wide tables scroll, nothing is loaded. */
export const STYLES = `
:root { color-scheme: light dark; --ink: #1f2328; --faint: #656d76; --line: #d8dee4;
  --paper: #ffffff; --box: #f6f8fa; --loud: #b42318; --loud-box: #fef3f2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --faint: #8d96a0; --line: #30363d; --paper: #0d1117; --box: #161b22;
    --loud: #ff9b8f; --loud-box: #2b1614; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 ui-sans-serif, system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 28px; margin: 0 0 12px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 0 0 8px; }
h3 { font-size: 14px; margin: 0 0 6px; }
section { margin-top: 44px; }
code { font: 13px ui-monospace, monospace; background: var(--box); padding: 1px 5px;
  border-radius: 4px; }
.origin { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 8px 24px;
  margin: 28px 0 0; padding: 16px; background: var(--box); border-radius: 8px; }
.origin dt { color: var(--faint); font-size: 12px; }
.origin dd { margin: 0; overflow-wrap: anywhere; }
.bars { margin: 18px 0; }
.bar { display: grid; grid-template-columns: 112px 1fr 64px; gap: 12px; align-items: center;
  margin: 6px 0; }
.bar i { height: 18px; border-radius: 3px; display: block; }
.bar b { text-align: right; font-variant-numeric: tabular-nums; }
.loud { background: var(--loud-box); color: var(--loud); border-radius: 8px; padding: 18px 20px; }
.loud ul { margin: 0; padding-left: 20px; }
.loud li { margin: 4px 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 20px; margin: 16px 0; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { color: var(--faint); font-size: 13px; text-align: center; }
details { border-top: 1px solid var(--line); padding: 10px 0; }
summary { cursor: pointer; font-weight: 600; }
.scroll { overflow-x: auto; margin-top: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
thead th { color: var(--faint); font-weight: 500; }
th[scope="row"], thead th:first-child { text-align: left; font-weight: 400; white-space: normal;
  min-width: 200px; }
.short { color: var(--loud); }
.heaps { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));
  gap: 20px; margin-top: 12px; }
.heaps th[scope="row"] { min-width: 0; }
@media (max-width: 600px) { th, td { padding: 5px 6px; }
  th[scope="row"], thead th:first-child { min-width: 130px; } thead th { white-space: normal;
  overflow-wrap: anywhere; } }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 7px; }
`;
