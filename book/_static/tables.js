/**
 * Tables of the book: those that do not fit into the page are marked and can be scrolled by keyboard, and long ones
 * can be sorted.
 *
 * A classic script without a library. Without it, tables read the same, in the order in which the book states them.
 */
(function () {
  "use strict";

  const TEXTS = new Intl.Collator("en", { numeric: true });

  /** What a cell holds, as text. @param {HTMLElement} cell @returns {string} */
  function textOf(cell) {
    const text = cell.textContent.trim();
    return text === "–" ? "" : text;
  }

  /** The number that a text opens with: 3 of "3 (1–5)", a half of "11/22"; NaN without one. @param {string} text */
  function numberOf(text) {
    const parts = text.replace("−", "-").match(/^[^\d\w-]*(-?\d+(?:\.\d+)?)(?:\/(\d+))?(?![\d-])/);
    return parts ? Number(parts[1]) / Number(parts[2] || 1) : NaN;
  }

  /**
   * How two cells of a column compare: numbers if all of its cells open with one, otherwise text, with its digits as
   * numbers.
   * @param {string[]} texts
   * @returns {(a: string, b: string) => number}
   */
  function comparison(texts) {
    if (texts.every((text) => text === "" || !isNaN(numberOf(text)))) return (a, b) => numberOf(a) - numberOf(b);
    return TEXTS.compare;
  }

  /**
   * The rows of a table's body as they belong together: headings of groups, each with its entries; an entry is a row
   * and its details.
   * @param {HTMLTableSectionElement} body
   */
  function groupsOf(body) {
    /** @type {{heading: HTMLElement[], entries: HTMLElement[][]}[]} */
    const groups = [{ heading: [], entries: [] }];
    for (const row of Array.from(body.rows)) {
      if (row.classList.contains("group")) groups.push({ heading: [row], entries: [] });
      else if (row.classList.contains("detail")) groups.at(-1).entries.at(-1).push(row);
      else groups.at(-1).entries.push([row]);
    }
    return groups;
  }

  /** Give each column of a table a button that sorts by it: up, down, and back. @param {HTMLTableElement} table */
  function makeSortable(table) {
    const body = table.tBodies[0];
    const original = groupsOf(body);
    const headers = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);

    /** @param {number} column @param {string} direction */
    function sort(column, direction) {
      const entries = original.flatMap((group) => group.entries);
      const texts = new Map(entries.map((entry) => [entry, textOf(entry[0].cells[column])]));
      const compare = comparison([...texts.values()]);
      const sign = direction === "descending" ? -1 : 1;
      const rows = original.flatMap((group) => {
        const sorted = group.entries.slice();
        if (direction) {
          // What is empty comes last in both directions.
          sorted.sort((a, b) => {
            const [x, y] = [texts.get(a), texts.get(b)];
            return x && y ? sign * compare(x, y) : Number(!x) - Number(!y);
          });
        }
        return [...group.heading, ...sorted.flat()];
      });
      // Outside the page, rows are moved without a new look at the style of all rows for each of them.
      body.remove();
      body.replaceChildren(...rows);
      table.append(body);
    }

    headers.forEach((header, column) => {
      if (!textOf(header)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.append(...Array.from(header.childNodes));
      header.append(button);
      button.addEventListener("click", () => {
        const next = { null: "ascending", ascending: "descending", descending: "" }[header.getAttribute("aria-sort")];
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        if (next) header.setAttribute("aria-sort", next);
        sort(column, next);
      });
    });
  }

  /**
   * Mark a table that is wider than its place, and let the keyboard reach it; one with a role of its own always can be.
   * @param {HTMLElement} box
   */
  function markWide(box) {
    const isWide = box.scrollWidth > box.clientWidth + 1;
    box.toggleAttribute("data-wide", isWide);
    if (box.getAttribute("role") === "region") return;
    const caption = box.querySelector("caption");
    if (isWide) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", caption ? caption.textContent : "Table");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  }

  document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
  const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => markWide(target.closest(".review-table"))));
  // A table that is not laid out until it is in sight gets its width then, while its box keeps its size.
  document.querySelectorAll(".review-table, .review-table > table").forEach((element) => observer.observe(element));
})();
