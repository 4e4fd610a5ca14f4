/**
 * The switch that shows the code of a page: it is remembered from page to page, where the browser allows storage.
 *
 * A classic script without a library. Without it, the switch works for the page that it is on.
 */
(function () {
  "use strict";

  const NAME = "review-code";
  const box = /** @type {HTMLInputElement} */ (document.getElementById(NAME));

  function restore() {
    try {
      box.checked = localStorage.getItem(NAME) === "shown";
    } catch {
      // Storage is refused.
    }
  }

  box.addEventListener("change", () => {
    try {
      localStorage.setItem(NAME, box.checked ? "shown" : "hidden");
    } catch {
      // Storage is refused, or full.
    }
  });
  restore();
  // A page to which a reader goes back may come as it was left.
  addEventListener("pageshow", (event) => event.persisted && restore());
})();
