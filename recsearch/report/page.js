"use strict";

// Plots: each is described by a JSON block beside its element. A finger must scroll, not zoom.
const touch = matchMedia("(pointer: coarse)").matches;
for (const block of document.querySelectorAll("script[data-plot]")) {
  const { data, layout } = JSON.parse(block.textContent);
  if (touch) layout.dragmode = false;
  const config = { responsive: true, displayModeBar: false };
  Plotly.newPlot(document.getElementById(block.dataset.plot), data, layout, config);
}

// On paper a plot must not be wider than the sheet (A4: some 700 CSS pixels between the margins).
const plots = [...document.querySelectorAll(".plot")];
addEventListener("beforeprint", () => {
  plots.forEach((plot) => Plotly.relayout(plot, { width: Math.min(plot.clientWidth, 680) }));
});
addEventListener("afterprint", () => {
  plots.forEach((plot) => Plotly.relayout(plot, { width: null, autosize: true }));
});

// Tables: a click on a heading sorts, a second one the other way round. What has no value is last.
function compare(a, b) {
  const numeric = a !== "" && b !== "" && !isNaN(a) && !isNaN(b);
  return numeric ? Number(a) - Number(b) : a.localeCompare(b);
}

function sort(table, column, direction) {
  const key = (row) => row.cells[column].dataset.key;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
    return direction * compare(key(a), key(b));
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sort(table, column, ascending ? 1 : -1);
    });
  });
}
