// Sorting of tables, enlarged pictures, and what print needs. Without it everything is readable.
"use strict";

function value(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

// Numbers by size, then what is none; within each body, so that reference rows stay below.
function sort(table, column, descending) {
  const sign = descending ? -1 : 1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].sort((left, right) => {
      const [a, b] = [value(left, column), value(right, column)];
      if (typeof a === "number" && typeof b === "number") return sign * (a - b);
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      return sign * a.localeCompare(b, "en", { numeric: true });
    });
    body.append(...rows);
  }
}

// The text of a heading becomes a button; its link to the protocol stays beside it.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...[...heading.childNodes].filter((node) => !node.matches?.("a")));
    heading.prepend(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table, column, descending);
    });
  });
}
document.querySelector("#tables ~ .hint")?.append(" A heading sorts.");

// A picture opens in the page; the link alone would open the file.
const dialog = document.createElement("dialog");
const close = document.createElement("button");
const large = document.createElement("img");
const caption = document.createElement("p");
close.type = "button";
close.textContent = "Close";
dialog.append(large, close, caption);
dialog.addEventListener("click", () => dialog.close());
document.body.append(dialog);
for (const link of document.querySelectorAll("a.enlarge")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    large.src = link.href;
    large.alt = link.querySelector("img").alt;
    caption.textContent = large.alt;
    // As large as there is room, from twice its size on by whole numbers: every pixel then has the same size.
    const [width, height] = ["width", "height"].map((side) => Number(link.querySelector("img").getAttribute(side)));
    const factor = Math.min((innerWidth - 40) / width, (innerHeight - 100) / height);
    large.width = width * (factor > 2 ? Math.floor(factor) : factor);
    dialog.showModal();
  });
}

// What is folded is open in print.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
