"use strict";

// Plots: each is described by a block beside its element, and drawn when it is nearly in view.
const touch = matchMedia("(pointer: coarse)").matches;
const elements = [...document.querySelectorAll(".plot")];
const described = new Map(); // element -> what Plotly draws, once it is unpacked
const drawn = new Set();

function draw(plot) {
  if (drawn.has(plot) || !described.has(plot)) return;
  drawn.add(plot);
  const { data, layout } = described.get(plot);
  if (touch) layout.dragmode = false; // a finger must scroll, not zoom
  Plotly.newPlot(plot, data, layout, { responsive: true, displayModeBar: false });
}

async function unpack(block) {
  const bytes = Uint8Array.from(atob(block.textContent.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function unpackAll(library) {
  const script = document.createElement("script");
  script.textContent = await unpack(library);
  document.head.append(script); // the page's policy knows it by its hash
  const unpackPlot = async (plot) => {
    const block = document.querySelector(`script[data-plot="${plot.id}"]`);
    described.set(plot, JSON.parse(await unpack(block)));
  };
  await Promise.all(elements.map(unpackPlot));
}

async function startPlots() {
  const library = document.getElementById("library");
  if (!library) return;
  if (!("DecompressionStream" in window)) {
    const message = "This browser cannot unpack the plots. Use a browser of 2023 or later.";
    for (const plot of elements) plot.textContent = message;
    return;
  }
  await unpackAll(library);
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          observer.unobserve(target);
          draw(target);
        }
      }
    },
    { rootMargin: "800px" }
  );
  for (const plot of elements) observer.observe(plot);
}

// After the first paint: text and tables do not wait for it.
requestAnimationFrame(() => setTimeout(startPlots));

// On paper a plot must not be wider than the sheet (A4: some 700 CSS pixels between the margins).
addEventListener("beforeprint", () => {
  elements.forEach(draw);
  drawn.forEach((plot) => Plotly.relayout(plot, { width: Math.min(plot.clientWidth, 680) }));
});
addEventListener("afterprint", () => {
  drawn.forEach((plot) => Plotly.relayout(plot, { width: null, autosize: true }));
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
